package mirror

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLinksLeadToOneMirror opens one mirror by several names: each finds it held.
func TestLinksLeadToOneMirror(t *testing.T) {
	m := open(t)
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "link.db"), filepath.Join(dir, "folder")
	if err := errors.Join(os.Symlink(m.Path(), file), os.Symlink(filepath.Dir(m.Path()), folder)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(folder, filepath.Base(m.Path()))} {
		var held *HeldError
		if other, err := Open(t.Context(), name, Options{}); !errors.As(err, &held) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				other.Close()
			}
		}
	}
	if files, err := filepath.Glob(file + ".lock"); len(files) > 0 || err != nil {
		t.Errorf("%v, %v", files, err)
	}
}

// TestWhatIsNotOursStays opens what is no mirror, or leads elsewhere: nothing of it changes.
func TestWhatIsNotOursStays(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	notes := write("notes.txt", strings.Repeat("notes ", 2000))
	victim := write("victim", "precious")
	foreign := sqlFile(t, "CREATE TABLE x (y)")
	own := sqlFile(t, "")
	m, err := Open(t.Context(), own, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(filepath.Dir(own), "second.db")
	if err := errors.Join(os.Chmod(foreign, 0o644), os.Symlink(victim, at("locked.db.lock")), os.Symlink(notes, at("link.db")),
		os.Symlink(at("nowhere/m.db"), at("dangling.db")), os.Link(own, second)); err != nil {
		t.Fatal(err)
	}
	var unfit *UnfitError
	for name, is := range map[string]func(error) bool{
		notes:           func(err error) bool { return errors.Is(err, ErrNotMirror) },
		foreign:         func(err error) bool { return errors.Is(err, ErrNotMirror) },
		at("link.db"):   func(err error) bool { return errors.Is(err, ErrNotMirror) },
		at("locked.db"): func(err error) bool { return errors.As(err, &unfit) && strings.Contains(err.Error(), "lock") },
		at("dangling.db"): func(err error) bool {
			return errors.Is(err, fs.ErrNotExist) && strings.Contains(err.Error(), "mounted")
		},
		own:    func(err error) bool { return errors.As(err, &unfit) && strings.Contains(err.Error(), "hard link") },
		second: func(err error) bool { return errors.As(err, &unfit) && strings.Contains(err.Error(), "hard link") },
	} {
		m, err := Open(t.Context(), name, Options{})
		if !is(err) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			m.Close()
		}
	}
	for _, name := range []string{notes, foreign, victim} {
		if s, err := os.Stat(name); err != nil || s.Mode().Perm() != 0o644 {
			t.Errorf("%s has mode %o, %v", name, s.Mode().Perm(), err)
		}
	}
	if text, err := os.ReadFile(victim); string(text) != "precious" || err != nil {
		t.Errorf("the lock's target holds %q, %v", text, err)
	}
	if text, err := os.ReadFile(foreign); err != nil || len(text) < 100 || text[18] != 1 {
		t.Errorf("the foreign database's journal mode was changed: %v", err)
	}
}

// TestRemovedMeanwhile takes the file, or its lock, away from a run: nothing more is kept as if it were.
func TestRemovedMeanwhile(t *testing.T) {
	for _, c := range []struct{ name, suffix, says string }{
		{"the file", "", "what was fetched since is lost"},
		{"the lock", ".lock", "another run may be in it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(t.Context(), filepath.Join(t.TempDir(), "m.db"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			list(t, m, true, 1)
			if err := errors.Join(m.Intact(), os.Remove(m.Path()+c.suffix)); err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{m.Enter(t.Context(), nil, 1), m.SetMeta(t.Context(), "a", "b"), m.Intact()} {
				if !errors.Is(err, ErrRemoved) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v", err)
				}
			}
			if err := os.WriteFile(m.Path()+c.suffix, nil, 0o600); err != nil { // another run's
				t.Fatal(err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(m.Path() + c.suffix); err != nil {
				t.Errorf("what is another's was removed: %v", err)
			}
		})
	}
}
