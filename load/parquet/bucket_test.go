package parquet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/s3test"
	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

// stand is a destination in a bucket, behind a proxy.
type stand struct {
	*Bucket
	server  *s3test.Server
	proxy   *s3test.Proxy
	scratch string
	prefix  string
}

// newStand makes a destination under a prefix of its own.
func newStand(t testing.TB, server *s3test.Server, prefix string, o Options) *stand {
	t.Helper()
	s := &stand{server: server, proxy: server.Proxy(t), scratch: t.TempDir(), prefix: prefix}
	s.proxy.Use(t)
	o.Path, o.Scratch = "s3://bucket/"+prefix, s.scratch
	b, err := NewBucket(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	s.Bucket = b
	return s
}

// file is where the server keeps an object.
func (s *stand) file(name ...string) string {
	return s.server.File("bucket", filepath.Join(append([]string{s.prefix}, name...)...))
}

// read reads the objects that the pointer shows, past everything of ours.
func (s *stand) read(ctx context.Context) (loadtest.Content, error) {
	p, err := s.shownBy()
	if err != nil || p.Run == "" {
		return nil, err
	}
	return readSnapshot(ctx, s.server.File("bucket", p.Prefix))
}

func (s *stand) shownBy() (p pointer, err error) {
	text, err := os.ReadFile(s.file(pointerName))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err
}

// leftovers lists what is neither the pointer nor a snapshot that was published.
func (s *stand) leftovers() (out []string, err error) {
	p, err := s.shownBy()
	if err != nil {
		return nil, err
	}
	for dir, known := range map[string]func(string) bool{
		s.file():          func(name string) bool { return name == pointerName || name == snapshots },
		s.file(snapshots): func(name string) bool { return load.ValidRun(name) && name <= p.Run },
		s.scratch:         func(string) bool { return false },
	} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if !known(e.Name()) {
				out = append(out, e.Name())
			}
		}
	}
	return out, nil
}

func TestBucketConformance(t *testing.T) {
	server := s3test.Start(t, "bucket")
	loadtest.Run(t, func(t *testing.T) loadtest.Harness {
		s := newStand(t, server, strings.ToLower(filepath.Base(t.Name())), Options{})
		return loadtest.Harness{
			Destination: s.Bucket, Read: s.read, Leftovers: s.leftovers, Close: s.Close,
			Break: func(step loadtest.Step) {
				match := map[loadtest.Step]string{loadtest.Write: partName, loadtest.Check: manifestName, loadtest.Commit: pointerName}[step]
				s.proxy.Set()
				if match != "" {
					s.proxy.Set(s3test.Fault{Method: "PUT", Match: match, Status: 403, Code: "AccessDenied"})
				}
			},
		}
	})
}

// show publishes a world.
func (s *stand) show(t testing.TB, r load.Run, n *load.Snapshot) (load.Outcome, error) {
	t.Helper()
	out, err := load.Publish(t.Context(), []load.Destination{s.Bucket}, r, n, 2)
	return out[0], err
}

// shows publishes a world and demands that it is shown.
func (s *stand) shows(t testing.TB, r load.Run, n *load.Snapshot) {
	t.Helper()
	if out, err := s.show(t, r, n); err != nil || out.State != load.Published {
		t.Fatalf("%+v: %v", out, err)
	}
	s.stays(t, r)
}

// stays demands that readers see the run, and that nothing lies about.
func (s *stand) stays(t testing.TB, r load.Run) {
	t.Helper()
	p, err := s.shownBy()
	if err != nil || p.Run != r.Run {
		t.Errorf("%s is shown, not %s: %v", p.Run, r.Run, err)
	}
	if left, err := s.leftovers(); err != nil || len(left) > 0 {
		t.Errorf("left: %q %v", left, err)
	}
}

func (s *stand) findings(t testing.TB) (bad []load.Finding) {
	t.Helper()
	err := s.Verify(t.Context(), func(f load.Finding) error {
		if !f.OK {
			bad = append(bad, f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bad
}

func TestBucketLayout(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "a/b", Options{})
	s.shows(t, run(1), worldOf(t, 2))
	s.proxy.Requests()
	s.shows(t, run(2), worldOf(t, 3))
	puts := 0
	for _, r := range s.proxy.Requests() {
		if strings.HasPrefix(r, "PUT ") {
			puts++
		}
	}
	if want := schemas.NumTables + 4; puts != want { // marker, views, manifest, pointer
		t.Errorf("%d puts, not %d", puts, want)
	}
	p, err := s.shownBy()
	if err != nil || p != (pointer{run(2).Run, "a/b/snapshots/" + run(2).Run}) {
		t.Errorf("%+v %v", p, err)
	}
	views, err := os.ReadFile(s.file(snapshots, run(2).Run, viewsName))
	if err != nil || !strings.Contains(string(views), "s3://bucket/a/b/snapshots/"+run(2).Run+"/visits/month=2025-01/part-0000.parquet") {
		t.Errorf("%s %v", views, err)
	}
	folder := newDestination(t, Options{})
	mustPublish(t, folder, run(2), worldOf(t, 3))
	for _, name := range []string{"visits/month=2025-01", "clients", "calls/month=none"} {
		a, err1 := os.ReadFile(s.file(snapshots, run(2).Run, name, partName))
		b, err2 := os.ReadFile(filepath.Join(folder.snapshot(run(2).Run), name, partName))
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not as in a folder: %v %v", name, err1, err2)
		}
	}
	if bad := s.findings(t); len(bad) > 0 {
		t.Errorf("%+v", bad)
	}
}

func TestBucketUnchangedCopiesAreNotSent(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "p", Options{})
	s.shows(t, run(1), worldOf(t, 2))
	var sent atomic.Int32
	s.proxy.Set(s3test.Fault{Method: "PUT", Match: partName, Header: "X-Amz-Copy-Source", Do: func() { sent.Add(1) }})
	s.shows(t, run(2), worldOf(t, 3))
	if n := int(sent.Load()); n != schemas.NumTables-1 {
		t.Errorf("%d files were copied on the server, not %d", n, schemas.NumTables-1)
	}
}

func TestBucketKeepsSnapshots(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "p", Options{Keep: 2})
	for i := range 4 {
		s.shows(t, run(i+1), worldOf(t, i+1))
	}
	runs, _, err := s.runs(t.Context())
	if err != nil || !slices.Equal(runs, []string{run(3).Run, run(4).Run}) {
		t.Errorf("%q %v", runs, err)
	}
}

func TestBucketHasOneWinner(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "p", Options{})
	s.shows(t, run(1), worldOf(t, 1))
	ready := make([]load.Staged, 4)
	for i := range ready {
		n, r := worldOf(t, i+2), run(i+2)
		r.Mirror, r.Adopt = "m"+r.Run, true // or the next would take it for dead
		stage, err := s.Begin(t.Context(), r, n.Partitions())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range n.Partitions() {
			if err := stage.Write(t.Context(), p, n.Records(t.Context(), memory.NewGoAllocator(), p)); err != nil {
				t.Fatal(err)
			}
		}
		if ready[i], err = stage.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	states, errs := make([]load.State, len(ready)), make([]error, len(ready))
	var g errgroup.Group
	for i, r := range ready {
		g.Go(func() error { states[i], errs[i] = r.Commit(context.Background()); return nil })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	winner := slices.Index(states, load.Published)
	for i, err := range errs {
		if (i == winner) != (err == nil) || i != winner && !errors.Is(err, load.ErrOvertaken) {
			t.Errorf("%d: %s: %v", i, states[i], err)
		}
	}
	s.stays(t, run(winner+2))
	if runs, _, err := s.runs(t.Context()); err != nil || !slices.Equal(runs, []string{run(1).Run, run(winner + 2).Run}) {
		t.Errorf("%q are there, %d has won: %v", runs, winner, err)
	}
}

func TestBucketRemovesWhatIsDead(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "p", Options{})
	s.shows(t, run(1), worldOf(t, 1))
	for i, mirror := range []string{2: "m", 3: "another", 4: "a third"} {
		if mirror == "" {
			continue
		}
		r := run(i)
		r.Mirror, r.Adopt = mirror, true
		if _, err := s.Begin(t.Context(), r, worldOf(t, i).Partitions()); err != nil { // and then its process is killed
			t.Fatal(err)
		}
		if err := s.at.Copy(t.Context(), "current.json", "snapshots/"+r.Run+"/clients/"+partName, 0); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-deadAfter - time.Hour)
	if err := os.Chtimes(s.file(markerName(run(4).Run)), old, old); err != nil {
		t.Fatal(err)
	}
	if out, err := s.show(t, run(5), worldOf(t, 5)); err != nil || out.State != load.Published {
		t.Fatalf("%+v: %v", out, err)
	}
	runs, marked, err := s.runs(t.Context())
	if err != nil || !slices.Equal(runs, []string{run(1).Run, run(5).Run}) || !slices.Equal(marked, []string{run(3).Run}) { // it may be at work
		t.Errorf("%q %q %v", runs, marked, err)
	}
}

func TestBucketFaults(t *testing.T) {
	server := s3test.Start(t, "bucket")
	for name, c := range map[string]struct {
		fault   s3test.Fault
		shown   bool // the run is, in spite of the fault
		lies    bool // something stays until the next run
		refuses bool
	}{
		"busy for a while":              {s3test.Fault{Status: 503, Code: "SlowDown", Times: 2}, true, false, false},
		"answers are lost":              {s3test.Fault{Method: "PUT", Lose: true, Times: 2}, true, false, false},
		"the pointer's answer is lost":  {s3test.Fault{Method: "PUT", Match: pointerName, Lose: true, Times: 1}, true, false, false},
		"all the pointer's answers are": {s3test.Fault{Method: "PUT", Match: pointerName, Lose: true}, true, false, false},
		"away before the pointer":       {s3test.Fault{Method: "PUT", Match: pointerName, Cut: true}, false, true, false},
		"fails between two puts":        {s3test.Fault{Method: "PUT", Match: partName, Skip: 5, Status: 500, Code: "InternalError"}, false, false, false},
		"credentials expire half way":   {s3test.Fault{Skip: 12, Status: 400, Code: "ExpiredToken"}, false, true, true},
		"the clock is off":              {s3test.Fault{Status: 403, Code: "RequestTimeTooSkewed"}, false, false, true},
		"no manifest may be written":    {s3test.Fault{Method: "PUT", Match: manifestName, Status: 403, Code: "AccessDenied"}, false, false, true},
		"a manifest comes half":         {s3test.Fault{Method: "GET", Match: manifestName, Half: true}, false, false, false},
		"nothing may be removed":        {s3test.Fault{Method: "DELETE", Status: 403, Code: "AccessDenied"}, true, true, true},
		"away altogether":               {s3test.Fault{Cut: true}, false, false, false},
		"the server is not S3":          {s3test.Fault{Status: 200}, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, server, strings.ReplaceAll(name, " ", "-"), Options{})
			s.shows(t, run(1), worldOf(t, 1))
			s.proxy.Set(c.fault)
			out, err := s.show(t, run(2), worldOf(t, 2))
			if s.proxy.Struck() == 0 {
				t.Fatal("the fault never struck")
			}
			s.proxy.Set()
			p, _ := s.shownBy() // stays tells
			if shown := p.Run == run(2).Run; shown != c.shown || (out.State == load.Published) != c.shown || (err == nil) != (c.shown && !c.lies) {
				t.Errorf("%s is shown, %+v: %v", p.Run, out, err)
			}
			if load.Refuses(err) != c.refuses {
				t.Errorf("refuses: %v", err)
			}
			if left, err := s.leftovers(); err != nil || (len(left) > 0) != c.lies {
				t.Errorf("left: %q %v", left, err)
			}
			s.shows(t, run(3), worldOf(t, 3))
			if bad := s.findings(t); len(bad) > 0 {
				t.Errorf("%+v", bad)
			}
		})
	}
}

func TestBucketVerifyFindsDamage(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "p", Options{})
	s.shows(t, run(1), worldOf(t, 20))
	dir := s.file(snapshots, run(1).Run)
	visits := filepath.Join(dir, "visits/month=2025-01", partName)
	for name, c := range map[string]struct {
		file   string
		damage func(text []byte) []byte // nil: removes it
		table  string
		says   string
	}{
		"a bit":        {visits, func(text []byte) []byte { text[len(text)/2] ^= 1; return text }, "visits", "sha256"},
		"cut":          {visits, func(text []byte) []byte { return text[:len(text)-1] }, "visits", "bytes"},
		"gone":         {visits, nil, "visits", "missing"},
		"one too many": {filepath.Join(dir, "visits/month=1999-01", partName), func([]byte) []byte { return []byte("x") }, "visits", "doesn't name"},
		"views":        {filepath.Join(dir, viewsName), func(text []byte) []byte { return append(text, ' ') }, "", "changed"},
		"no views":     {filepath.Join(dir, viewsName), nil, "", "missing"},
		"manifest": {filepath.Join(dir, manifestName), func(text []byte) []byte {
			return bytes.Replace(text, []byte(`"live_clients": 7`), []byte(`"live_clients": 8`), 1)
		}, "", "checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := os.ReadFile(c.file)
			absent := errors.Is(err, os.ErrNotExist)
			if c.damage == nil {
				err = os.Remove(c.file)
			} else {
				err = errors.Join(os.MkdirAll(filepath.Dir(c.file), 0o755), os.WriteFile(c.file, c.damage(slices.Clone(before)), 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			if bad := s.findings(t); len(bad) != 1 || bad[0].Table != c.table || !strings.Contains(bad[0].Detail, c.says) {
				t.Errorf("%+v", bad)
			}
			if absent {
				err = os.RemoveAll(filepath.Dir(c.file))
			} else {
				err = os.WriteFile(c.file, before, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	if bad := s.findings(t); len(bad) > 0 {
		t.Errorf("%+v", bad)
	}
}

func TestBucketPointerOfAnother(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "p", Options{})
	for _, text := range []string{"", "{}", `{"run":"20260726T010201Z-1a2b3c","prefix":"q/snapshots/20260726T010201Z-1a2b3c"}`} {
		if err := errors.Join(os.MkdirAll(s.file(), 0o755), os.WriteFile(s.file(pointerName), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.show(t, run(1), worldOf(t, 1)); !load.Refuses(err) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBucketScratchIsFull(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "p", Options{})
	s.Bucket.scratch = filepath.Join(s.scratch, "absent")
	if _, err := s.show(t, run(1), worldOf(t, 1)); err == nil || load.Refuses(err) {
		t.Errorf("%v", err)
	}
	if left, err := s.leftovers(); err != nil || len(left) > 0 {
		t.Errorf("%q %v", left, err)
	}
}

func TestBucketCheck(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "p", Options{})
	bad := func() (what []string) {
		for _, c := range s.Check(t.Context()) {
			if c.Err != nil {
				what = append(what, c.What)
				if c.Remedy == "" && !load.Refuses(c.Err) {
					t.Errorf("%s has no remedy: %v", c.What, c.Err)
				}
			} else if c.Detail == "" {
				t.Errorf("%s says nothing", c.What)
			}
		}
		return what
	}
	if what := bad(); len(what) > 0 {
		t.Errorf("%q", what)
	}
	denied := s3test.Fault{Status: 403, Code: "AccessDenied"}
	for _, c := range []struct {
		fault s3test.Fault
		want  string
	}{
		{s3test.Fault{Method: "GET", Match: "list-type=2", Status: 404, Code: "NoSuchBucket"}, "s3"},
		{s3test.Fault{Method: "PUT"}, "s3 rights"},
		{s3test.Fault{Method: "GET", Match: "/a"}, "s3 rights"},
		{s3test.Fault{Method: "PUT", Header: "X-Amz-Copy-Source"}, "s3 rights"},
		{s3test.Fault{Method: "PUT", Header: "If-None-Match"}, "s3 rights"},
		{s3test.Fault{Method: "PUT", Header: "If-None-Match", Skip: 1, Status: 200}, "s3 rights"}, // ignores the condition
		{s3test.Fault{Method: "DELETE"}, "s3 rights"},
	} {
		if c.fault.Status == 0 {
			c.fault.Status, c.fault.Code = denied.Status, denied.Code
		}
		s.proxy.Set(c.fault)
		if what := bad(); !slices.Equal(what, []string{c.want}) {
			t.Errorf("%+v: %q", c.fault, what)
		}
	}
	s.proxy.Set()
	if err := s.at.RemoveAll(t.Context(), ".check-"); err != nil { // what could not be removed
		t.Fatal(err)
	}
}
