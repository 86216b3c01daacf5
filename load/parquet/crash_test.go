package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

// failing is a disk whose n-th operation fails, and if it crashed all after it too.
func failing(n int64, crash bool) (disk, *atomic.Int64) {
	count := &atomic.Int64{}
	fails := func() error {
		if i := count.Add(1); i == n || crash && i > n {
			return errDisk
		}
		return nil
	}
	two := func(do func(string, string) error) func(string, string) error {
		return func(a, b string) error {
			if err := fails(); err != nil {
				return err
			}
			return do(a, b)
		}
	}
	whole := realDisk()
	return disk{
		create: func(name string) (io.WriteCloser, error) {
			if err := fails(); err != nil {
				return nil, err
			}
			f, err := whole.create(name)
			return &failingFile{f, fails}, err
		},
		sync: func(name string) error { return errors.Join(fails(), whole.sync(name)) },
		link: two(whole.link), rename: two(whole.rename), flip: two(whole.flip),
		remove: func(name string) error {
			if err := fails(); err != nil {
				return err
			}
			return whole.remove(name)
		},
		chmod: whole.chmod, flock: whole.flock,
	}, count
}

// failingFile is a file whose writes and close may fail, too.
type failingFile struct {
	io.WriteCloser
	fails func() error
}

func (f *failingFile) Write(b []byte) (int, error) {
	if err := f.fails(); err != nil {
		n, _ := f.WriteCloser.Write(b[:len(b)/2])
		return n, err
	}
	return f.WriteCloser.Write(b)
}

func (f *failingFile) Close() error { return errors.Join(f.WriteCloser.Close(), f.fails()) }

// Every operation of a publishing fails once. Readers see the old rows, or the
// new ones and Publish says so; nothing lies about.
func TestEveryOperationMayFail(t *testing.T) {
	everyOperation(t, false, func(t *testing.T, d *Destination, out load.Outcome, before loadtest.Content) {
		left, err := leftovers(d.root)
		if out.State != load.Published && (err != nil || len(left) > 0) {
			t.Errorf("left behind: %q %v", left, err)
		}
	})
}

// After every operation the machine stops. Readers see old or new rows, and the
// next run publishes and tidies up.
func TestTheMachineMayStopAtAnyOperation(t *testing.T) {
	everyOperation(t, true, func(t *testing.T, d *Destination, _ load.Outcome, _ loadtest.Content) {
		d.disk = realDisk()
		mustPublish(t, d, run(3), worldOf(t, 4))
		if left, err := leftovers(d.root); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q %v", left, err)
		}
		if bad := audit(t, d.root); len(bad) > 0 {
			t.Errorf("%+v", bad)
		}
		if runs, err := listRuns(d.root); err != nil || len(runs) > 3 {
			t.Errorf("there are %q: %v", runs, err)
		}
	})
}

// everyOperation publishes a second world again and again, each time with the
// next operation failing, until none is left to fail.
func everyOperation(t *testing.T, crash bool, then func(*testing.T, *Destination, load.Outcome, loadtest.Content)) {
	first, second := worldOf(t, 2), worldOf(t, 3)
	outcomes := map[load.State]int{}
	for n := int64(1); ; n++ {
		d := newDestination(t, Options{Keep: 1})
		mustPublish(t, d, run(1), first)
		before, err := readAll(t.Context(), d.root)
		if err != nil {
			t.Fatal(err)
		}
		broken, count := failing(n, crash)
		d.disk = broken
		out, err := publish(d, run(2), second)
		if count.Load() < n {
			if err != nil || out.State != load.Published {
				t.Fatalf("nothing failed, but %+v: %v", out, err)
			}
			break
		}
		if err == nil {
			t.Errorf("operation %d failed, and nobody said so", n)
		}
		outcomes[out.State]++
		seesEither(t, d, out, before, contentOf(second))
		then(t, d, out, before)
		if t.Failed() {
			t.Fatalf("after operation %d: %+v", n, out)
		}
	}
	if outcomes[load.Failed] < 20 || outcomes[load.Published] < 1 {
		t.Errorf("the outcomes are %v", outcomes)
	}
}

func contentOf(n *load.Snapshot) loadtest.Content {
	out := loadtest.Content{}
	for _, p := range n.Partitions() {
		out[p.String()] = p.Digest
	}
	return out
}

func seesEither(t *testing.T, d *Destination, out load.Outcome, before, after loadtest.Content) {
	t.Helper()
	want := before
	if out.State == load.Published {
		want = after
	}
	got, err := readAll(context.Background(), d.root)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("readers don't see what the state %s says: %v", out.State, err)
	}
	if _, err := d.Published(context.Background()); err != nil {
		t.Errorf("Published: %v", err)
	}
}

// A reader that resolves the link once reads one state, whatever is published
// meanwhile, and the state before stays until keep removes it.
func TestFlipsUnderAReader(t *testing.T) {
	d := newDestination(t, Options{Keep: 2})
	worlds := []*load.Snapshot{worldOf(t, 2), worldOf(t, 3)}
	mustPublish(t, d, flipRun(0), worlds[0])
	var stop atomic.Bool
	var pure, late int
	var g errgroup.Group
	g.Go(func() (err error) {
		for err == nil && (!stop.Load() || pure == 0) {
			var got loadtest.Content
			got, err = readListed(d.root)
			switch {
			case errors.Is(err, fs.ErrNotExist): // slower than keep
				late, err = late+1, nil
			case err != nil:
			case !maps.Equal(got, contentOf(worlds[0])) && !maps.Equal(got, contentOf(worlds[1])):
				err = errors.New("rows of two snapshots in one result")
			default:
				pure++
			}
		}
		return err
	})
	for i := 1; i <= 100; i++ {
		mustPublish(t, d, flipRun(i), worlds[i%2])
		old, err := readSnapshot(context.Background(), d.snapshot(flipRun(i-1).Run))
		if err != nil || !maps.Equal(old, contentOf(worlds[(i-1)%2])) {
			t.Errorf("the snapshot before can't be read any more: %v", err)
			break
		}
	}
	stop.Store(true)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d reads, %d slower than keep", pure, late)
}

// readListed resolves the link once and reads the files that the manifest names:
// of a snapshot that keep is just removing, one is missing.
func readListed(root string) (loadtest.Content, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(root, current))
	if err != nil {
		return nil, err
	}
	m, _, err := readManifest(dir, filepath.Base(dir))
	if err != nil {
		return nil, err
	}
	out := loadtest.Content{}
	for _, t := range schemas.Tables() {
		for _, f := range m.Tables[t.Name].Files {
			d, err := digestOf(context.Background(), filepath.Join(dir, f.Path), t)
			if err != nil {
				return nil, err
			}
			out[load.Partition{Table: t.ID, Month: f.Partition}.String()] = d
		}
	}
	return out, nil
}

func flipRun(i int) load.Run {
	r := run(0)
	r.Run = fmt.Sprintf("20260726T01%02d%02dZ-1a2b3c", i/60, i%60)
	return r
}
