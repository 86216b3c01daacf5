package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roistat-etl/internal/sim"
	"roistat-etl/pipeline"
)

// before is how much virtual time passes before the first step: our clock may be
// wrong by less.
const before = 60 * 24 * time.Hour

// steps plays all steps, up to the first that is wrong. Each has a bubble of its
// own, whose time begins anew, so that our clock may go back between two.
func (s *stand) steps(t *testing.T) error {
	for i := range s.schedule.Steps {
		var found []string
		var err error
		st := &s.schedule.Steps[i]
		s.passed += time.Duration(st.Hours*float64(time.Hour)) + time.Second
		synctest.Test(t, func(*testing.T) {
			ahead := time.Duration(st.Clock * 24 * float64(time.Hour))
			began := time.Now()
			time.Sleep(before + s.passed + ahead)
			found, err = s.step(st)
			s.passed = time.Since(began) - before - ahead
		})
		if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if s.take(i, found) {
			return nil
		}
	}
	if n := len(s.schedule.Steps); n > 0 && s.schedule.Steps[n-1].Clean && (s.schedule.Steps[n-1].Hours > 24 || s.schedule.Steps[n-1].Full) {
		s.final()
	}
	return nil
}

// step plays one step and returns what is wrong with it.
func (s *stand) step(t *step) ([]string, error) {
	if t.Night > 0 {
		s.recorder.server.Night(1, t.Night)
	}
	if t.Lost || s.mirrors == 0 {
		if err := s.loseMirror(); err != nil {
			return nil, err
		}
	}
	switch {
	case t.Mishap != "":
		return s.mishap(t)
	case len(t.Forget) > 0:
		return s.forget(t)
	}
	if err := errors.Join(s.copyMirror(), s.vandalize(t.Link), s.recorder.server.SetFaults(t.Faults)); err != nil {
		return nil, err
	}
	undo, err := s.disk.spoil(t.Disk, t.Room, s.watcher)
	if err != nil {
		return nil, err
	}
	f, found := s.run(t)
	if err := errors.Join(undo(), s.recorder.server.SetFaults(nil)); err != nil {
		return nil, err
	}
	more, err := s.afterwards(f)
	return append(found, more...), err
}

// vandalize breaks the link to what is published, which stays the same.
func (s *stand) vandalize(how string) error {
	if how == "" || s.last == nil {
		return nil
	}
	s.watcher.look.Lock() // what it would see is our doing
	defer s.watcher.look.Unlock()
	link := filepath.Join(s.disk.tables, "current")
	err := os.Remove(link)
	if how == "dangling" {
		err = errors.Join(err, os.Symlink("snapshots/20010203T040506Z-abcdef", link))
	}
	s.watcher.broken.Store(how == "dangling")
	return err
}

// shown reads what is published. Where the link was broken and no run has mended
// it, that is the newest snapshot left.
func (s *stand) shown() (*snapshot, error) {
	after, err := readSnapshot(s.disk.tables)
	if err == nil {
		s.watcher.broken.Store(false)
	}
	dangling := s.watcher.broken.Load()
	if s.last != nil && (errors.Is(err, errNothing) || dangling) {
		return s.last, nil
	}
	return after, err
}

// second tries a run while another holds the mirror.
func (s *stand) second(ctx context.Context, linked bool) []string {
	p := *s.pipeline
	if linked {
		dir := filepath.Join(s.dir, "link")
		if err := os.Symlink(filepath.Dir(p.Mirror), dir); err != nil {
			return []string{"the checker: " + err.Error()}
		}
		defer os.Remove(dir) //nolint:errcheck // goes with its folder
		p.Mirror = filepath.Join(dir, filepath.Base(p.Mirror))
	}
	r := pipeline.Run(ctx, &p, s.options(&step{NoExtract: true}))
	if r.ExitCode != 1 || !strings.Contains(text(r.Error), "is held by run ") {
		return []string{fmt.Sprintf("a second run at the same time: exit code %d, %s", r.ExitCode, text(r.Error))}
	}
	return nil
}

// drawMore adds to a schedule what goes wrong between its nights. It has dice of
// its own, so that all else of a seed stays as it was.
func drawMore(d dice, s *schedule) {
	last := len(s.Steps) - 1
	at := d.between(min(1, last), last)
	switch p := d.Float64(); {
	case p < 0.12:
		s.Steps[at].Clock = one(d, -1.0, 1) * one(d, 0.125, 1, float64(d.between(2, 10)))
		s.Steps[at].Clean = false
		if at == last {
			s.Steps = append(s.Steps, step{Hours: one(d, 0.2, 25), Accept: true, Clean: true})
		}
		s.Steps[len(s.Steps)-1].Full = true       // a stamp that was too late may look right by now
		s.World.SimHour, s.World.SimSecond = 0, 0 // the API's clock is right, and here there is but one
	case p < 0.24:
		s.World.Loose = true
		s.Steps = slices.Insert(s.Steps, at, step{Hours: 1, Forget: []int64{int64(d.between(1, s.World.Clients)), int64(d.between(1, s.World.Clients))},
			Disk: one(d, "", "", "full tables", "full mirror", "read-only tables"), Room: d.between(1, 300)})
		if b := &s.Steps[at-1]; !b.Clean && !b.NoExtract { // the API's complaints name who is concerned
			b.Faults = append(b.Faults, sim.Fault{Kind: "error", Method: "feed", Code: "internal_error", Share: 0.1})
		}
	case p < 0.4:
		s.Steps = slices.Insert(s.Steps, at+d.IntN(2), step{Hours: 1, Mishap: one(d, mishaps()...)})
	case p < 0.46:
		s.Steps[at].Link = one(d, "lost", "dangling")
	case p < 0.5:
		s.Steps[at].Linked = true
	}
}
