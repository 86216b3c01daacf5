package parquet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roistat-etl/internal/s3test"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

// held lets a publishing fail because all its requests to show the snapshot are stuck.
func (s *stand) held(t *testing.T, r load.Run, n *load.Snapshot) {
	t.Helper()
	s.proxy.Set(s3test.Fault{Method: "PUT", Match: pointerName, Hold: true})
	if out, err := s.show(t, r, n); err == nil || out.State != load.Failed {
		t.Fatalf("its pointer is stuck, but %+v: %v", out, err)
	}
	s.proxy.Set()
	if s.proxy.Held() == 0 {
		t.Fatal("no request is stuck")
	}
}

// readable demands that readers see exactly a run's rows.
func (s *stand) readable(t *testing.T, r load.Run, n *load.Snapshot) {
	t.Helper()
	p, err := s.shownBy()
	if err != nil || p.Run != r.Run {
		t.Errorf("%q is shown, not %q: %v", p.Run, r.Run, err)
	}
	got, err := s.read(t.Context())
	if err != nil || len(got) != len(contentOf(n)) {
		t.Errorf("%d partitions can be read, not %d: %v", len(got), len(contentOf(n)), err)
	}
	for name, digest := range contentOf(n) {
		if got[name] != digest {
			t.Errorf("%s is not that of run %s", name, r.Run)
		}
	}
}

// refuses demands that what was stuck comes too late.
func (s *stand) refuses(t *testing.T) {
	t.Helper()
	for _, answer := range s.proxy.Release() {
		if !strings.HasSuffix(answer, ": 412") {
			t.Errorf("a late request was answered: %s", answer)
		}
	}
}

// A request to show a snapshot arrives when another run has taken it for dead.
func TestALatePointerShowsNothingThatWasRemoved(t *testing.T) {
	server := s3test.Start(t, "bucket")
	t.Run("when the next run has begun", func(t *testing.T) {
		s := newStand(t, server, "begun", Options{})
		first, second := worldOf(t, 1), worldOf(t, 3)
		s.shows(t, run(1), first)
		s.held(t, run(2), worldOf(t, 2))
		stage, err := s.Begin(t.Context(), run(3), second.Partitions())
		if err != nil {
			t.Fatal(err)
		}
		s.refuses(t)
		s.readable(t, run(1), first)
		if err := stage.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		s.stays(t, run(1))
		s.shows(t, run(4), second)
	})
	t.Run("when the next run goes on and publishes", func(t *testing.T) {
		s := newStand(t, server, "goes-on", Options{})
		s.shows(t, run(1), worldOf(t, 1))
		s.held(t, run(2), worldOf(t, 2))
		s.proxy.Set(s3test.Fault{Method: "PUT", Match: manifestName, Do: func() { s.refuses(t) }})
		s.shows(t, run(3), worldOf(t, 3))
		s.readable(t, run(3), worldOf(t, 3))
	})
	t.Run("before the next run begins", func(t *testing.T) {
		s := newStand(t, server, "before", Options{})
		second := worldOf(t, 2)
		s.shows(t, run(1), worldOf(t, 1))
		s.held(t, run(2), second)
		s.proxy.Release()
		s.readable(t, run(2), second)
		s.shows(t, run(3), worldOf(t, 3))
	})
	t.Run("where nothing was shown before", func(t *testing.T) {
		s := newStand(t, server, "first", Options{})
		first := worldOf(t, 1)
		s.held(t, run(1), first)
		if _, err := s.Begin(t.Context(), run(2), worldOf(t, 2).Partitions()); err != nil {
			t.Fatal(err)
		}
		if err := s.Erase(t.Context(), run(1).Mirror); err == nil {
			t.Error("what may be shown was taken for erased")
		}
		s.proxy.Release()
		s.readable(t, run(1), first)
		s.shows(t, run(3), worldOf(t, 3))
	})
	t.Run("where only the next run was shown", func(t *testing.T) {
		s := newStand(t, server, "second", Options{})
		s.held(t, run(1), worldOf(t, 1))
		if out, err := s.show(t, run(2), worldOf(t, 2)); err != nil {
			t.Fatalf("%+v: %v", out, err)
		}
		s.refuses(t)
		s.readable(t, run(2), worldOf(t, 2))
		s.shows(t, run(3), worldOf(t, 3))
	})
	t.Run("once more", func(t *testing.T) {
		s := newStand(t, server, "twice", Options{Keep: 1})
		s.shows(t, run(1), worldOf(t, 1))
		s.proxy.Set(s3test.Fault{Method: "PUT", Match: pointerName, Twice: true})
		s.shows(t, run(2), worldOf(t, 2))
		s.proxy.Set()
		s.shows(t, run(3), worldOf(t, 3))
		s.refuses(t)
		s.readable(t, run(3), worldOf(t, 3))
	})
}

// A run that gives up removes nothing that a request of its own may still show.
func TestGivingUpWhileThePointerIsStuck(t *testing.T) {
	server := s3test.Start(t, "bucket")
	stuck := s3test.Fault{Method: "PUT", Match: pointerName, Hold: true, Times: 1}
	t.Run("and then refused", func(t *testing.T) {
		s := newStand(t, server, "refused", Options{})
		second := worldOf(t, 2)
		s.shows(t, run(1), worldOf(t, 1))
		s.proxy.Set(stuck, s3test.Fault{Method: "PUT", Match: pointerName, Status: 403, Code: "AccessDenied"})
		if _, err := s.show(t, run(2), second); !load.Refuses(err) {
			t.Errorf("%v", err)
		}
		s.proxy.Set()
		s.proxy.Release()
		s.readable(t, run(2), second)
		s.shows(t, run(3), worldOf(t, 3))
	})
	t.Run("and then busy", func(t *testing.T) {
		s := newStand(t, server, "busy", Options{})
		first := worldOf(t, 1)
		s.shows(t, run(1), first)
		s.proxy.Set(stuck, s3test.Fault{Method: "PUT", Match: pointerName, Status: 503, Code: "SlowDown", Times: 5})
		if _, err := s.show(t, run(2), worldOf(t, 2)); err == nil {
			t.Error("it was published")
		}
		s.proxy.Set()
		s.refuses(t)
		s.readable(t, run(1), first)
		s.stays(t, run(1))
		s.shows(t, run(3), worldOf(t, 3))
	})
	t.Run("and the pointer can't be read back", func(t *testing.T) {
		s := newStand(t, server, "unread", Options{})
		second := worldOf(t, 2)
		s.shows(t, run(1), worldOf(t, 1))
		away := s3test.Fault{Method: "GET", Match: pointerName, Status: 403, Code: "AccessDenied"}
		s.proxy.Set(s3test.Fault{Method: "PUT", Match: pointerName, Lose: true, Times: 1, Do: func() { s.proxy.Set(away) }})
		if _, err := s.show(t, run(2), second); err == nil {
			t.Error("nobody can know that it was published")
		}
		s.proxy.Set()
		s.readable(t, run(2), second)
		s.shows(t, run(3), worldOf(t, 3))
	})
}

// A publishing that slept while another took it for dead shows nothing.
func TestASleeperIsNotShown(t *testing.T) {
	server := s3test.Start(t, "bucket")
	s := newStand(t, server, "p", Options{})
	first, third := worldOf(t, 1), worldOf(t, 3)
	s.shows(t, run(1), first)
	other, err := NewBucket(Options{Path: "s3://bucket/p", Scratch: s.scratch})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	var stage load.Stage
	s.proxy.Set(s3test.Fault{Method: "PUT", Match: pointerName, Status: 503, Code: "SlowDown", Times: 1, Do: func() {
		if stage, err = other.Begin(t.Context(), run(3), third.Partitions()); err != nil {
			t.Error(err)
		}
	}})
	if _, err := s.show(t, run(2), worldOf(t, 2)); !errors.Is(err, load.ErrOvertaken) {
		t.Errorf("%v", err)
	}
	s.proxy.Set()
	s.readable(t, run(1), first)
	if err := stage.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	s.shows(t, run(4), third)
}

// What is published is then the newest whole snapshot, and the next publishing
// mends the pointer although no row has changed.
func TestAPointerToNothingIsMended(t *testing.T) {
	server := s3test.Start(t, "bucket")
	for name, c := range map[string]struct {
		damage func(s *stand) error
		want   load.Run
	}{
		"gone":          {func(s *stand) error { return os.Remove(s.file(pointerName)) }, run(2)},
		"snapshot gone": {func(s *stand) error { return os.RemoveAll(s.file(snapshots, run(2).Run)) }, run(1)},
		"manifest gone": {func(s *stand) error { return os.Remove(s.file(snapshots, run(2).Run, manifestName)) }, run(1)},
		"manifest cut":  {func(s *stand) error { return os.Truncate(s.file(snapshots, run(2).Run, manifestName), 200) }, run(1)},
		"gone, files lack": {func(s *stand) error {
			return errors.Join(os.Remove(s.file(pointerName)), os.Remove(s.file(snapshots, run(2).Run, filePath(schemas.Clients, ""))))
		}, run(1)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, server, filepath.Base(strings.ReplaceAll(name, " ", "-")), Options{})
			worlds := map[string]*load.Snapshot{run(1).Run: worldOf(t, 2), run(2).Run: worldOf(t, 3)}
			s.shows(t, run(1), worlds[run(1).Run])
			s.shows(t, run(2), worlds[run(2).Run])
			if err := c.damage(s); err != nil {
				t.Fatal(err)
			}
			m, err := s.Published(t.Context())
			if err != nil || m == nil || m.Run != c.want.Run || m.Unlinked == "" {
				t.Fatalf("published is %+v: %v", m, err)
			}
			if bad := s.findings(t); len(bad) == 0 || bad[0].Detail != m.Unlinked {
				t.Errorf("an audit says %+v", bad)
			}
			foreign := run(3)
			foreign.Mirror = "another"
			if _, err := s.show(t, foreign, worldOf(t, 3)); !errors.Is(err, load.ErrForeign) {
				t.Errorf("another mirror's run: %v", err)
			}
			if out, err := s.show(t, run(3), worlds[c.want.Run]); err != nil || out.State != load.Published {
				t.Errorf("%+v: %v", out, err)
			}
			s.readable(t, run(3), worlds[c.want.Run])
			if m, err := s.Published(t.Context()); err != nil || m.Unlinked != "" {
				t.Errorf("published is %+v: %v", m, err)
			}
			if bad := s.findings(t); len(bad) > 0 {
				t.Errorf("%+v", bad)
			}
		})
	}
}
