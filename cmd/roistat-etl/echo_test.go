package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	words "roistat-etl/internal/canary"
)

// echo stands before the stand-in and repeats the key that it is sent, in every
// spelling, where it is told to.
type echo struct {
	*httputil.ReverseProxy
	mu    sync.Mutex
	where string
}

// texts are the spellings as JSON texts.
func texts() string {
	var list []string
	for _, s := range append(words.Spellings(canary), "Api-Key: "+canary, canary+canary) {
		b, _ := json.Marshal(s) // a string always marshals
		list = append(list, string(b))
	}
	for _, escaped := range words.Escapes(canary)[:2] { // as they are, for JSON to resolve
		list = append(list, `"`+escaped+`"`)
	}
	return strings.Join(list, ",")
}

func newEcho(t testing.TB, sim string) (*echo, string) {
	t.Helper()
	target, err := url.Parse(sim)
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{ReverseProxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Accept-Encoding")
		},
	}}
	e.ModifyResponse = e.modify
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return e, server.URL
}

func (e *echo) set(where string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.where = where
}

// modify puts the key into an answer.
func (e *echo) modify(r *http.Response) error {
	e.mu.Lock()
	where := e.where
	e.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	feed := strings.HasSuffix(r.Request.URL.Path, "/feed")
	switch {
	case where == "data" && feed:
		item := fmt.Sprintf(`{"feed":[{"type":"sms","date":"2026-05-01T00:00:00Z","keys":[%s]},{"type":"visit","visitId":"x","date":"2026-05-01T00:00:00Z","sourceId":%q},`, texts(), canary)
		body = bytes.Replace(bytes.Replace(body, []byte(`{"feed":[]`), []byte(strings.TrimSuffix(item, ",")+"]"), 1), []byte(`{"feed":[{`), []byte(item+"{"), 1)
	case where == "data":
		body = bytes.ReplaceAll(body, []byte(`{"id":`), []byte(fmt.Sprintf(`{"echo":[%s],"comment":%q,"id":`, texts(), canary)))
		body = bytes.ReplaceAll(body, []byte(`{"contact":"`), []byte(`{"contact":`+strconv.Quote(canary)[:len(strconv.Quote(canary))-1]))
	case where == "failures" && feed:
		r.StatusCode = http.StatusInternalServerError
		body = []byte(fmt.Sprintf(`{"status":"error","error":"internal_error","description":%q,"more":[%s]}`, "the key "+canary+" is odd", texts()))
	case where == "refusal":
		r.StatusCode = http.StatusUnauthorized
		body = []byte(fmt.Sprintf(`{"status":"error","error":"authentication_failed","description":%q}`, "no such key: "+canary))
	case where == "code":
		r.StatusCode = http.StatusBadRequest
		body = []byte(fmt.Sprintf(`{"status":"error","error":%q}`, canary))
	case where == "html":
		r.Header.Set("Content-Type", "text/html")
		body = []byte("<html>" + canary + " " + url.QueryEscape(canary) + "</html>")
	case where == "redirect":
		r.StatusCode = http.StatusFound
		r.Header.Set("Location", "http://127.0.0.1:1/?key="+url.QueryEscape(canary))
	case where == "headers":
		r.StatusCode = http.StatusTooManyRequests
		r.Header.Set("Retry-After", canary)
		r.Header.Set("Content-Type", canary)
	}
	r.Header.Set("X-Your-Key", canary)
	r.Header.Del("Content-Encoding")
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.ContentLength, r.Body = int64(len(body)), io.NopCloser(bytes.NewReader(body))
	return nil
}

// TestTheKeyIsNowhereEvenWhereAnswersEchoIt searches all that the program
// prints and writes for the key: also what its mirror and its tables hold
// compressed.
func TestTheKeyIsNowhereEvenWhereAnswersEchoIt(t *testing.T) {
	t.Parallel()
	s := newSim(t, "--clients", "30", "--months", "2")
	e, address := newEcho(t, s.url)
	for _, c := range []struct {
		where string
		code  int
		args  []string
	}{
		{"data", 0, nil},
		{"failures", 3, []string{"--full", "--accept", "max_failed_clients"}},
		{"refusal", 4, nil},
		{"code", 1, nil},
		{"html", 1, nil},
		{"redirect", 1, nil},
		{"headers", 3, []string{"--deadline", "3s"}},
	} {
		t.Run(c.where, func(t *testing.T) {
			dir := t.TempDir()
			configure(t, dir, address)
			e.set("")
			want(t, 0, etl(dir, "run"))
			e.set(c.where)
			args := append([]string{"run"}, c.args...)
			if c.where == "data" {
				args = append(args, "--full")
			}
			want(t, c.code, etl(dir, append(args, "--json")...))
			want(t, c.code, etl(dir, args...))
			for _, f := range []finished{run(t, etl(dir, "status", "--json")), run(t, etl(dir, "rejects", "--json", "--limit", "0"))} {
				if f.code != 0 {
					t.Errorf("%s%s", f.stdout, f.stderr)
				}
			}
			for client := 1; client <= 30; client += 7 { // run searches what they print
				f := want(t, 0, etl(dir, "show", strconv.Itoa(client), "--json"))
				if c.where == "data" && strings.Count(f.stdout, "***") < 20 {
					t.Errorf("the echo of client %d is not to be seen", client)
				}
				want(t, 0, etl(dir, "show", strconv.Itoa(client)))
			}
			nowhere(t, dir)
		})
	}
}

// nowhere demands that no file holds the key, and that what is published still has its marks.
func nowhere(t testing.TB, dir string) {
	t.Helper()
	found, err := leakedFiles(dir)
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
	for _, row := range clientRows(t, dir) {
		if text := fmt.Sprint(row); leak([]byte(text)) != "" {
			t.Errorf("the row of client %v holds the key", row["client_id"])
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "current")); err != nil {
		t.Error(err)
	}
}
