package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = `k3y/with "quotes" & ü`

// serve starts a server and a client that asks it.
func serve(t *testing.T, o Options, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	o.BaseURL, o.Project = s.URL, "12345"
	if o.Key == "" {
		o.Key = testKey
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// says answers every question with a status and a body.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// feedError asks for a feed and returns the error, which must be an *Error.
func feedError(t *testing.T, c *Client) *Error {
	t.Helper()
	return feedErrorIn(t.Context(), t, c)
}

func feedErrorIn(ctx context.Context, t *testing.T, c *Client) *Error {
	t.Helper()
	feed, err := c.Feed(ctx, 5)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %+v, %v", feed, err)
	}
	return e
}
