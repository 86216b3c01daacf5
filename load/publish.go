package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sync/errgroup"
)

// Outcome is what became of a publishing at one destination.
type Outcome struct {
	State State
	Run   string // the run that the destination shows now; "": none, or unknown
	Err   error
}

// Publish brings the snapshot to all destinations: all are staged, then all are
// checked, then they commit in the given order. At most workers partitions are
// written at once. The outcomes are those of the destinations, in their order,
// also beside an error, which names the destinations at fault. If it fails before the
// first commit, no destination has changed; a commit that fails leaves those
// after it untouched. Once the first has committed, ctx stops nothing.
func Publish(ctx context.Context, dests []Destination, run Run, n *Snapshot, workers int) ([]Outcome, error) {
	p, err := Prepare(ctx, dests, run, n, workers)
	if err != nil {
		return p.Outcomes(), err
	}
	return p.Commit(ctx)
}

// Prepared is a publishing that is staged and checked at all destinations. It
// ends with Commit or Abort. It is not safe for concurrent use.
type Prepared struct {
	run      Run
	targets  []*target
	outcomes []Outcome
}

// target is one destination of a publishing.
type target struct {
	name  string
	dest  Destination
	stage Stage  // until it is checked
	ready Staged // from then on
}

// Prepare stages and checks the snapshot at all destinations. After an error
// everything has been aborted, and only the Outcomes of what it returns are of use.
func Prepare(ctx context.Context, dests []Destination, run Run, n *Snapshot, workers int) (*Prepared, error) {
	return prepare(ctx, memory.NewGoAllocator(), dests, run, n, workers)
}

func prepare(ctx context.Context, mem memory.Allocator, dests []Destination, run Run, n *Snapshot, workers int) (*Prepared, error) {
	p := &Prepared{run: run, outcomes: make([]Outcome, len(dests))}
	for i, d := range dests {
		p.targets = append(p.targets, &target{name: nameOf(i, d), dest: d})
		p.outcomes[i].State = Skipped
	}
	parts := n.Partitions()
	err := p.look(ctx)
	if err == nil {
		err = p.begin(ctx, parts)
	}
	if err == nil {
		err = p.write(ctx, mem, n, parts, max(workers, 1))
	}
	if err == nil {
		err = p.check(ctx)
	}
	if err != nil {
		return p, errors.Join(err, p.Abort(context.WithoutCancel(ctx)))
	}
	return p, nil
}

func nameOf(i int, d Destination) string {
	if s, ok := d.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("destination %d", i+1)
}

// fail records an error of a destination and returns it with the destination's name.
func (p *Prepared) fail(i int, err error) error {
	err = fmt.Errorf("%s: %w", p.targets[i].name, err)
	p.outcomes[i].State, p.outcomes[i].Err = Failed, err
	return err
}

// look finds out what the destinations show.
func (p *Prepared) look(ctx context.Context) error {
	for i, t := range p.targets {
		m, err := t.dest.Published(ctx)
		if err != nil {
			return p.fail(i, err)
		}
		if m != nil {
			p.outcomes[i].Run = m.Run
		}
	}
	return nil
}

func (p *Prepared) begin(ctx context.Context, parts []Partition) (err error) {
	for i, t := range p.targets {
		if t.stage, err = t.dest.Begin(ctx, p.run, slices.Clone(parts)); err != nil {
			t.stage = nil
			return p.fail(i, err)
		}
	}
	return nil
}

// writing is a partition to be written at a target.
type writing struct {
	target int
	part   Partition
}

// writeError says at which destination a partition could not be written.
type writeError struct {
	writing
	err error
}

// Error implements error.
func (e *writeError) Error() string { return fmt.Sprintf("write %s: %v", e.part, e.err) }

// Unwrap returns the reason.
func (e *writeError) Unwrap() error { return e.err }

// write writes all partitions at all destinations, the large ones first, so
// that no worker is left alone with one at the end.
func (p *Prepared) write(ctx context.Context, mem memory.Allocator, n *Snapshot, parts []Partition, workers int) error {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b Partition) int { return cmp.Compare(b.Rows, a.Rows) })
	due := make(chan writing, len(p.targets)*len(parts))
	for i := range p.targets {
		for _, part := range parts {
			due <- writing{i, part}
		}
	}
	close(due)
	g, ctx := errgroup.WithContext(ctx)
	for range workers { // not one a partition: its stack would grow anew each time
		g.Go(func() error {
			for w := range due {
				if err := p.writePart(ctx, w, n.Records(ctx, mem, w.part)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	var at *writeError
	if errors.As(err, &at) {
		return p.fail(at.target, err)
	}
	return err
}

func (p *Prepared) writePart(ctx context.Context, w writing, rows Rows) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := p.targets[w.target].stage.Write(ctx, w.part, rows); err != nil {
		return &writeError{w, err}
	}
	return nil
}

func (p *Prepared) check(ctx context.Context) error {
	for i, t := range p.targets {
		ready, err := t.stage.Check(ctx)
		if err != nil {
			return p.fail(i, fmt.Errorf("check: %w", err))
		}
		t.stage, t.ready = nil, ready
	}
	return nil
}

// Commit commits all destinations in their order. After the first failure the
// rest is aborted. The error says which destination shows which run.
func (p *Prepared) Commit(ctx context.Context) ([]Outcome, error) {
	if err := context.Cause(ctx); err != nil {
		return p.outcomes, errors.Join(err, p.Abort(context.WithoutCancel(ctx)))
	}
	ctx = context.WithoutCancel(ctx) // or destinations would differ for no need
	var tidy []error
	for i, t := range p.targets {
		state, err := t.ready.Commit(ctx)
		p.outcomes[i].State = state
		if state == Published {
			p.outcomes[i].Run = p.run.Run
		}
		if err == nil {
			continue
		}
		p.outcomes[i].Err = fmt.Errorf("%s: %w", t.name, err)
		if state != Published && state != Unchanged {
			return p.outcomes, errors.Join(p.fail(i, err), p.differing(), p.Abort(ctx))
		}
		tidy = append(tidy, p.outcomes[i].Err)
	}
	return p.outcomes, errors.Join(tidy...)
}

// differing says which destination shows which run, where the first has changed already.
func (p *Prepared) differing() error {
	if !slices.ContainsFunc(p.outcomes, func(o Outcome) bool { return o.State == Published }) {
		return nil
	}
	text := "the destinations differ until the next run:"
	for i, o := range p.outcomes {
		text += fmt.Sprintf(" %s shows %s;", p.targets[i].name, cmp.Or(o.Run, "nothing"))
	}
	return errors.New(text[:len(text)-1])
}

// Abort gives up at all destinations that have not committed.
func (p *Prepared) Abort(ctx context.Context) error {
	var all []error
	for _, t := range p.targets {
		var err error
		switch {
		case t.ready != nil:
			err = t.ready.Abort(ctx)
		case t.stage != nil:
			err = t.stage.Abort(ctx)
		}
		if err != nil {
			all = append(all, fmt.Errorf("%s: give up: %w", t.name, err))
		}
	}
	return errors.Join(all...)
}

// Outcomes returns what became of the destinations so far.
func (p *Prepared) Outcomes() []Outcome { return p.outcomes }
