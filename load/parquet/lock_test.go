package parquet

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/load"
)

// checkedStage stages a world up to its commit.
func checkedStage(t *testing.T, d load.Destination, r load.Run, n *load.Snapshot) load.Staged {
	t.Helper()
	stage, err := d.Begin(t.Context(), r, n.Partitions())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range n.Partitions() {
		if err := stage.Write(t.Context(), p, n.Records(t.Context(), memory.NewGoAllocator(), p)); err != nil {
			t.Fatal(err)
		}
	}
	ready, err := stage.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ready
}

// Whoever may read the tables can lock folders and files that he can open, which
// needs no right to write.
func TestAReadersLockHoldsNothingUp(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	lockAll(t, d.root)
	ready := checkedStage(t, d, run(2), worldOf(t, 3))
	lockAll(t, d.root)
	if state, err := ready.Commit(t.Context()); err != nil || state != load.Published {
		t.Errorf("%s: %v", state, err)
	}
	if m, err := d.Published(t.Context()); err != nil || m.Run != run(2).Run {
		t.Errorf("%+v: %v", m, err)
	}
}

// lockAll locks all that a reader may open, until the end of the test.
func lockAll(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || info.Mode().Perm()&0o040 == 0 || info.Mode()&os.ModeSymlink != 0 {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = f.Close() })
		_, err = flock(f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLockIsWaitedForWithABound(t *testing.T) {
	var said bytes.Buffer
	d := newDestination(t, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	mustPublish(t, d, run(1), worldOf(t, 2))
	held, err := d.takeLock(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := held.Stat(); err != nil || info.Mode().Perm() != lockMode {
		t.Errorf("others can open the lock: %v, %v", info.Mode(), err)
	}
	var locked *lockedError
	if _, err := d.takeLock(t.Context(), lockWord+2*lockPoll); !errors.As(err, &locked) || load.Refuses(err) || !strings.Contains(err.Error(), filepath.Join(d.root, lockName)) {
		t.Errorf("%v", err)
	}
	if !strings.Contains(said.String(), "waits for another publishing") {
		t.Errorf("nobody was told: %s", said.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	d.disk.flock = func(*os.File) (bool, error) { cancel(); return false, nil }
	if _, err := d.Begin(ctx, run(2), worldOf(t, 3).Partitions()); !errors.Is(err, context.Canceled) {
		t.Errorf("a signal doesn't end the wait: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
}

// A commit that can't get the lock fails, whatever its context, and leaves nothing.
func TestACommitWaitsForTheLockWithABound(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	ready := checkedStage(t, d, run(2), worldOf(t, 3))
	held, err := d.takeLock(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var locked *lockedError
	if state, err := ready.Commit(context.WithoutCancel(t.Context())); state != load.Failed || !errors.As(err, &locked) {
		t.Errorf("%s: %v", state, err)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	if left, err := leftovers(d.root); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
	mustPublish(t, d, run(3), worldOf(t, 3))
}

// What stands in the lock's place is not followed, and not taken for a lock.
func TestALockThatIsNotOurs(t *testing.T) {
	d := newDestination(t, Options{})
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.Mkdir(d.root, 0o700), os.WriteFile(victim, []byte("precious"), 0o644), os.Symlink(victim, filepath.Join(d.root, lockName))); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(d, run(1), worldOf(t, 2)); !load.Refuses(err) {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("%q %v", text, err)
	}
}
