package parquet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

// worldOf is some visits of one month, the same orders and clients as ever, and nothing else.
func worldOf(t *testing.T, visits int) *load.Snapshot {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	s, err := load.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	put := func(id schemas.ID, seed uint64, rows int) {
		rec := loadtest.Plain(mem, schemas.Get(id), seeded(seed), rows)
		defer rec.Release()
		e, err := s.Encode(id, rec)
		if err == nil {
			err = s.Append(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(schemas.Visits, uint64(visits), visits)
	put(schemas.Orders, 1, 3)
	put(schemas.Clients, 1, 3)
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func publish(d *Destination, r load.Run, n *load.Snapshot) (load.Outcome, error) {
	out, err := load.Publish(context.Background(), []load.Destination{d}, r, n, 2)
	return out[0], err
}

func mustPublish(t *testing.T, d *Destination, r load.Run, n *load.Snapshot) {
	t.Helper()
	if out, err := publish(d, r, n); err != nil || out.State != load.Published {
		t.Fatalf("%+v: %v", out, err)
	}
}

func inode(t *testing.T, name string) uint64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestLayout(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	var got []string
	err := filepath.WalkDir(d.root, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != lockName {
			rel, _ := filepath.Rel(d.root, name)
			got = append(got, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, table := range schemas.Tables() {
		month := map[string]string{"visits": "month=2025-01/", "orders": "month=2025-01/"}[table.Name]
		if month == "" && table.Partition == schemas.Monthly {
			month = "month=none/"
		}
		want = append(want, "snapshots/"+run(1).Run+"/"+table.Name+"/"+month+"part-0000.parquet")
	}
	want = append(want, "current", "snapshots/"+run(1).Run+"/_manifest.json", "snapshots/"+run(1).Run+"/views.sql")
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	if target, err := os.Readlink(filepath.Join(d.root, "current")); err != nil || target != "snapshots/"+run(1).Run {
		t.Errorf("current points to %q: %v", target, err)
	}
}

func TestOthersCannotReadIt(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	err := filepath.WalkDir(d.root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o027 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnchangedFilesAreHardLinks(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	mustPublish(t, d, run(2), worldOf(t, 3))
	for _, table := range schemas.Tables() {
		month := map[string]string{"visits": "2025-01", "orders": "2025-01"}[table.Name]
		if month == "" && table.Partition == schemas.Monthly {
			month = load.NoMonth
		}
		path := filePath(table.ID, month)
		linked := inode(t, filepath.Join(d.snapshot(run(1).Run), path)) == inode(t, filepath.Join(d.snapshot(run(2).Run), path))
		if linked == (table.ID == schemas.Visits) {
			t.Errorf("%s: linked is %t", table.Name, linked)
		}
	}
	a, b := manifestOf(t, d, run(1)), manifestOf(t, d, run(2))
	if a.Tables["orders"].Files[0] != b.Tables["orders"].Files[0] || a.Tables["visits"].Files[0] == b.Tables["visits"].Files[0] {
		t.Errorf("the manifests:\n%+v\n%+v", a, b)
	}
}

func manifestOf(t *testing.T, d *Destination, r load.Run) *load.Manifest {
	t.Helper()
	m, _, err := readManifest(d.snapshot(r.Run), r.Run)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The same rows are written alike, so that runs can be compared by the files.
func TestTheSameRowsGiveTheSameBytes(t *testing.T) {
	a, b := newDestination(t, Options{}), newDestination(t, Options{})
	mustPublish(t, a, run(1), worldOf(t, 500))
	mustPublish(t, b, run(1), worldOf(t, 500))
	for name, table := range manifestOf(t, a, run(1)).Tables {
		if other := manifestOf(t, b, run(1)).Tables[name]; !slices.Equal(table.Files, other.Files) {
			t.Errorf("%s:\n%+v\n%+v", name, table.Files, other.Files)
		}
	}
}

func TestAnotherWriterWritesAnew(t *testing.T) {
	d := newDestination(t, Options{})
	n := worldOf(t, 2)
	mustPublish(t, d, run(1), n)
	other := newDestination(t, Options{Path: d.root, Compression: "snappy"})
	mustPublish(t, other, run(2), n)
	if a, b := filePath(schemas.Clients, ""), d.snapshot(run(2).Run); inode(t, filepath.Join(d.snapshot(run(1).Run), a)) == inode(t, filepath.Join(b, a)) {
		t.Error("a file of another compression was linked")
	}
}

func TestViewsFollowTheReportTimezone(t *testing.T) {
	d := newDestination(t, Options{})
	n := worldOf(t, 2)
	mustPublish(t, d, run(1), n)
	r := run(2)
	r.ReportTimezone = "Asia/Tokyo"
	mustPublish(t, d, r, n) // not unchanged
	text, err := os.ReadFile(filepath.Join(d.root, current, viewsName))
	if err != nil || !strings.Contains(string(text), "'Asia/Tokyo'") || !strings.Contains(string(text), d.snapshot(r.Run)+"/visits/month=2025-01/part-0000.parquet'") {
		t.Errorf("%v\n%s", err, text)
	}
	r.Run = run(3).Run
	if out, err := publish(d, r, n); err != nil || out.State != load.Unchanged || out.Run != run(2).Run {
		t.Errorf("%+v: %v", out, err)
	}
}

// A published file that was lost or cut is written again.
func TestDamageIsRepaired(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"removed": os.Remove,
		"cut off": func(name string) error { return os.Truncate(name, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDestination(t, Options{})
			n := worldOf(t, 2)
			mustPublish(t, d, run(1), n)
			if err := damage(filepath.Join(d.snapshot(run(1).Run), filePath(schemas.Clients, ""))); err != nil {
				t.Fatal(err)
			}
			mustPublish(t, d, run(2), n)
			if bad := audit(t, d.root); len(bad) > 0 {
				t.Errorf("%+v", bad)
			}
		})
	}
}

// audit returns what Verify finds fault with.
func audit(t *testing.T, root string) (bad []load.Finding) {
	t.Helper()
	err := Verify(context.Background(), root, func(r load.Finding) error {
		if !r.OK {
			bad = append(bad, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bad
}

func TestKeep(t *testing.T) {
	d := newDestination(t, Options{Keep: 3})
	for _, foreign := range []string{"snapshots/mine", "snapshots/20260726T010200Z-1a2b3c.bak"} {
		if err := os.MkdirAll(filepath.Join(d.root, foreign), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i <= 5; i++ {
		mustPublish(t, d, run(i), worldOf(t, 2+i))
		runs, err := listRuns(d.root)
		if err != nil || len(runs) != min(i, 3) || runs[len(runs)-1] != run(i).Run {
			t.Errorf("after run %d there are %q: %v", i, runs, err)
		}
	}
	for _, foreign := range []string{"mine", "20260726T010200Z-1a2b3c.bak"} {
		if _, err := os.Stat(filepath.Join(d.root, snapshots, foreign)); err != nil {
			t.Errorf("what is not ours was removed: %v", err)
		}
	}
	one := newDestination(t, Options{Path: d.root, Keep: 1})
	mustPublish(t, one, run(6), worldOf(t, 9))
	if runs, err := listRuns(d.root); err != nil || !slices.Equal(runs, []string{run(6).Run}) {
		t.Errorf("keep 1 leaves %q: %v", runs, err)
	}
	if bad := audit(t, d.root); len(bad) > 0 {
		t.Errorf("%+v", bad)
	}
}

// Whatever else bears the link's name is not ours, and stays as it is.
func TestWhatIsNotOursIsNotPublishedOver(t *testing.T) {
	cases := map[string]struct {
		do   func(root string) error
		want string
	}{
		"a link elsewhere": {func(root string) error { return relink(root, "/etc") }, "no snapshot of this program"},
		"a link upwards":   {func(root string) error { return relink(root, "snapshots/../..") }, "no snapshot of this program"},
		"a folder": {func(root string) error {
			return errors.Join(os.Remove(filepath.Join(root, current)), os.Mkdir(filepath.Join(root, current), 0o750))
		}, "is no link"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDestination(t, Options{})
			mustPublish(t, d, run(1), worldOf(t, 2))
			if err := c.do(d.root); err != nil {
				t.Fatal(err)
			}
			_, err := d.Published(context.Background())
			if !load.Refuses(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Published says %v, want %q", err, c.want)
			}
			if out, err := publish(d, run(3), worldOf(t, 3)); err == nil {
				t.Errorf("it was published over: %+v", out)
			}
			if err := Verify(context.Background(), d.root, func(load.Finding) error { return nil }); err == nil {
				t.Error("Verify finds nothing")
			}
		})
	}
}

func relink(root, target string) error {
	return errors.Join(os.Remove(filepath.Join(root, current)), os.Symlink(target, filepath.Join(root, current)))
}

func TestAPlaceThatCannotBeIsRefusedForGood(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDestination(t, Options{Path: filepath.Join(file, "tables")})
	if out, err := publish(d, run(1), worldOf(t, 2)); !load.Refuses(err) {
		t.Errorf("%+v: %v", out, err)
	}
	full := newDestination(t, Options{})
	full.disk = brokenDisk(loadtest.Write)
	if out, err := publish(full, run(1), worldOf(t, 2)); err == nil || load.Refuses(err) {
		t.Errorf("a full disk passes: %+v: %v", out, err)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no path":       {},
		"a bucket":      {Path: "s3://bucket/prefix"},
		"keep":          {Path: "x", Keep: -1},
		"compression":   {Path: "x", Compression: "zip"},
		"upper-case":    {Path: "x", Compression: "ZSTD"},
		"lz4 is not it": {Path: "x", Compression: "lz4"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Where hard links can't be made, files are copied, and the copy is checked.
func TestCopiesWhereLinksCannotBe(t *testing.T) {
	for _, reason := range []error{syscall.EXDEV, syscall.EPERM, syscall.EMLINK} {
		t.Run(reason.Error(), func(t *testing.T) {
			d := newDestination(t, Options{})
			d.disk.link = func(string, string) error { return fmt.Errorf("link: %w", reason) }
			mustPublish(t, d, run(1), worldOf(t, 2))
			mustPublish(t, d, run(2), worldOf(t, 3))
			if bad := audit(t, d.root); len(bad) > 0 {
				t.Errorf("%+v", bad)
			}
			clients := filepath.Join(d.snapshot(run(2).Run), filePath(schemas.Clients, ""))
			flipByte(t, clients)
			out, err := publish(d, run(3), worldOf(t, 4))
			if err == nil || !strings.Contains(err.Error(), "the manifest says") {
				t.Errorf("a damaged file was copied: %+v: %v", out, err)
			}
		})
	}
}

func flipByte(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Folders of dead runs go, those of living ones stay.
func TestLeftoversOfTheDead(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	alive, err := newDestination(t, Options{Path: d.root}).Begin(context.Background(), run(2), worldOf(t, 3).Partitions())
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(d.root, snapshots, staging+run(3).Run)
	link := filepath.Join(d.root, "."+current+"-"+run(3).Run)
	unpublished := d.snapshot(run(4).Run)
	for _, dir := range []string{dead, unpublished} {
		if err := os.MkdirAll(filepath.Join(dir, "visits"), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("snapshots/x", link); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, d, run(5), worldOf(t, 4))
	for _, gone := range []string{dead, link, unpublished} {
		if _, err := os.Lstat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	if _, err := os.Stat(filepath.Join(d.root, snapshots, staging+run(2).Run)); err != nil {
		t.Errorf("the folder of a living run was removed: %v", err)
	}
	if err := alive.Abort(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left, err := leftovers(d.root); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
}
