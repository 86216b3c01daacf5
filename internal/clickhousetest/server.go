package clickhousetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Password is the password of all users of a server.
const Password = "secret"

// Options configures a server.
type Options struct {
	// Config holds XML elements for the server's config.xml: query_log,
	// merge_tree, backups and the like.
	Config string
}

// Server is a ClickHouse on 127.0.0.1.
type Server struct {
	// Native is the address of the native protocol. It stays the same over
	// restarts: a proxy stands behind it, which ends in order the connections
	// that a client resets, because a reset would end this server.
	Native string
	// Direct is the native protocol without the proxy, for measuring.
	Direct string
	// HTTP is the address of the HTTP interface.
	HTTP string

	binary string
	dir    string
	opt    Options
	own    testing.TB // the only one who may stop it; nil: shared
	proxy  *Proxy

	mu   sync.Mutex // a Fault may kill the server while the test goes on
	proc *process
}

// Start starts a server that ends with the test. What it has said is shown if
// the test fails.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	dir := t.TempDir()
	s, err := start(context.WithoutCancel(t.Context()), dir, o)
	if err != nil {
		t.Fatalf("start ClickHouse: %v\n%s", err, said(dir))
	}
	s.own = t
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Errorf("stop ClickHouse: %v", err)
		}
		s.report(t)
	})
	return s
}

func start(ctx context.Context, dir string, o Options) (*Server, error) {
	binary, err := build(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{binary: binary, dir: dir, opt: o}
	if err := s.launch(ctx); err != nil {
		return nil, err
	}
	s.Direct, s.HTTP = s.proc.native, s.proc.http
	proxy, err := newProxy(ctx, s.Direct, nil)
	if err != nil {
		return nil, errors.Join(err, s.proc.kill())
	}
	s.proxy, s.Native = proxy, proxy.Addr
	return s, nil
}

func (s *Server) launch(ctx context.Context) error {
	p, err := launch(ctx, s.binary, s.dir, s.Direct, s.HTTP, s.opt.Config)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	return nil
}

func (s *Server) close() error {
	return errors.Join(s.running().stop(), s.proxy.close())
}

func (s *Server) running() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}

// Kill ends the server with kill -9 and returns when it is gone.
func (s *Server) Kill() {
	s.mine()
	if err := s.running().kill(); err != nil {
		s.own.Errorf("kill ClickHouse: %v", err)
	}
}

// Stop ends the server with SIGTERM and returns when it is gone.
func (s *Server) Stop() {
	s.mine()
	if err := s.running().stop(); err != nil {
		s.own.Errorf("stop ClickHouse: %v", err)
	}
}

// Restart starts a server again that was stopped or killed, at the same
// addresses and over the same data; one that runs is stopped first.
func (s *Server) Restart() { s.RestartWith(s.opt) }

// RestartWith is [Server.Restart] with another configuration.
func (s *Server) RestartWith(o Options) {
	s.Stop()
	s.opt = o
	if err := s.launch(context.WithoutCancel(s.own.Context())); err != nil {
		s.own.Fatalf("start ClickHouse again: %v\n%s", err, said(s.dir))
	}
}

func (s *Server) mine() {
	if s.own == nil {
		panic("clickhousetest: the shared server is not for one test to end")
	}
}

// Folder is where the server has all its files.
func (s *Server) Folder() string { return s.dir }

// URL is the server's address as pipelines.yaml has it.
func (s *Server) URL(user, database string) string {
	return (&url.URL{Scheme: "clickhouse", User: url.User(user), Host: s.Native, Path: database}).String()
}

// DSN is the server's address as clickhouse-go's ParseDSN reads it.
func (s *Server) DSN(user, password, database string) string {
	return (&url.URL{Scheme: "clickhouse", User: url.UserPassword(user, password), Host: s.Native, Path: database}).String()
}

// Query runs a statement as admin, over HTTP, and returns its answer as lines of
// tab-separated text. It works in a cleanup too.
func (s *Server) Query(t testing.TB, statement string) string {
	t.Helper()
	text, err := s.QueryAs(context.WithoutCancel(t.Context()), "admin", Password, statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return text
}

// QueryAs runs a statement over HTTP. An error is the server's own text.
func (s *Server) QueryAs(ctx context.Context, user, password, statement string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.HTTP+"/", strings.NewReader(statement))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(user, password)
	req.Close = true // leaves no goroutine behind
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", errors.New(strings.TrimSpace(string(text)))
	}
	return string(text), nil
}

// report shows what the server said, if the test failed.
func (s *Server) report(t testing.TB) {
	if text := said(s.dir); t.Failed() && text != "" {
		t.Logf("ClickHouse said:\n%s", text)
	}
}

// said is the end of the server's log.
func said(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return fmt.Sprintf("(its log can't be read: %v)", err)
	}
	return string(text[max(0, len(text)-8<<10):])
}
