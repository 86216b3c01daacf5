package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/s3test"
)

// stand is a store behind a proxy.
type stand struct {
	*Store
	server *s3test.Server
	proxy  *s3test.Proxy
}

func newStand(t testing.TB) *stand {
	t.Helper()
	s := &stand{server: s3test.Start(t, "bucket")}
	s.proxy = s.server.Proxy(t)
	s.proxy.Use(t)
	s.Store = s.open(t)
	return s
}

func (s *stand) open(t testing.TB) *Store {
	t.Helper()
	store, err := Open("s3://bucket/m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// file is where the server keeps an object.
func (s *stand) file(name string) string { return s.server.File("bucket", "m/"+name) }

// pod is a disk with a mirror that is held.
type pod struct {
	t     testing.TB
	lease *Lease
	m     *mirror.Mirror
}

// begin opens the mirror at path as a run does.
func (s *stand) begin(t testing.TB, path, run string) (*pod, error) {
	t.Helper()
	p := &pod{t: t}
	var err error
	p.m, err = mirror.Open(t.Context(), path, mirror.Options{Run: run, Prepare: func(ctx context.Context) (err error) {
		if p.lease, err = s.Hold(ctx, path, Holder{Host: "pod", PID: 1, Run: run}); err != nil {
			return err
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			_, err = p.lease.Restore(ctx)
			return err
		}
		return nil
	}})
	if err != nil && p.lease != nil {
		err = errors.Join(err, p.lease.Release(t.Context()))
	}
	return p, err
}

func (s *stand) mustBegin(t testing.TB, path, run string) *pod {
	t.Helper()
	p, err := s.begin(t, path, run)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// keep notes something in the mirror.
func (p *pod) keep(key, value string) {
	p.t.Helper()
	if err := p.m.SetMeta(p.t.Context(), key, value); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) save(run string) {
	p.t.Helper()
	if err := p.lease.Save(p.t.Context(), p.m.Reader, run); err != nil {
		p.t.Fatal(err)
	}
}

// end gives lease and mirror back.
func (p *pod) end() {
	p.t.Helper()
	if err := errors.Join(p.lease.Release(p.t.Context()), p.m.Close()); err != nil {
		p.t.Fatal(err)
	}
}

// holds demands what was noted.
func (p *pod) holds(key, value string) {
	p.t.Helper()
	if got, err := p.m.Meta(p.t.Context(), key); err != nil || got != value {
		p.t.Errorf("%s is %q, not %q: %v", key, got, value, err)
	}
}

// disk is an empty folder's mirror.
func disk(t testing.TB) string { return filepath.Join(t.TempDir(), "mirror.db") }

func copiesOf(t testing.TB, s *stand) []string {
	t.Helper()
	list, err := filepath.Glob(s.file("copies/*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestNightsOnEmptyDisks(t *testing.T) {
	s := newStand(t)
	for i, night := range []string{"1", "2", "3", "4"} {
		path := disk(t)
		p := s.mustBegin(t, path, "run-"+night)
		if i > 0 {
			p.holds("night", string(rune('0'+i)))
		}
		id, err := p.m.ID(t.Context())
		if latest := p.lease.Pointer(); err != nil || i > 0 && latest.Mirror != id {
			t.Errorf("the mirror is %s, not %+v: %v", id, latest, err)
		}
		p.keep("night", night)
		p.save("run-" + night)
		p.end()
		for name := range map[string]bool{path: true} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v %v", info, err)
			}
		}
		if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		if list := copiesOf(t, s); len(list) != min(i+1, 2) {
			t.Errorf("copies: %q", list)
		}
	}
	p := s.mustBegin(t, disk(t), "run-5")
	defer p.end()
	if err := p.lease.Erase(t.Context()); err != nil || len(copiesOf(t, s)) != 1 {
		t.Errorf("%q %v", copiesOf(t, s), err)
	}
}

func TestACopyIsConsistentWhileOthersWrite(t *testing.T) {
	s := newStand(t)
	p := s.mustBegin(t, disk(t), "run-1")
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			v := strings.Repeat("x", i%1000)
			err := errors.Join(p.m.SetMeta(context.Background(), "a", v), p.m.SetMeta(context.Background(), "b", v))
			if err != nil || ctx.Err() != nil {
				written <- err
				return
			}
		}
	}()
	p.save("run-1")
	stop()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	p.end()
	q := s.mustBegin(t, disk(t), "run-2")
	defer q.end()
	a, _ := q.m.Meta(t.Context(), "a") // compared
	b, _ := q.m.Meta(t.Context(), "b")
	if d := len(a) - len(b); d != 0 && d != 1 && d != -999 {
		t.Errorf("%d and %d", len(a), len(b))
	}
}

func TestOneHolderAtATime(t *testing.T) {
	s := newStand(t)
	first, second := disk(t), disk(t)
	p := s.mustBegin(t, first, "run-1")
	var held *HeldError
	if _, err := s.begin(t, second, "run-2"); !errors.As(err, &held) || held.Holder.Run != "run-1" || held.Left > defaultTime || !strings.Contains(err.Error(), "pod") {
		t.Fatalf("%v", err)
	}
	p.keep("a", "1")
	p.save("run-1")
	// The first process dies: its disk may take the lease at once, another waits.
	if err := p.m.Close(); err != nil {
		t.Fatal(err)
	}
	again := s.mustBegin(t, first, "run-3")
	if err := again.m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.begin(t, second, "run-4"); !errors.As(err, &held) || held.Holder.Run != "run-3" {
		t.Fatalf("%v", err)
	}
	old := time.Now().Add(-defaultTime - time.Minute)
	if err := os.Chtimes(s.file(leaseName), old, old); err != nil {
		t.Fatal(err)
	}
	if who, is, err := s.Holder(t.Context()); err != nil || is {
		t.Errorf("%v holds it still: %v", who, err)
	}
	q := s.mustBegin(t, second, "run-5")
	defer q.end()
	q.holds("a", "1")
	// Whoever was taken for dead, and is not, can neither renew, nor save, nor give back.
	if err := again.lease.renew(t.Context()); !errors.Is(err, ErrTaken) {
		t.Errorf("%v", err)
	}
	q.save("run-5")
	zombie := s.zombie(t, again)
	if err := zombie.lease.Save(t.Context(), zombie.m.Reader, "run-3"); !errors.Is(err, ErrTaken) {
		t.Errorf("%v", err)
	}
	if err := again.lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if who, is, err := s.Holder(t.Context()); err != nil || !is || who.Run != "run-5" {
		t.Errorf("%v holds it: %v", who, err)
	}
}

// zombie opens the mirror of a pod again that has lost its lease.
func (s *stand) zombie(t testing.TB, p *pod) *pod {
	t.Helper()
	m, err := mirror.Open(t.Context(), p.lease.path, mirror.Options{Run: "zombie"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return &pod{t: t, lease: p.lease, m: m}
}

func TestKeepTellsWhenTheLeaseIsLost(t *testing.T) {
	s := newStand(t)
	s.Store.time = 8 * time.Second // long enough for a busy machine
	p := s.mustBegin(t, disk(t), "run-1")
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	before := p.lease.paper.Renewed
	if err := p.lease.Keep(ctx); err != nil || p.lease.paper.Renewed == before {
		t.Errorf("%v, renewed %d times", err, p.lease.paper.Renewed-before)
	}
	s.proxy.Set(s3test.Fault{Method: "PUT", Match: leaseName, Status: 403, Code: "AccessDenied"})
	start := time.Now()
	if err := p.lease.Keep(t.Context()); !errors.Is(err, ErrTaken) || time.Since(start) > s.Store.time {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	s.proxy.Set()
	if err := p.lease.renew(t.Context()); err != nil { // nobody has taken it
		t.Fatal(err)
	}
	p.end()
}

func TestWhatIsCutShortIsNeverUsed(t *testing.T) {
	s := newStand(t)
	p := s.mustBegin(t, disk(t), "run-1")
	p.keep("a", "1")
	p.save("run-1")
	p.keep("a", "2")
	s.proxy.Set(s3test.Fault{Method: "PUT", Match: "/copies/", Status: 500, Code: "InternalError"})
	if err := p.lease.Save(t.Context(), p.m.Reader, "run-2"); err == nil {
		t.Error("it was saved")
	}
	s.proxy.Set(s3test.Fault{Method: "PUT", Match: pointerName, Status: 403, Code: "AccessDenied"})
	var refused *RefusedError
	if err := p.lease.Save(t.Context(), p.m.Reader, "run-2"); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	s.proxy.Set()
	p.end()
	for name, fault := range map[string]s3test.Fault{
		"half":   {Method: "GET", Match: "/copies/", Half: true},
		"absent": {Method: "GET", Match: "/copies/", Status: 404, Code: "NoSuchKey"},
	} {
		s.proxy.Set(fault)
		path := disk(t)
		if _, err := s.begin(t, path, "run-3"); err == nil || errors.As(err, &refused) != (name == "absent") {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
			t.Errorf("%s: left %q", name, left)
		}
	}
	s.proxy.Set()
	q := s.mustBegin(t, disk(t), "run-4")
	q.holds("a", "1")
	q.end()
	damage(t, s, q.lease.Pointer().Key)
	if _, err := s.begin(t, disk(t), "run-5"); !errors.As(err, &refused) || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("%v", err)
	}
}

// TestCopiesAreReadWithoutALease reads while a run saves, and removes the copy
// that was about to be read.
func TestCopiesAreReadWithoutALease(t *testing.T) {
	s := newStand(t)
	if p, err := s.Copy(t.Context(), disk(t)); p != nil || err != nil {
		t.Errorf("of nothing: %v, %v", p, err)
	}
	p := s.mustBegin(t, disk(t), "run-1")
	defer p.end()
	p.keep("a", "1")
	p.save("run-1")
	path := disk(t)
	s.proxy.Set(s3test.Fault{Method: "GET", Match: "/copies/", Times: 1, Do: func() {
		p.keep("a", "2")
		p.save("run-2")
		if err := p.lease.Erase(t.Context()); err != nil {
			t.Error(err)
		}
	}, Status: 404, Code: "NoSuchKey"})
	got, err := s.Copy(t.Context(), path)
	if err != nil || got.Run != "run-2" || s.proxy.Struck() != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	m, err := mirror.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := m.Meta(t.Context(), "a"); err != nil || a != "2" {
		t.Errorf("%q, %v", a, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	s.proxy.Set(s3test.Fault{Method: "GET", Match: "/copies/", Status: 404, Code: "NoSuchKey"})
	var refused *RefusedError
	if _, err := s.Copy(t.Context(), disk(t)); !errors.As(err, &refused) || !strings.Contains(err.Error(), damaged) {
		t.Errorf("a copy that is gone: %v", err)
	}
}

// damage changes a byte of an object.
func damage(t testing.TB, s *stand, name string) {
	t.Helper()
	text, err := os.ReadFile(s.file(name))
	if err == nil {
		text[len(text)/2] ^= 1
		err = os.WriteFile(s.file(name), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestALogThatWasLeftIsNotTheCopys(t *testing.T) {
	s := newStand(t)
	p := s.mustBegin(t, disk(t), "run-1")
	p.keep("a", "1")
	p.save("run-1")
	p.end()
	path := disk(t)
	log := make([]byte, 64<<10)
	_, _ = rand.Read(log)
	if err := os.WriteFile(path+"-wal", log, 0o600); err != nil {
		t.Fatal(err)
	}
	q := s.mustBegin(t, path, "run-2")
	q.holds("a", "1")
	q.end()
}

func TestPointersOfOthers(t *testing.T) {
	s := newStand(t)
	for name, text := range map[string]string{pointerName: "{}", leaseName: "no JSON"} {
		if err := errors.Join(os.MkdirAll(s.file(""), 0o755), os.WriteFile(s.file(name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		var refused *RefusedError
		if _, err := s.begin(t, disk(t), "run-1"); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(s.file(name)); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := s.Latest(t.Context()); err != nil || p != nil {
		t.Errorf("%v %v", p, err)
	}
}
