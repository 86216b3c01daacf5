package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestErrorsAreClassified(t *testing.T) {
	apiError := func(code string) string {
		return fmt.Sprintf(`{"status":"error","error":%q,"description":"what happened","details":{}}`, code)
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   Kind
		code   string
	}{
		{"key unknown", 401, apiError("authentication_failed"), Refused, "authentication_failed"},
		{"no right", 403, apiError("authorization_failed"), Refused, "authorization_failed"},
		{"no access, with HTTP 200", 200, apiError("access_denied"), Refused, "access_denied"},
		{"option not in the tariff", 402, apiError("option_not_available"), Refused, "option_not_available"},
		{"option off", 402, apiError("option_not_enabled"), Refused, "option_not_enabled"},
		{"option not paid", 402, apiError("option_not_paid"), Refused, "option_not_paid"},
		{"no money", 402, apiError("insufficient_funds"), Refused, "insufficient_funds"},
		{"frozen", 403, apiError("project_frozen"), Refused, "project_frozen"},
		{"401 without a body", 401, "", Transient, "http_401"},
		{"402 with HTML", 402, "<html>", Transient, "http_402"},
		{"403 without a body", 403, "", Transient, "http_403"},
		{"403 with JSON of others", 403, `{"message":"Forbidden"}`, Transient, "http_403"},
		{"403 with a code of others", 403, `{"error":"access_denied","error_description":"blocked"}`, Transient, "http_403"},
		{"403 with a sentence for a code", 403, apiError("No!"), Transient, "http_403"},
		{"403 with a code nobody has named", 403, apiError("teapot"), Rejected, "teapot"},
		{"407 with HTML", 407, "<html>", Transient, "http_407"},
		{"451 with HTML", 451, "<html>", Transient, "http_451"},
		{"success with HTTP 403", 403, `{"status":"success","feed":[]}`, Transient, "http_403"},
		{"quota", 429, apiError("request_limit_error"), Limited, "request_limit_error"},
		{"quota, with HTTP 200", 200, apiError("request_limit_error"), Limited, "request_limit_error"},
		{"quota of a proxy", 429, "slow down", Limited, "http_429"},
		{"not there", 404, apiError("resource_not_found"), NotFound, "resource_not_found"},
		{"no such path", 404, "<html>not found</html>", Rejected, "http_404"},
		{"wrong question", 400, apiError("request_data_validation_error"), Rejected, "request_data_validation_error"},
		{"incorrect question, with HTTP 200", 200, apiError("incorrect_request"), Rejected, "incorrect_request"},
		{"a code nobody has named", 418, apiError("teapot"), Rejected, "teapot"},
		{"internal error", 500, apiError("internal_error"), Transient, "internal_error"},
		{"internal error, with HTTP 200", 200, apiError("internal_error"), Transient, "internal_error"},
		{"unknown error", 200, apiError("unknown_error"), Transient, "unknown_error"},
		{"gateway", 502, "<html>", Transient, "http_502"},
		{"success with HTTP 500", 500, `{"status":"success","feed":[]}`, Transient, "http_500"},
		{"error without a code", 200, `{"status":"error"}`, Bad, "bad_answer"},
		{"a code that is a sentence", 500, apiError("Oh no: \n it failed"), Transient, "http_500"},
		{"no status", 200, `{"feed":[]}`, Bad, "bad_answer"},
		{"another status", 200, `{"status":"ok","feed":[]}`, Bad, "bad_answer"},
		{"no feed", 200, `{"status":"success"}`, Bad, "bad_answer"},
		{"feed is null", 200, `{"status":"success","feed":null}`, Bad, "bad_answer"},
		{"feed is an object", 200, `{"status":"success","feed":{"0":{}}}`, Bad, "bad_answer"},
		{"feed is a text", 200, `{"status":"success","feed":"[]"}`, Bad, "bad_answer"},
		{"HTML", 200, "<html>", Bad, "bad_json"},
		{"nothing", 200, "", Bad, "bad_json"},
		{"half a document", 200, `{"status":"success","feed":[{"type":`, Bad, "bad_json"},
		{"something behind it", 200, `{"status":"success","feed":[]} x`, Bad, "bad_json"},
		{"two documents", 200, `{"status":"success","feed":[]}{}`, Bad, "bad_json"},
		{"a list", 200, `[]`, Bad, "bad_json"},
		{"nested too deep", 200, `{"status":"success","feed":[` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `]}`, Bad, "bad_json"},
		{"nested without an end", 200, `{"status":"success","feed":` + strings.Repeat("[", 1<<20), Bad, "bad_json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := feedError(t, serve(t, Options{}, says(c.status, c.body)))
			if e.Kind != c.kind || e.Code != c.code || e.HTTP != c.status {
				t.Errorf("got %v %s %d: %v", e.Kind, e.Code, e.HTTP, e)
			}
			if (Remedy(e.Code) != "") != (e.Kind == Refused) {
				t.Errorf("remedy of %s: %q", e.Code, Remedy(e.Code))
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0.5": time.Second / 2, "-3": 0, "soon": 0, "NaN": 0, "1e300": 0,
		"Thu, 01 Jan 2026 00:01:00 GMT": time.Minute, "Thu, 01 Jan 2015 00:01:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
	for _, c := range []struct {
		date, after string
		want        time.Duration
	}{
		{"Sun, 01 Jan 2040 00:00:00 GMT", "Sun, 01 Jan 2040 00:01:00 GMT", time.Minute}, // a server far ahead
		{"Mon, 01 Jan 1990 00:00:00 GMT", "Mon, 01 Jan 1990 00:01:00 GMT", time.Minute}, // and far behind
		{"Sun, 01 Jan 2040 00:00:00 GMT", "Thu, 01 Jan 2026 00:01:00 GMT", 0},
		{"Sun, 01 Jan 2040 00:00:00 GMT", "7", 7 * time.Second},
		{"some day", "Thu, 01 Jan 2026 00:01:00 GMT", time.Minute},
	} {
		if got := retryAfter(http.Header{"Date": {c.date}, "Retry-After": {c.after}}, now); got != c.want {
			t.Errorf("%q at %q: %v, want %v", c.after, c.date, got, c.want)
		}
	}
	c := serve(t, Options{}, says(429, "", "Retry-After", "9"))
	if e := feedError(t, c); e.RetryAfter != 9*time.Second {
		t.Errorf("retry after %v", e.RetryAfter)
	}
}

func TestNetworkErrors(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	slow := serve(t, Options{Timeout: 50 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-block:
		case <-r.Context().Done():
		}
	})
	if e := feedError(t, slow); e.Kind != Transient || e.Code != "timeout" || e.HTTP != 0 {
		t.Errorf("timeout: %v %v", e.Kind, e)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if e := feedErrorIn(ctx, t, slow); !errors.Is(e, why) || e.Code != "cancelled" {
		t.Errorf("cancelled: %v", e)
	}
	torn := serve(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"status":"success","feed":[]}`))
	})
	if e := feedError(t, torn); e.Kind != Transient || e.Code != "network" || e.HTTP != 200 || !strings.Contains(e.Error(), "broke off after 30 bytes") {
		t.Errorf("torn: %v %v", e.Kind, e)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	nobody, err := New(Options{BaseURL: "http://" + l.Addr().String(), Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	if e := feedError(t, nobody); e.Kind != Transient || e.Code != "network" || !strings.Contains(e.Error(), "refused") {
		t.Errorf("nobody listens: %v %v", e.Kind, e)
	}
}

// spellings are how an answer may echo the key.
func spellings(t *testing.T) []string {
	t.Helper()
	j, err := json.Marshal(testKey)
	if err != nil {
		t.Fatal(err)
	}
	inJSON := string(j[1 : len(j)-1])
	return []string{
		testKey, url.QueryEscape(testKey), url.PathEscape(testKey), strings.ToLower(url.QueryEscape(testKey)),
		inJSON, strings.ReplaceAll(inJSON, "/", `\/`), `\u006b3y\u002Fwith \"quotes\" \u0026 \u00fc`,
	}
}

func TestTheKeyIsInNoError(t *testing.T) {
	for _, s := range spellings(t) {
		quoted, err := json.Marshal("your key " + s + " is wrong" + strings.Repeat("!", 300))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range []http.HandlerFunc{
			says(401, `{"status":"error","error":"authentication_failed","description":`+string(quoted)+`}`),
			says(200, `{"status":"error","description":`+string(quoted)+`}`),
			says(200, `{"status":`+string(quoted)+`}`),
			says(302, "", "Location", "http://"+url.PathEscape(s)+"/x?"+url.QueryEscape(s)),
		} {
			e := feedError(t, serve(t, Options{}, h))
			text := fmt.Sprintf("%v %+v", e, *e)
			for _, s := range spellings(t) {
				if strings.Contains(text, s) || strings.Contains(text, "k3y") {
					t.Errorf("the error shows the key: %s", text)
				}
			}
			if utf8.RuneCountInString(e.Description) > maxText {
				t.Errorf("description of %d characters", utf8.RuneCountInString(e.Description))
			}
		}
	}
}

func TestAMalformedAnswerDoesNotShowTheKey(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte("SORRY " + testKey + "\r\n\r\n"))
			err = c.Close()
		}
		done <- err
	}()
	c, err := New(Options{BaseURL: "http://" + l.Addr().String(), Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e := feedError(t, c)
	if e.Kind != Transient || strings.Contains(fmt.Sprintf("%v %+v", e, *e), "k3y") {
		t.Errorf("got %+v", *e)
	}
	if err := errors.Join(<-done, l.Close()); err != nil {
		t.Error(err)
	}
}
