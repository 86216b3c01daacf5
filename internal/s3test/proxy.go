package s3test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Fault says which requests are broken, and how. Without Status, Cut, Lose,
// Half, Hold and Twice the requests pass, and only Do is called.
type Fault struct {
	Method string // empty: any
	Match  string // part of the path and query; empty: any
	Header string // a header that the request has; empty: any
	Skip   int    // so many pass before
	Times  int    // strikes so often; 0: always

	Status int    // answer this, without asking the server
	Code   string // S3's name of that answer
	Cut    bool   // end the connection, without asking the server
	Lose   bool   // let the server do it, and end the connection instead of answering
	Half   bool   // end the connection in the middle of the answer's body
	Hold   bool   // keep the request until Release, and end the connection
	Twice  bool   // let it pass, and keep it all the same, so that Release sends it once more
	Do     func() // is called first
}

// Proxy stands before a server and breaks requests. It is safe for concurrent use.
type Proxy struct {
	Addr   string // host:port
	CAFile string // whom to trust, PEM; empty without TLS

	handler *httputil.ReverseProxy

	mu     sync.Mutex
	faults []Fault
	seen   []int // requests that each would have struck
	struck int
	asked  []string
	held   []*http.Request
}

// Proxy starts a proxy that ends with the test.
func (s *Server) Proxy(t testing.TB) *Proxy {
	t.Helper()
	p, server := s.proxy(t)
	server.Start()
	p.Addr = server.Listener.Addr().String()
	return p
}

// TLSProxy starts a proxy that speaks TLS to its clients; CAFile is to be trusted.
func (s *Server) TLSProxy(t testing.TB) *Proxy {
	t.Helper()
	p, server := s.proxy(t)
	server.StartTLS()
	p.Addr = server.Listener.Addr().String()
	p.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(p.CAFile, text, 0o600); err != nil {
		t.Fatalf("write the certificate: %v", err)
	}
	return p
}

func (s *Server) proxy(t testing.TB) (*Proxy, *httptest.Server) {
	p := &Proxy{}
	target := &url.URL{Scheme: "http", Host: s.Addr}
	transport := &http.Transport{DisableCompression: true}
	p.handler = &httputil.ReverseProxy{
		// The signature covers Host, so it stays.
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		Transport: transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	server := httptest.NewUnstartedServer(p)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); transport.CloseIdleConnections() })
	return p, server
}

// Use lets the test itself use the proxy.
func (p *Proxy) Use(t testing.TB) {
	t.Helper()
	if p.CAFile == "" {
		use(t, "http://"+p.Addr)
		return
	}
	use(t, "https://"+p.Addr)
	t.Setenv("AWS_CA_BUNDLE", p.CAFile)
}

// Set replaces the faults; none lets everything pass.
func (p *Proxy) Set(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults, p.seen, p.struck = faults, make([]int, len(faults)), 0
}

// Struck is how often the faults of the moment have struck.
func (p *Proxy) Struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

// Requests returns the requests since the last call, as METHOD PATH?QUERY.
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.asked
	p.asked = nil
	return out
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, struck := p.judge(r)
	if !struck {
		p.handler.ServeHTTP(w, r)
		return
	}
	if f.Do != nil {
		f.Do()
	}
	if f.Hold || f.Twice {
		if err := p.keep(r); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Status != 0:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(f.Status)
		if r.Method != http.MethodHead {
			_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>said by the test</Message></Error>", f.Code) // the client may be gone
		}
	case f.Cut, f.Hold:
		panic(http.ErrAbortHandler)
	case f.Lose:
		p.handler.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case f.Half:
		p.half(w, r)
	default:
		p.handler.ServeHTTP(w, r)
	}
}

// keep holds a copy of a request, as it came.
func (p *Proxy) keep(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the request to be held: %w", err)
	}
	again := func() io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }
	c := r.Clone(context.WithoutCancel(r.Context()))
	c.Body, r.Body = again(), again()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = append(p.held, c)
	return nil
}

// Release lets the server have all requests that are held, in order, as if they
// had been on their way until now. It returns what the server answered: status
// by METHOD PATH. Nobody else hears of it.
func (p *Proxy) Release() []string {
	p.mu.Lock()
	held := p.held
	p.held = nil
	p.mu.Unlock()
	var out []string
	for _, r := range held {
		rec := httptest.NewRecorder()
		p.handler.ServeHTTP(rec, r)
		out = append(out, fmt.Sprintf("%s %s: %d", r.Method, r.URL.Path, rec.Code))
	}
	return out
}

// Held is how many requests are held.
func (p *Proxy) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}

// half passes on half an answer.
func (p *Proxy) half(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	p.handler.ServeHTTP(rec, r)
	for name, v := range rec.Header() {
		w.Header()[name] = v
	}
	body := rec.Body.Bytes()
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body[:len(body)/2]) // the client may be gone
	panic(http.ErrAbortHandler)
}

// judge finds the first fault that strikes a request.
func (p *Proxy) judge(r *http.Request) (Fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r.Method+" "+r.URL.RequestURI())
	for i, f := range p.faults {
		if !f.hits(r) {
			continue
		}
		p.seen[i]++
		if n := p.seen[i] - f.Skip; n > 0 && (f.Times == 0 || n <= f.Times) {
			p.struck++
			return f, true
		}
	}
	return Fault{}, false
}

func (f Fault) hits(r *http.Request) bool {
	return (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.RequestURI(), f.Match) &&
		(f.Header == "" || r.Header.Get(f.Header) != "")
}
