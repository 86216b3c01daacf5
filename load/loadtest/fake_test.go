package loadtest

import (
	"context"
	"errors"
	"maps"
	"sync"

	"roistat-etl/load"
	"roistat-etl/load/internal/row"
	"roistat-etl/schemas"
)

// bug is what a fake does wrong.
type bug string

// fake is a destination in memory, right but for its bugs.
type fake struct {
	mu        sync.Mutex
	manifest  *load.Manifest
	content   Content
	staged    map[string]bool // what has not been given up yet
	broken    Step
	bugs      map[bug]bool
	keepAlive chan struct{}
}

func newFake(bugs ...bug) *fake {
	f := &fake{staged: map[string]bool{}, bugs: map[bug]bool{}, keepAlive: make(chan struct{})}
	for _, b := range bugs {
		f.bugs[b] = true
	}
	return f
}

func (f *fake) harness() Harness {
	return Harness{
		Destination: f,
		Read: func(context.Context) (Content, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return maps.Clone(f.content), nil
		},
		Leftovers: func() (out []string, err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			for run := range f.staged {
				out = append(out, run)
			}
			return out, nil
		},
		Break: func(s Step) { f.broken = s },
	}
}

func (f *fake) Published(context.Context) (*load.Manifest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.manifest, nil
}

func (f *fake) Begin(ctx context.Context, run load.Run, parts []load.Partition) (load.Stage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := context.Cause(ctx); err != nil && !f.bugs["begins when cancelled"] {
		return nil, err
	}
	if err := f.admit(run); err != nil {
		return nil, err
	}
	s := &fakeStage{f: f, run: run, before: f.manifest, parts: map[string]load.Partition{}, got: Content{}}
	for _, p := range parts {
		s.parts[p.String()] = p
	}
	s.unchanged = f.manifest.Shows(parts, "fake", run.Mirror) && !f.bugs["always publishes"] && (run.Rebuild == nil || f.bugs["repairs nothing"])
	if !s.unchanged {
		f.staged[run.Run] = true
	}
	return s, nil
}

func (f *fake) admit(run load.Run) error {
	err := load.Admit(run, f.manifest)
	if errors.Is(err, load.ErrForeign) && f.bugs["accepts foreign"] || errors.Is(err, load.ErrOlderRun) && f.bugs["accepts older"] {
		return nil
	}
	return err
}

type fakeStage struct {
	f         *fake
	run       load.Run
	before    *load.Manifest
	unchanged bool
	parts     map[string]load.Partition
	checked   bool

	mu  sync.Mutex
	got Content
}

func (s *fakeStage) Write(ctx context.Context, p load.Partition, rows load.Rows) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if s.parts[p.String()] != p && !s.f.bugs["takes the unknown"] {
		return errors.New("unknown partition")
	}
	d := p.Digest
	_, same := s.before.Same(p, "fake")
	same = same && (!s.run.Rebuilds(p) || s.f.bugs["takes what is damaged"])
	if !same || s.f.bugs["writes everything"] {
		sum, err := s.read(ctx, p, rows)
		if err != nil {
			return err
		}
		if d = sum.Digest(); d != p.Digest && !s.f.bugs["believes"] {
			return errors.New("other rows")
		}
	}
	if s.f.broken == Write && !s.f.bugs["hides failed writes"] {
		return errors.New("no space")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.got[p.String()]; twice && !s.f.bugs["takes it twice"] {
		return errors.New("written twice")
	}
	if s.f.bugs["shows early"] {
		s.f.show(p, d)
	}
	s.got[p.String()] = d
	return nil
}

func (f *fake) show(p load.Partition, d load.Digest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.content == nil {
		f.content = Content{}
	}
	f.content[p.String()] = d
}

func (s *fakeStage) read(ctx context.Context, p load.Partition, rows load.Rows) (sum load.Sum, err error) {
	var enc row.Encoder
	n := 0
	for rec, err := range rows {
		if err != nil {
			if s.f.bugs["takes an error for the end"] {
				break
			}
			return sum, err
		}
		if n++; n > 1000 {
			rec.Release()
			return sum, errors.New("no end")
		}
		err = enc.Bind(schemas.Get(p.Table), rec)
		for i := 0; err == nil && i < int(rec.NumRows()); i++ {
			var b []byte
			if b, err = enc.Append(nil, i); err == nil {
				sum.Add(b)
			}
		}
		if !s.f.bugs["leaks batches"] {
			rec.Release()
		}
		if err == nil && !s.f.bugs["ignores the context"] {
			err = context.Cause(ctx)
		}
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

func (s *fakeStage) Check(ctx context.Context) (load.Staged, error) {
	if err := context.Cause(ctx); err != nil && !s.f.bugs["checks when cancelled"] {
		return nil, err
	}
	if len(s.got) != len(s.parts) && !s.f.bugs["misses nothing"] {
		return nil, errors.New("a partition is missing")
	}
	if s.f.broken == Check && !s.f.bugs["hides a failed check"] {
		return nil, errors.New("check failed")
	}
	if s.f.bugs["leaks goroutines"] {
		go func() { <-s.f.keepAlive }()
	}
	s.checked = true
	return &fakeReady{s}, nil
}

func (s *fakeStage) Abort(context.Context) error {
	if !s.checked {
		s.discard()
	}
	return nil
}

func (s *fakeStage) discard() {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if !s.f.bugs["leaves its staging"] {
		delete(s.f.staged, s.run.Run)
	}
}

type fakeReady struct{ s *fakeStage }

func (r *fakeReady) Commit(ctx context.Context) (load.State, error) {
	s, f := r.s, r.s.f
	if err := context.Cause(ctx); err != nil && !f.bugs["commits when cancelled"] {
		return load.Failed, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.manifest != s.before && !f.bugs["overtakes"] {
		return load.Failed, load.ErrOvertaken
	}
	if s.unchanged {
		return load.Unchanged, nil
	}
	if f.broken == Commit {
		if f.bugs["half commits"] {
			f.content = s.got
		}
		if !f.bugs["hides a failed commit"] {
			return load.Failed, errors.New("commit failed")
		}
		return load.Published, nil
	}
	r.publish()
	return load.Published, nil
}

func (r *fakeReady) publish() {
	s, f := r.s, r.s.f
	m := load.NewManifest(s.run, "fake")
	for name, p := range s.parts {
		if f.bugs["loses a partition"] && name == "clients" {
			delete(s.got, name)
			continue
		}
		m.Add(p.Table, load.ManifestFile{Partition: p.Month, Rows: p.Rows, Digest: p.Digest})
	}
	if f.bugs["keeps what is gone"] {
		for name, d := range f.content {
			if _, ok := s.got[name]; !ok {
				s.got[name] = d
			}
		}
	}
	f.manifest, f.content = m, s.got
	delete(f.staged, s.run.Run)
}

func (r *fakeReady) Abort(context.Context) error {
	if r.s.f.bugs["abort unpublishes"] {
		r.s.f.manifest, r.s.f.content = r.s.before, nil
	}
	r.s.discard()
	return nil
}
