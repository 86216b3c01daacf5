package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	m := open(t)
	list(t, m, true, 1)
	names, err := filepath.Glob(m.Path() + "*")
	if err != nil || len(names) != 4 {
		t.Fatalf("files %q, %v", names, err)
	}
	for _, name := range names {
		s, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, s.Mode().Perm())
		}
	}
	s, err := os.Stat(filepath.Dir(m.Path()))
	if err != nil || s.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %o, %v", s.Mode().Perm(), err)
	}
}

func TestIDStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	var ids [2]string
	for i := range ids {
		m, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if ids[i], err = m.ID(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids[0]) != 32 || ids[0] != ids[1] {
		t.Errorf("ids %q", ids)
	}
	if _, err := os.Stat(path + ".lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock stays: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	newer := func(t *testing.T) string {
		return sqlFile(t, fmt.Sprintf("CREATE TABLE x (y); PRAGMA application_id = %d; PRAGMA user_version = 99", applicationID))
	}
	text := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "m.db")
		if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	isNewer := func(err error) bool {
		var n *NewerError
		return errors.As(err, &n) && n.Have == 99 && n.Known == Version()
	}
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	for _, c := range []struct {
		name         string
		file         func(*testing.T) string
		open, reader func(error) bool
	}{
		{"a newer one", newer, isNewer, isNewer},
		{"another database", func(t *testing.T) string { return sqlFile(t, "CREATE TABLE x (y)") }, is(ErrNotMirror), is(ErrNotMirror)},
		{"no database", text, is(ErrNotMirror), is(ErrNotMirror)},
		{"no file", func(t *testing.T) string { return filepath.Join(t.TempDir(), "m.db") }, nil, is(fs.ErrNotExist)},
		{"an empty file", func(t *testing.T) string { return sqlFile(t, "") }, nil, nil},
		{"an empty database", func(t *testing.T) string { return sqlFile(t, "PRAGMA user_version = 0; VACUUM") }, nil, is(ErrEmpty)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := c.file(t)
			r, err := OpenReader(t.Context(), path)
			if err == nil {
				err = r.Close()
			}
			if c.reader != nil && !c.reader(err) {
				t.Errorf("reader: %v", err)
			}
			m, err := Open(t.Context(), path, Options{})
			if err == nil {
				err = m.Close()
			}
			if (err == nil) != (c.open == nil) || c.open != nil && !c.open(err) {
				t.Errorf("open: %v", err)
			}
			if _, err := os.Stat(path + ".lock"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the lock stays: %v", err)
			}
		})
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	m := open(t)
	var held *HeldError
	_, err := Open(t.Context(), m.Path(), Options{Run: "r2"})
	if !errors.As(err, &held) || held.Holder.PID != os.Getpid() || held.Holder.Run != "r1" || held.Holder.Host == "" || held.Holder.Start.IsZero() {
		t.Fatalf("second run: %v", err)
	}
	text, err := os.ReadFile(m.Path() + ".lock")
	var h Holder
	if err != nil || json.Unmarshal(text, &h) != nil || h != held.Holder {
		t.Errorf("lock holds %s, %v", text, err)
	}
	if !strings.Contains(held.Error(), "held by run r1 (process ") {
		t.Error(held)
	}
	if r, err := OpenReader(t.Context(), m.Path()); err != nil {
		t.Errorf("a reader needs no lock: %v", err)
	} else if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestLockIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	first, err := Open(t.Context(), path, Options{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	if _, err := Open(t.Context(), path, Options{Run: "r2", Wait: 50 * time.Millisecond}); !errors.As(err, &held) {
		t.Errorf("after the wait: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, path, Options{Run: "r2", Wait: time.Hour}); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &held) {
		t.Errorf("after the context: %v", err)
	}
	closed := make(chan error)
	time.AfterFunc(100*time.Millisecond, func() { closed <- first.Close() })
	second, err := Open(t.Context(), path, Options{Run: "r2", Wait: time.Hour})
	if err := errors.Join(<-closed, err); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func TestLockOfTheDeadIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	dead := `{"host":"elsewhere","pid":1,"run":"r0","start":"2026-01-01T00:00:00Z"}` + strings.Repeat(" ", 500)
	if err := os.WriteFile(path+".lock", []byte(dead), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Open(t.Context(), path, Options{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path + ".lock")
	if err != nil || !json.Valid(text) || !strings.Contains(string(text), `"r1"`) {
		t.Errorf("lock holds %q, %v", text, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestErrorsNameFileAndCause(t *testing.T) {
	m := open(t)
	list(t, m, true, 1, 2, 3)
	if _, err := m.w.conn.ExecContext(t.Context(), "PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	p := NewPacker()
	random := make([]byte, 1<<20)
	for i := range random {
		random[i] = byte(i*i>>3 ^ i>>7)
	}
	err := m.Enter(t.Context(), answer(t, p, 1, random, 1, time.Now()), 1)
	if err == nil || !strings.Contains(err.Error(), "disk is full") || !strings.Contains(err.Error(), m.Path()) {
		t.Errorf("full: %v", err)
	}
	if _, err := m.w.conn.ExecContext(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := m.Enter(t.Context(), answer(t, p, 1, []byte("[]"), 0, time.Now()), 1); err != nil {
		t.Errorf("after the disk was freed: %v", err)
	}
}

func TestDamageIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	m, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, 2000)
	for i := range ids {
		ids[i] = int64(i)
	}
	list(t, m, true, ids...)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(8192); at < s.Size(); at += 4096 {
		if _, err := f.WriteAt([]byte("damaged, damaged, damaged"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, last = range r.Scan(t.Context(), 10) {
	}
	if last == nil || !strings.Contains(last.Error(), "damaged") || !strings.Contains(last.Error(), path) {
		t.Errorf("scan: %v", last)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
