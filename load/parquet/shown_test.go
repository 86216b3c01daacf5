package parquet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// damages are what leads readers to nothing whole; the run is the published one.
func damages() map[string]func(root string, published load.Run) error {
	manifest := func(root string, r load.Run) string { return filepath.Join(snapshotIn(root, r.Run), manifestName) }
	return map[string]func(string, load.Run) error{
		"the link is gone":      func(root string, _ load.Run) error { return os.Remove(filepath.Join(root, current)) },
		"the snapshot is gone":  func(root string, r load.Run) error { return os.RemoveAll(snapshotIn(root, r.Run)) },
		"the manifest is gone":  func(root string, r load.Run) error { return os.Remove(manifest(root, r)) },
		"the manifest is empty": func(root string, r load.Run) error { return os.Truncate(manifest(root, r), 0) },
		"the manifest is cut":   func(root string, r load.Run) error { return os.Truncate(manifest(root, r), 300) },
		"the manifest is a folder": func(root string, r load.Run) error {
			return errors.Join(os.Remove(manifest(root, r)), os.Mkdir(manifest(root, r), 0o700))
		},
		"the manifest is another's": func(root string, r load.Run) error {
			return os.WriteFile(manifest(root, r), []byte(`{"schema":1,"run":"x","mirror":"m"}`), 0o600)
		},
		"the link names another": func(root string, _ load.Run) error { return relink(root, snapshots+"/"+run(8).Run) },
	}
}

// findings are all that an audit says against what is published.
func saysOfTheLink(t *testing.T, d *Destination) string {
	t.Helper()
	for _, f := range audit(t, d.root) {
		if f.Table == "" && strings.Contains(f.Detail, "whole") {
			return f.Detail
		}
	}
	return ""
}

// What is published is then the newest whole snapshot, so that another mirror is
// refused, and the next publishing mends the link although no row has changed.
func TestReadersLedToNothingAreLedAgain(t *testing.T) {
	for name, damage := range damages() {
		t.Run(name, func(t *testing.T) {
			d := newDestination(t, Options{})
			mustPublish(t, d, run(1), worldOf(t, 2))
			mustPublish(t, d, run(2), worldOf(t, 3))
			if err := damage(d.root, run(2)); err != nil {
				t.Fatal(err)
			}
			want := run(1).Run
			if name == "the link is gone" || name == "the link names another" {
				want = run(2).Run
			}
			m, err := d.Published(t.Context())
			if err != nil || m == nil || m.Run != want || m.Unlinked == "" || len(m.Tables) != schemas.NumTables {
				t.Fatalf("published is %+v: %v", m, err)
			}
			if said := saysOfTheLink(t, d); said != m.Unlinked || !strings.Contains(said, mending) {
				t.Errorf("an audit says %q", said)
			}
			foreign := run(3)
			foreign.Mirror = "another"
			if _, err := publish(d, foreign, worldOf(t, 3)); !errors.Is(err, load.ErrForeign) {
				t.Errorf("another mirror's run: %v", err)
			}
			mustPublish(t, d, run(3), worldOf(t, map[string]int{run(1).Run: 2, run(2).Run: 3}[want]))
			if m, err := d.Published(t.Context()); err != nil || m.Run != run(3).Run || m.Unlinked != "" {
				t.Errorf("the link was not mended: %+v, %v", m, err)
			}
			if bad := audit(t, d.root); len(bad) > 0 {
				t.Errorf("%+v", bad)
			}
		})
	}
}

// Where nothing whole is left, the next publishing goes through, but not another
// mirror's, if the owner can still be told.
func TestNothingWholeIsLeft(t *testing.T) {
	for name, damage := range damages() {
		if name == "the link is gone" || name == "the link names another" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			d := newDestination(t, Options{})
			mustPublish(t, d, run(1), worldOf(t, 2))
			if err := damage(d.root, run(1)); err != nil {
				t.Fatal(err)
			}
			if m, err := d.Published(t.Context()); m != nil || err != nil {
				t.Errorf("published is %+v: %v", m, err)
			}
			if saysOfTheLink(t, d) == "" {
				t.Error("an audit says nothing")
			}
			if err := d.Erase(t.Context(), run(1).Mirror); err == nil && name != "the snapshot is gone" {
				t.Error("what might be shown was taken for erased")
			}
			foreign := run(2)
			foreign.Mirror = "another"
			if _, err := publish(d, foreign, worldOf(t, 2)); errors.Is(err, load.ErrForeign) != (name == "the manifest is another's") {
				t.Errorf("another mirror's run: %v", err)
			}
			if bad := audit(t, d.root); len(bad) > 0 && name != "the manifest is another's" {
				t.Errorf("%+v", bad)
			}
			foreign.Run, foreign.Adopt = run(3).Run, true
			if _, err := publish(d, foreign, worldOf(t, 3)); err != nil {
				t.Errorf("to be adopted: %v", err)
			}
			if bad := audit(t, d.root); len(bad) > 0 {
				t.Errorf("%+v", bad)
			}
		})
	}
}

// A snapshot that lacks a file, or has one of another size, is not whole.
func TestOnlyWholeSnapshotsAreFound(t *testing.T) {
	file := filePath(schemas.Clients, "")
	for name, damage := range map[string]func(dir string) error{
		"a file is gone": func(dir string) error { return os.Remove(filepath.Join(dir, file)) },
		"a file is cut":  func(dir string) error { return os.Truncate(filepath.Join(dir, file), 9) },
		"a file is a link": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, file)), os.Symlink("/dev/null", filepath.Join(dir, file)))
		},
		"the manifest was changed": func(dir string) error { return changeManifest(dir, `"live_clients": 7`, `"live_clients": 8`) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDestination(t, Options{})
			d.disk.link = func(string, string) error { return syscall.EXDEV } // or both would be damaged
			mustPublish(t, d, run(1), worldOf(t, 2))
			mustPublish(t, d, run(2), worldOf(t, 3))
			if err := errors.Join(damage(d.snapshot(run(2).Run)), os.Remove(filepath.Join(d.root, current))); err != nil {
				t.Fatal(err)
			}
			if m, err := d.Published(t.Context()); err != nil || m == nil || m.Run != run(1).Run {
				t.Errorf("published is %+v: %v", m, err)
			}
		})
	}
}

func changeManifest(dir, from, to string) error {
	name := filepath.Join(dir, manifestName)
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(strings.Replace(string(text), from, to, 1)), 0o600)
}

// A manifest that a later version of the program has written is not broken: an
// older program must not publish over it.
func TestALaterManifestIsNotBroken(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	m := manifestOf(t, d, run(1))
	m.Schema = load.ManifestSchema + 1
	text, err := m.Encode()
	if err == nil {
		err = os.WriteFile(filepath.Join(d.snapshot(run(1).Run), manifestName), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if m, err := d.Published(t.Context()); !load.Refuses(err) {
		t.Errorf("published is %+v: %v", m, err)
	}
	if _, err := publish(d, run(2), worldOf(t, 2)); !load.Refuses(err) {
		t.Errorf("it was published over: %v", err)
	}
}

// A path that can't be read is not one where nothing is published.
func TestWhatCannotBeReadIsNotNothing(t *testing.T) {
	for name, make := range map[string]func(root string) error{
		"a disk that is not mounted": func(root string) error { return os.Symlink(filepath.Join(root, "../absent"), root) },
		"links in a circle":          func(root string) error { return os.Symlink(root, root) },
		"a file":                     func(root string) error { return os.WriteFile(root, nil, 0o600) },
		"snapshots are a file": func(root string) error {
			return errors.Join(os.Mkdir(root, 0o700), os.WriteFile(filepath.Join(root, snapshots), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDestination(t, Options{})
			if err := make(d.root); err != nil {
				t.Fatal(err)
			}
			if m, err := d.Published(t.Context()); err == nil {
				t.Errorf("published is %+v", m)
			}
			if _, err := publish(d, run(1), worldOf(t, 2)); err == nil {
				t.Error("it was published to")
			}
		})
	}
}

// TestTrialsOfTheDeadAreRemoved: a run that was killed while it tried the file
// system has left a folder. One that only looks like it is somebody's.
func TestTrialsOfTheDeadAreRemoved(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	dead := filepath.Join(d.root, snapshots, checking+"123456")
	foreign := []string{filepath.Join(d.root, checking+"777"), filepath.Join(d.root, checking+"mine")}
	for _, dir := range append(foreign, dead) {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name := range map[string]bool{filepath.Join(dead, "a"): true, filepath.Join(foreign[0], "notes"): true} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Recover(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dead, err)
	}
	for _, dir := range foreign {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}
