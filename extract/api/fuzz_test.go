package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
)

// fixed answers every question alike.
type fixed struct {
	status int
	gzip   bool
	body   []byte
}

// RoundTrip answers.
func (f fixed) RoundTrip(r *http.Request) (*http.Response, error) {
	h := http.Header{}
	if f.gzip {
		h.Set("Content-Encoding", "gzip")
	}
	return &http.Response{StatusCode: f.status, Header: h, Body: io.NopCloser(bytes.NewReader(f.body)), ContentLength: -1, Request: r}, nil
}

// fuzzAnswers lets a method read any answer. A success must be an answer whose
// JSON is whole, its status success; everything else an *Error.
func fuzzAnswers(f *testing.F, method string) {
	q := questions()[method]
	for _, body := range []string{
		q.sample, "", "null", "{}", `{"status":"error","error":"internal_error"}`, q.sample + "x",
		`{"clients":{},"total":"0","feed":{},"data":{},"total_count":0,"status":"success"}`,
		`{"clients":[1,"a",[]],"total":1e3,"feed":[[[]]],"data":[null],"total_count":"5.0","status":"success"}`,
	} {
		f.Add(200, false, []byte(body))
		f.Add(500, false, []byte(body))
		f.Add(200, true, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, gzip bool, body []byte) {
		c, err := New(Options{BaseURL: "http://127.0.0.1/api/v1", Key: testKey, Project: "1", MaxResponse: 1 << 20, Transport: fixed{status, gzip, body}})
		if err != nil {
			t.Fatal(err)
		}
		err = q.ask(t, c)
		var e *Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Errorf("an error of another type: %v", err)
		case err == nil && (status < 200 || status >= 300):
			t.Errorf("a success of status %d", status)
		case err == nil && !gzip:
			var doc map[string]any
			if bad := json.Unmarshal(body, &doc); bad != nil {
				t.Errorf("a success of what is no JSON: %v\n%q", bad, body)
			}
		}
	})
}

func FuzzList(f *testing.F)     { fuzzAnswers(f, "list") }
func FuzzFeed(f *testing.F)     { fuzzAnswers(f, "feed") }
func FuzzContacts(f *testing.F) { fuzzAnswers(f, "contacts") }
