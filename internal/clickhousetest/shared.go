package clickhousetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// common is the process's one server; the mutex also counts the databases.
type common struct {
	sync.Mutex
	ready     bool // Main will end the server
	server    *Server
	dir       string
	databases int
}

//nolint:gochecknoglobals // one server a process is what it is for
var shared common

// M runs a package's tests and then ends the shared server.
type M struct{ m *testing.M }

// Main wraps a package's tests; see the package doc.
func Main(m *testing.M) M {
	shared.Lock()
	defer shared.Unlock()
	shared.ready = true
	return M{m}
}

// Run runs the tests and returns the process's exit code.
func (m M) Run() int {
	code := m.m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "end the shared ClickHouse:", err)
		return max(code, 1)
	}
	return code
}

// Shared returns the server that the tests of this process share. The first
// call starts it. Each test keeps to databases of its own; see [Server.Database].
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.ready {
		t.Fatal("a package that shares a ClickHouse wraps its TestMain in clickhousetest.Main")
	}
	if shared.server == nil {
		if err := shared.start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatalf("start ClickHouse: %v\n%s", err, said(shared.dir))
		}
	}
	t.Cleanup(func() { shared.server.report(t) })
	return shared.server
}

func (c *common) start(ctx context.Context) (err error) {
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "clickhouse-"); err != nil {
			return err
		}
	}
	c.server, err = start(ctx, c.dir, Options{})
	return err
}

func (c *common) close() error {
	c.Lock()
	defer c.Unlock()
	var err error
	if c.server != nil {
		err = c.server.close()
	}
	if c.dir != "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// Database returns a database's name that no other test of this server has
// and that the users may create; what is there is dropped when the test ends.
// It does not create the database.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	shared.Lock()
	shared.databases++
	n := shared.databases
	shared.Unlock()
	name := fmt.Sprintf("roistat_%s_%d", strings.Map(plain, t.Name()), n)
	t.Cleanup(func() {
		statement := "DROP DATABASE IF EXISTS `" + name + "` SYNC"
		// A server that the test left dead takes its data with it.
		if _, err := s.QueryAs(context.WithoutCancel(t.Context()), "admin", Password, statement); err != nil && s.own == nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return name
}

// plain keeps what a name may hold without quotes.
func plain(r rune) rune {
	switch {
	case r >= 'A' && r <= 'Z':
		return r - 'A' + 'a'
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r
	}
	return '_'
}
