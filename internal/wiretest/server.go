package wiretest

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// Protocol is a version of HTTP.
type Protocol string

// The protocols that a server speaks: HTTP/1.1 in the clear, HTTP/2 over TLS.
const (
	HTTP1 Protocol = "HTTP/1.1"
	HTTP2 Protocol = "HTTP/2"
)

// Server listens on loopback until its test ends.
type Server struct {
	URL    string
	Addr   string // host and port
	CAFile string // whom to trust, of HTTP/2

	answer func(*Exchange)
	ctx    context.Context //nolint:containedctx // the server's life, which ends with its test
	mu     sync.Mutex
	conns  map[net.Conn]bool
}

// Start starts a server that answers every request so. answer is called at once
// for requests of several connections.
func Start(t testing.TB, p Protocol, answer func(*Exchange)) *Server {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &Server{Addr: l.Addr().String(), answer: answer, ctx: ctx, conns: map[net.Conn]bool{}}
	s.URL = "http://" + s.Addr
	serve := s.serveHTTP1
	if p == HTTP2 {
		s.URL, serve = "https://"+s.Addr, s.serveHTTP2
		l = tls.NewListener(l, s.certify(t))
	}
	var g errgroup.Group
	g.Go(func() error {
		for {
			c, err := l.Accept()
			if err != nil {
				return nil //nolint:nilerr // the test ends
			}
			g.Go(func() error {
				defer s.close(c)
				if s.open(c) {
					serve(c)
				}
				return nil
			})
		}
	})
	t.Cleanup(func() {
		stop()
		err := l.Close()
		s.closeAll()
		if err = errors.Join(err, g.Wait()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// certify makes a certificate of httptest's, and the file that makes it trusted.
func (s *Server) certify(t testing.TB) *tls.Config {
	t.Helper()
	lender := httptest.NewTLSServer(nil)
	defer lender.Close()
	s.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: lender.Certificate().Raw})
	if err := os.WriteFile(s.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: lender.TLS.Certificates, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
}

func (s *Server) open(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
	return s.ctx.Err() == nil
}

func (s *Server) close(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close() // the client may have been faster
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // it is closed once more by who serves it
	}
}
