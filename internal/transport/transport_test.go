package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roistat-etl/internal/endpoint"
	"roistat-etl/internal/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hangs is how long a request may take before a test calls it hanging.
const hangs = time.Minute

// connect makes a transport that trusts the server.
func connect(t *testing.T, s *wiretest.Server) *Transport {
	t.Helper()
	roots, err := endpoint.Roots(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	tr := New(Options{Roots: roots, HTTP2: true})
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// get asks once and reads the whole answer.
func get(ctx context.Context, tr *Transport, url string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

func protocols() []wiretest.Protocol { return []wiretest.Protocol{wiretest.HTTP1, wiretest.HTTP2} }

// ok is a sound server.
func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "good") }

func TestEveryBadAnswerEnds(t *testing.T) {
	for _, p := range protocols() {
		for _, f := range wiretest.Faults() {
			if f.Only != "" && f.Only != p {
				continue
			}
			t.Run(fmt.Sprint(p, " ", f.Name), func(t *testing.T) {
				s := wiretest.Start(t, p, func(x *wiretest.Exchange) {
					if f.Answer(x); f.Good {
						x.Good(http.HandlerFunc(ok))
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), hangs)
				defer cancel()
				status, err := get(Once(ctx, cancel), connect(t, s), s.URL)
				if errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("it hangs: %v", err)
				}
				if f.Good && (err != nil || status != http.StatusOK) {
					t.Errorf("got %d, %v", status, err)
				}
				if !f.Good && err == nil && status < 400 {
					t.Errorf("got %d", status)
				}
				var answer *AnswerError
				if early := strings.Contains(f.Name, "101") || strings.Contains(f.Name, "hints without"); early && !errors.As(err, &answer) {
					t.Errorf("got %d, %v", status, err)
				}
			})
		}
	}
}

// stalls are answers that never end.
func stalls() map[string]func(*wiretest.Exchange) {
	raw := func(text string) func(*wiretest.Exchange) {
		return func(x *wiretest.Exchange) { x.Raw(text); x.Silence() }
	}
	return map[string]func(*wiretest.Exchange){
		"silence":       func(x *wiretest.Exchange) { x.Silence() },
		"half a header": raw("HTTP/1.1 200 O"),
		"half a body":   raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"),
		"half a chunk":  raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"),
		"HTTP/1.0":      raw("HTTP/1.0 200 OK\r\n\r\n{"),
		"a 100":         func(x *wiretest.Exchange) { _ = x.Early(http.StatusContinue); x.Silence() },
	}
}

func TestNoConnectionOutlivesItsContext(t *testing.T) {
	for _, p := range protocols() {
		for name, stall := range stalls() {
			if p == wiretest.HTTP2 && name != "silence" && name != "a 100" {
				continue
			}
			t.Run(fmt.Sprint(p, " ", name), func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				why := errors.New("why")
				s := wiretest.Start(t, p, func(x *wiretest.Exchange) {
					cancel(why)
					stall(x) // ends, or the server doesn't, once the client has hung up
				})
				if status, err := get(ctx, connect(t, s), s.URL); err == nil {
					t.Errorf("got %d", status)
				}
			})
		}
	}
}

func TestNothingIsSentTwice(t *testing.T) {
	for _, p := range protocols() {
		t.Run(string(p), func(t *testing.T) {
			var asked atomic.Int32
			s := wiretest.Start(t, p, func(x *wiretest.Exchange) {
				if asked.Add(1) == 1 {
					x.Good(http.HandlerFunc(ok))
					return
				}
				x.End() // a connection that was kept breaks: net/http would ask once more
			})
			tr := connect(t, s)
			for i := range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), hangs)
				_, err := get(Once(ctx, cancel), tr, s.URL)
				if cancel(); (err == nil) != (i == 0) {
					t.Errorf("question %d: %v", i, err)
				}
			}
			if asked.Load() != 2 {
				t.Errorf("%d questions came", asked.Load())
			}
		})
	}
}

func TestProxiesThatRefuse(t *testing.T) {
	for _, c := range []struct {
		answer, user string
		want         string
	}{
		{"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "", "wants a password: set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"},
		{"HTTP/1.1 407 sEcReT\r\n\r\n", "u:sEcReT@", "doesn't take the user and password that HTTPS_PROXY names"},
		{"HTTP/1.1 403 No sEcReT\r\n\r\n", "u:sEcReT@", "doesn't let us through (HTTP 403)"},
		{"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "", "doesn't let us through (HTTP 101)"},
	} {
		s := wiretest.Start(t, wiretest.HTTP1, func(x *wiretest.Exchange) {
			if x.Request.Method != http.MethodConnect {
				t.Errorf("the proxy was asked %s", x.Request.Method)
			}
			x.Raw(c.answer)
			x.End()
		})
		tr := throughProxy(t, "http://"+c.user+s.Addr)
		_, err := get(t.Context(), tr, "https://cloud.example.invalid/")
		var refused *ProxyError
		if !errors.As(err, &refused) || !strings.Contains(refused.Error(), c.want) || !strings.Contains(refused.Error(), s.Addr) {
			t.Errorf("%q: %v", c.answer, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, refused), "sEcReT") {
			t.Errorf("it shows a secret: %+v", refused)
		}
	}
}

func TestAProxyThatCannotBeReadIsNotQuoted(t *testing.T) {
	_, err := get(t.Context(), throughProxy(t, "http://u:sEcReT@ho st"), "https://cloud.example.invalid/")
	var refused *ProxyError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "HTTPS_PROXY") || strings.Contains(err.Error(), "sEcReT") {
		t.Errorf("got %v", err)
	}
}
