package importer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes a file of a test and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// open opens a file for the time of a test.
func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// checked checks a file with an allocator that must be empty afterwards.
func checked(t testing.TB, path string) (*Report, []Fault, error) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	var all []Fault
	f, err := Open(t.Context(), path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r, err := f.Check(t.Context(), mem, 100, func(x Fault) error { all = append(all, x); return nil })
	return r, all, err
}

// bodies is a Sender and a Journal that keep all they are given, and fail when told to.
type bodies struct {
	sent  []string // accepted
	calls int
	steps []Step
	send  func(body string) error // nil: all is accepted
	keep  func(Step) error
}

func (b *bodies) Send(_ context.Context, clients []byte, ready func() error) error {
	if err := ready(); err != nil {
		return err
	}
	b.calls++
	if b.send != nil {
		if err := b.send(string(clients)); err != nil {
			return err
		}
	}
	b.sent = append(b.sent, string(clients))
	return nil
}

func (b *bodies) Keep(_ context.Context, s Step) error {
	if b.keep != nil {
		if err := b.keep(s); err != nil {
			return err
		}
	}
	b.steps = append(b.steps, s)
	return nil
}

// rowsCSV is a file of CSV with so many rows, of which those that bad picks have no name.
func rowsCSV(n int, bad func(int) bool) string {
	var b strings.Builder
	b.WriteString("id,name\n")
	for i := range n {
		if bad != nil && bad(i) {
			fmt.Fprintf(&b, "%d,\n", i)
		} else {
			fmt.Fprintf(&b, "%d,n\n", i)
		}
	}
	return b.String()
}
