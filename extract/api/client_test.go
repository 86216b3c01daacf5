package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuestions(t *testing.T) {
	type question struct {
		Method, URL, Body string
		Length            int64
		Encoding          []string
	}
	var asked question
	var header http.Header
	c := serve(t, Options{UserAgent: "roistat-etl/1"}, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked, header = question{r.Method, r.URL.String(), string(body), r.ContentLength, r.TransferEncoding}, r.Header
		says(200, `{"status":"success","clients":[{"id":1},5],"total":"7","feed":[{},[[]],1],"data":{},"total_count":0}`)(w, r)
	})
	page, err := c.List(t.Context(), ListQuestion{Filters: json.RawMessage(`[["revenue",">",0]]`), Limit: 10, Offset: 20})
	if err != nil || page.Total != 7 || len(page.Rows) != 2 || string(page.Rows[0]) != `{"id":1}` || string(page.Rows[1]) != "5" {
		t.Errorf("list: %+v, %v", page, err)
	}
	if diff := cmp.Diff(question{"POST", "/project/clients?project=12345", `{"filters":[["revenue",">",0]],"limit":10,"offset":20}`, 54, nil}, asked); diff != "" {
		t.Errorf("list (-want +got): %s", diff)
	}
	feed, err := c.Feed(t.Context(), 123)
	if err != nil || feed.Items != 3 || string(feed.JSON) != `[{},[[]],1]` {
		t.Errorf("feed: %+v, %v", feed, err)
	}
	if diff := cmp.Diff(question{"GET", "/project/clients/detail/feed?client=123&project=12345", "", 0, nil}, asked); diff != "" {
		t.Errorf("feed (-want +got): %s", diff)
	}
	contacts, err := c.Contacts(t.Context(), ContactsQuestion{Metrics: []string{"sent"}, Campaigns: []int64{2}, Limit: 1000})
	if err != nil || contacts.Total != 0 || len(contacts.Rows) != 0 {
		t.Errorf("contacts: %+v, %v", contacts, err)
	}
	if diff := cmp.Diff(question{"POST", "/project/clients/campaign/contact/list?project=12345", `{"metric_ids":["sent"],"campaign_ids":[2],"limit":1000,"offset":0}`, 66, nil}, asked); diff != "" {
		t.Errorf("contacts (-want +got): %s", diff)
	}
	if err := c.Import(t.Context(), []byte(`[{"id":"1","name":"A"}]`)); err != nil {
		t.Errorf("import: %v", err)
	}
	if diff := cmp.Diff(question{"POST", "/project/clients/import?project=12345", `[{"id":"1","name":"A"}]`, 23, nil}, asked); diff != "" {
		t.Errorf("import (-want +got): %s", diff)
	}
	for name, want := range map[string]string{"Api-Key": testKey, "Use-Http-Code": "1", "Content-Type": "application/json", "User-Agent": "roistat-etl/1"} {
		if header.Get(name) != want {
			t.Errorf("%s: %q", name, header.Get(name))
		}
	}
}

func TestFeedsAreKeptAsReceived(t *testing.T) {
	for body, want := range map[string]string{
		`{"feed":[ {"a" : "\u0441",` + "\n" + `"a":1} ],"status":"success"}`:   `[ {"a" : "\u0441",` + "\n" + `"a":1} ]`,
		` {"status":"error","feed":[1],"feed": {},"status":"success"} ` + "\n": `[]`,
		`{"feed":[],"status":"success","next":{"feed":[1]}}`:                   `[]`,
		"{\"feed\":[\"\xff\"],\"status\":\"success\"}":                         "[\"\xff\"]",
		`{"feed":[9223372036854775808,1e400],"status":"success"}`:              `[9223372036854775808,1e400]`,
	} {
		feed, err := serve(t, Options{}, says(200, body)).Feed(t.Context(), 1)
		if err != nil || string(feed.JSON) != want {
			t.Errorf("%s: %+v, %v", body, feed, err)
		}
	}
}

func TestAnEchoedKeyIsNotHandedOn(t *testing.T) {
	for _, s := range spellings(t) {
		text := s
		if s == testKey {
			text = strings.ReplaceAll(s, `"`, `\"`)
		}
		feed, err := serve(t, Options{}, says(200, `{"feed":[{"page":"x?key=`+text+`&y"}],"status":"success"}`)).Feed(t.Context(), 1)
		if err != nil || string(feed.JSON) != `[{"page":"x?key=***&y"}]` {
			t.Errorf("%s: %s, %v", s, feed.JSON, err)
		}
	}
	digits := `{"feed":[12345678],"status":"success"}`
	if feed, err := serve(t, Options{Key: "12345678"}, says(200, digits)).Feed(t.Context(), 1); err != nil || string(feed.JSON) != `[12345678]` {
		t.Errorf("a number is no key: %+v, %v", feed, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	for _, status := range []int{301, 302, 307, 308} {
		e := feedError(t, serve(t, Options{}, says(status, "", "Location", other.URL+"/?x=1")))
		if e.Kind != Bad || e.Code != "redirect" || !strings.Contains(e.Error(), "check base_url") {
			t.Errorf("%d: %v %v", status, e.Kind, e)
		}
	}
	if asked != 0 {
		t.Errorf("the other server was asked %d times", asked)
	}
}

func gzipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnswersAreBounded(t *testing.T) {
	const limit = 1 << 20
	body := func(n int) []byte {
		text := []byte(`{"status":"success","feed":["` + strings.Repeat("x", n) + `"]}`)
		return text
	}
	fits := len(body(0))
	for _, c := range []struct {
		name string
		n    int
		zip  bool
		ok   bool
	}{
		{"the largest", limit - fits, false, true}, {"one more", limit - fits + 1, false, false},
		{"the largest, zipped", limit - fits, true, true}, {"one more, zipped", limit - fits + 1, true, false},
		{"a zip bomb", 50 << 20, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := body(c.n)
			headers := []string{"Content-Type", "application/json"}
			if c.zip {
				text, headers = gzipped(t, text), append(headers, "Content-Encoding", "gzip")
			}
			client := serve(t, Options{MaxResponse: limit}, says(200, string(text), headers...))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			feed, err := client.Feed(t.Context(), 1)
			runtime.ReadMemStats(&after)
			if c.ok {
				if err != nil || len(feed.JSON) != c.n+4 {
					t.Errorf("got %v", err)
				}
				return
			}
			if e := feedError(t, client); e.Kind != Bad || e.Code != "too_large" {
				t.Errorf("got %v %v", e.Kind, e)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 16*limit {
				t.Errorf("%d bytes were allocated", used)
			}
		})
	}
}

func TestBrokenGzip(t *testing.T) {
	whole := gzipped(t, []byte(`{"status":"success","feed":[]}`))
	for name, body := range map[string][]byte{"half": whole[:len(whole)/2], "none": []byte("{}"), "damaged": append(whole[:len(whole)-8:len(whole)-8], "12345678"...)} {
		c := serve(t, Options{}, says(200, string(body), "Content-Encoding", "gzip"))
		if e := feedError(t, c); e.Kind != Transient {
			t.Errorf("%s: %v %v", name, e.Kind, e)
		}
	}
	good := serve(t, Options{}, says(200, string(whole), "Content-Encoding", "gzip"))
	for range 3 {
		if feed, err := good.Feed(t.Context(), 1); err != nil || string(feed.JSON) != "[]" {
			t.Errorf("a reader that is used again: %+v, %v", feed, err)
		}
	}
}

func TestTLSIsVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(says(200, `{"status":"success","feed":[]}`))
	s.StartTLS()
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ca := range []string{"", file} {
		c, err := New(Options{BaseURL: s.URL, Key: testKey, CAFile: ca})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Feed(t.Context(), 1)
		if (err == nil) != (ca != "") || err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("ca_file %q: %v", ca, err)
		}
		c.Close()
	}
}

func TestHTTPSToAPlainServer(t *testing.T) {
	s := httptest.NewServer(says(200, `{"status":"success","feed":[]}`))
	defer s.Close()
	c, err := New(Options{BaseURL: "https" + strings.TrimPrefix(s.URL, "http"), Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Feed(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		t.Errorf("it says %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{BaseURL: "cloud.roistat.com"}, {BaseURL: "ftp://x/"}, {BaseURL: "http://x", Key: "secret-key\n"},
		{BaseURL: "http://x", CAFile: empty}, {BaseURL: "http://x", CAFile: empty + ".none"},
	} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
