package parquet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"roistat-etl/load"
)

// What file systems can't do, as they say it (SMB, Azure Files, NFS without locks).
func incapabilities() map[string]struct {
	lack   func(*disk, error)
	errs   []error
	remedy string // "": it can be done without
} {
	return map[string]struct {
		lack   func(*disk, error)
		errs   []error
		remedy string
	}{
		"symbolic links": {
			func(d *disk, err error) {
				d.flip = func(string, string) error { return &os.LinkError{Op: "symlink", Err: err} }
			},
			[]error{syscall.EOPNOTSUPP, syscall.EPERM, syscall.ENOSYS}, remedySymlink,
		},
		"locks": {
			func(d *disk, err error) { d.flock = func(*os.File) (bool, error) { return false, err } },
			[]error{syscall.ENOLCK, syscall.ENOSYS, syscall.EOPNOTSUPP}, remedyFlock,
		},
		"modes": {
			func(d *disk, err error) { d.chmod = func(string, fs.FileMode) error { return err } },
			[]error{syscall.EPERM, syscall.EOPNOTSUPP}, remedyChmod,
		},
		"hard links": {
			func(d *disk, err error) {
				d.link = func(string, string) error { return &os.LinkError{Op: "link", Err: err} }
			},
			[]error{syscall.EOPNOTSUPP, syscall.EPERM, syscall.EMLINK, syscall.ENOSYS}, "",
		},
	}
}

// Check and the start of a run say it, before anything is made or paid for.
func TestFileSystemsThatCannot(t *testing.T) {
	for name, c := range incapabilities() {
		for _, reason := range c.errs {
			t.Run(fmt.Sprint(name, " ", reason), func(t *testing.T) {
				d := newDestination(t, Options{})
				for _, published := range []bool{false, true} {
					if published {
						mustPublish(t, d, run(1), worldOf(t, 2))
					}
					c.lack(&d.disk, reason)
					x := d.Check(t.Context())[0]
					if load.Refuses(x.Err) != (c.remedy != "") || x.Remedy != c.remedy || (x.Err == nil) != (x.Detail != "") {
						t.Errorf("%+v", x)
					}
					if c.remedy == "" && !strings.Contains(x.Detail, "copied") {
						t.Errorf("nobody is told that files are copied: %s", x.Detail)
					}
					if err := d.Recover(t.Context(), run(1).Mirror); load.Refuses(err) != (c.remedy != "") {
						t.Errorf("a run begins: %v", err)
					}
					d.disk = realDisk()
					if _, err := os.Lstat(d.root); !published && !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("the folder was made: %v", err)
					}
					for _, dir := range []string{filepath.Dir(d.root), d.root, filepath.Join(d.root, snapshots)} {
						if left, err := filepath.Glob(filepath.Join(dir, checking+"*")); err != nil || len(left) > 0 {
							t.Errorf("left behind: %q %v", left, err)
						}
					}
				}
			})
		}
	}
}

// A run that meets it in its midst is refused for good, and readers see what they saw.
func TestALinkThatCannotBeMadeIsRefused(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	d.disk.flip = func(string, string) error { return syscall.EOPNOTSUPP }
	if _, err := publish(d, run(2), worldOf(t, 3)); !load.Refuses(err) || !strings.Contains(err.Error(), remedySymlink) {
		t.Errorf("%v", err)
	}
	d.disk = realDisk()
	if m, err := d.Published(t.Context()); err != nil || m.Run != run(1).Run {
		t.Errorf("%+v: %v", m, err)
	}
}

func TestCheckOfAGoodFolder(t *testing.T) {
	d := newDestination(t, Options{})
	if x := d.Check(t.Context())[0]; x.Err != nil || !strings.Contains(x.Detail, d.root) {
		t.Errorf("%+v", x)
	}
	mustPublish(t, d, run(1), worldOf(t, 2))
	if x := d.Check(t.Context())[0]; x.Err != nil {
		t.Errorf("%+v", x)
	}
}

// Modes are set, not inherited, and those of former snapshots are repaired, also
// where no row has changed.
func TestModesWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0o077, 0o027, 0o022, 0} {
		t.Run(fmt.Sprintf("%03o", umask), func(t *testing.T) {
			parent := filepath.Join(t.TempDir(), "new")
			d := newDestination(t, Options{Path: filepath.Join(parent, "tables")})
			defer syscall.Umask(syscall.Umask(umask))
			mustPublish(t, d, run(1), worldOf(t, 2))
			mustPublish(t, d, run(2), worldOf(t, 3))
			modesAre(t, parent)
			for _, last := range []load.State{load.Unchanged, load.Published} {
				tighten(t, d.root)
				rows := map[load.State]int{load.Unchanged: 3, load.Published: 4}[last]
				if out, err := publish(d, run(3), worldOf(t, rows)); err != nil || out.State != last {
					t.Fatalf("%+v: %v", out, err)
				}
				modesAre(t, parent)
			}
		})
	}
}

// modesAre demands the modes of all that readers read.
func modesAre(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := e.Info()
		want := fs.FileMode(fileMode)
		switch {
		case e.IsDir():
			want = dirMode
		case e.Name() == lockName:
			want = lockMode
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, not %v", name, info.Mode(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tighten makes everything the owner's alone, as a tight umask did.
func tighten(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		if e.IsDir() {
			return os.Chmod(name, 0o700)
		}
		return os.Chmod(name, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What only begins like ours is somebody else's.
func TestOnlyWhatIsOursIsRemoved(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	others := []string{
		".current-backup/precious", "snapshots/.staging-mine/precious", "snapshots/mine/precious",
		"." + current + "-" + run(5).Run + "/precious", "snapshots/.staging-" + run(6).Run,
	}
	for _, name := range others {
		name = filepath.Join(d.root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o750), os.WriteFile(name, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := t.TempDir()
	link := filepath.Join(d.root, snapshots, staging+run(7).Run)
	if err := errors.Join(os.WriteFile(filepath.Join(elsewhere, "precious"), nil, 0o600), os.Symlink(elsewhere, link)); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, d, run(2), worldOf(t, 3))
	if err := d.Erase(t.Context(), run(1).Mirror); err != nil {
		t.Error(err)
	}
	for _, name := range append(others, "snapshots/"+staging+run(7).Run, "snapshots/"+staging+run(7).Run+"/precious") {
		if _, err := os.Lstat(filepath.Join(d.root, name)); err != nil {
			t.Errorf("what is not ours was removed: %v", err)
		}
	}
}

// A path that DuckDB can't be told of is refused before anything is made.
func TestAPathThatNoPatternCanName(t *testing.T) {
	for _, path := range []string{`/a\b*c`, `/a\[b`, `/a?b/c\d`} {
		if _, err := New(Options{Path: path}); err == nil || !strings.Contains(err.Error(), "backslash") {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{`/a\b`, `/a*b?c[1]`} {
		if _, err := New(Options{Path: path}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
