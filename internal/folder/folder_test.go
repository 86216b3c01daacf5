package folder

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func TestMakeGivesTheModeWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0o077, 0o022, 0} {
		old := filepath.Join(t.TempDir(), "old")
		if err := os.Mkdir(old, 0o711); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(old)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(old, "a", "b")
		was := syscall.Umask(umask)
		err = Make(dir, 0o750)
		syscall.Umask(was)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]fs.FileMode{old: before.Mode().Perm(), filepath.Dir(dir): 0o750, dir: 0o750} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %03o: %s has mode %v, not %v: %v", umask, name, info.Mode(), want, err)
			}
		}
		if err := Make(dir, 0o700); err != nil { // is there already
			t.Error(err)
		}
	}
}

// Each folder that was made is a change of the one above it, which is synced.
func TestMakeSyncsTheParents(t *testing.T) {
	top := t.TempDir()
	var synced []string
	err := makeSynced(filepath.Join(top, "a", "b"), 0o700, func(name string) error { synced = append(synced, name); return nil })
	if want := []string{top, filepath.Join(top, "a")}; err != nil || !slices.Equal(synced, want) {
		t.Errorf("synced %q, not %q: %v", synced, want, err)
	}
}

func TestMakeRefusesWhatIsNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(filepath.Dir(file), "link")
	if err := os.Symlink("absent", nowhere); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(file, "x"), nowhere} {
		if err := Make(name, 0o700); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

func TestAllowTakesNothingAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o701|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := Allow(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o751 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
