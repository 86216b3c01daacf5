package loadtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// publishing is what must go right.
func publishing() []Case {
	return []Case{
		{"nothing is published at first", func(ctx context.Context, tr *trial) error { return tr.expect(ctx, "", nil) }},
		{"publishes a first world", func(ctx context.Context, tr *trial) error { _, err := tr.shown(ctx); return err }},
		{"publishes empty tables", publishesEmpty},
		{"leaves alone what has not changed", leavesUnchanged},
		{"writes only what has changed", writesOnlyChanged},
		{"drops partitions that are gone", dropsGone},
		{"writes anew what is damaged, and nothing else", rebuilds(true)},
		{"publishes anew where what is damaged is no partition", rebuilds(false)},
		{"keeps the first run's rows for a later one with the same", survivesRoundTrip},
	}
}

func publishesEmpty(ctx context.Context, tr *trial) error {
	w, err := tr.world()
	if err != nil {
		return err
	}
	if _, _, err := tr.publish(ctx, run(1), w); err != nil {
		return err
	}
	return tr.expect(ctx, run(1).Run, w.content)
}

func publishesLarge(ctx context.Context, tr *trial) error {
	w, err := tr.world(batch{schemas.Orders, 1, 70_000, true})
	if err != nil {
		return err
	}
	stage, err := tr.h.Destination.Begin(ctx, run(1), w.Partitions())
	if err != nil {
		return err
	}
	for _, p := range w.Partitions() {
		rows := w.Records(ctx, tr.mem, p)
		if p.Table == schemas.Orders {
			rows = tr.oneBatch(batch{schemas.Orders, 1, 70_000, true})
		}
		if err := stage.Write(ctx, p, rows); err != nil {
			return errors.Join(err, abort(ctx, stage))
		}
	}
	ready, err := stage.Check(ctx)
	if err != nil {
		return errors.Join(err, abort(ctx, stage))
	}
	if _, err := ready.Commit(ctx); err != nil {
		return err
	}
	return tr.expect(ctx, run(1).Run, w.content)
}

// oneBatch gives rows as they were before the spool cut them.
func (tr *trial) oneBatch(b batch) load.Rows {
	return func(yield func(arrow.Record, error) bool) { yield(tr.record(b), nil) }
}

func leavesUnchanged(ctx context.Context, tr *trial) error {
	w, err := tr.shown(ctx)
	if err != nil {
		return err
	}
	state, pulled, err := tr.publish(ctx, run(2), w)
	if err != nil {
		return err
	}
	if state != load.Unchanged || len(pulled) > 0 {
		return fmt.Errorf("the same rows again: %s, and rows of %q were pulled", state, pulled)
	}
	return tr.expect(ctx, run(1).Run, w.content)
}

func writesOnlyChanged(ctx context.Context, tr *trial) error {
	if _, err := tr.shown(ctx); err != nil {
		return err
	}
	w, err := tr.world(more(4)...)
	if err != nil {
		return err
	}
	state, pulled, err := tr.publish(ctx, run(2), w)
	if err != nil {
		return err
	}
	if state != load.Published || !slices.Equal(pulled, []string{"visits 2025-01"}) {
		return fmt.Errorf("visits of 2025-01 changed: %s, and rows of %q were pulled", state, pulled)
	}
	return tr.expect(ctx, run(2).Run, w.content)
}

// rebuilds publishes the same rows again, of which a partition may be damaged.
func rebuilds(damaged bool) func(context.Context, *trial) error {
	return func(ctx context.Context, tr *trial) error {
		w, err := tr.shown(ctx)
		if err != nil {
			return err
		}
		r := run(2)
		r.Rebuild = map[load.PartitionName]bool{}
		var want []string
		for _, p := range w.Partitions() {
			if damaged && p.Rows > 0 && (p.Table == schemas.Visits || p.Table == schemas.Clients) {
				r.Rebuild[load.PartitionName{Table: p.Table, Month: p.Month}] = true
				want = append(want, p.String())
			}
		}
		state, pulled, err := tr.publish(ctx, r, w)
		if err != nil {
			return err
		}
		slices.Sort(pulled)
		slices.Sort(want)
		if state != load.Published || !slices.Equal(pulled, want) {
			return fmt.Errorf("%q are damaged: %s, and rows of %q were pulled", want, state, pulled)
		}
		return tr.expect(ctx, r.Run, w.content)
	}
}

func dropsGone(ctx context.Context, tr *trial) error {
	if _, err := tr.shown(ctx); err != nil {
		return err
	}
	w, err := tr.world(tables(4)[schemas.Clients:]...)
	if err != nil {
		return err
	}
	if _, _, err := tr.publish(ctx, run(2), w); err != nil {
		return err
	}
	return tr.expect(ctx, run(2).Run, w.content)
}

func survivesRoundTrip(ctx context.Context, tr *trial) error {
	first, err := tr.shown(ctx)
	if err != nil {
		return err
	}
	if err := tr.recovers(ctx); err != nil { // another world
		return err
	}
	if _, _, err := tr.publish(ctx, run(10), first); err != nil {
		return err
	}
	return tr.expect(ctx, run(10).Run, first.content)
}

// refusing is what must not be published.
func refusing() []Case {
	older := func(i int) func(context.Context, *trial) error {
		return refused(load.ErrOlderRun, func(r load.Run) load.Run { r.Run = run(i).Run; return r })
	}
	return []Case{
		{"refuses an older run", older(0)},
		{"refuses the published run again", older(1)},
		{"refuses another mirror", refused(load.ErrForeign, func(r load.Run) load.Run { r.Mirror = "mirror-2"; return r })},
		{"refuses a run without a name", refused(nil, func(r load.Run) load.Run { r.Run = "../../x"; return r })},
		{"adopts another mirror", adopts},
		{"refuses a commit after another's", refusesOvertaken},
		{"refuses to check before all is written", refusesMissing},
		{"refuses a partition that was not announced", refusesUnknown},
		{"refuses a partition twice", refusesTwice},
		{"refuses rows that are not the partition's", refusesOtherRows},
		{"refuses too few rows", refusesFewRows},
	}
}

// refused demands that Begin refuses the run.
func refused(want error, change func(load.Run) load.Run) func(context.Context, *trial) error {
	return func(ctx context.Context, tr *trial) error {
		first, err := tr.shown(ctx)
		if err != nil {
			return err
		}
		w, err := tr.world(more(4)...)
		if err != nil {
			return err
		}
		stage, err := tr.h.Destination.Begin(ctx, change(run(2)), w.Partitions())
		if err == nil {
			return errors.Join(errors.New("the run was accepted"), abort(ctx, stage))
		}
		if want != nil && !errors.Is(err, want) {
			return errors.Join(fmt.Errorf("the refusal is not: %w", want), err)
		}
		return tr.expect(ctx, run(1).Run, first.content)
	}
}

func adopts(ctx context.Context, tr *trial) error {
	w, err := tr.shown(ctx)
	if err != nil {
		return err
	}
	r := run(2)
	r.Mirror, r.Adopt = "mirror-2", true
	state, _, err := tr.publish(ctx, r, w)
	if err != nil {
		return err
	}
	if state != load.Published {
		return fmt.Errorf("the same rows of another mirror: %s", state)
	}
	m, err := tr.h.Destination.Published(ctx)
	if err != nil || m.Mirror != "mirror-2" {
		return errors.Join(fmt.Errorf("the mirror was not adopted: %+v", m), err)
	}
	return tr.expect(ctx, r.Run, w.content)
}

func refusesOvertaken(ctx context.Context, tr *trial) error {
	if _, err := tr.shown(ctx); err != nil {
		return err
	}
	w, err := tr.world(more(4)...)
	if err != nil {
		return err
	}
	late, err := tr.ready(ctx, run(2), w)
	if err != nil {
		return err
	}
	other, err := tr.world(more(3)...)
	if err != nil {
		return err
	}
	if _, _, err := tr.publish(ctx, run(3), other); err != nil {
		return errors.Join(err, abort(ctx, late))
	}
	state, err := late.Commit(ctx)
	if !errors.Is(err, load.ErrOvertaken) || state != load.Failed {
		return errors.Join(fmt.Errorf("the second commit: %s", state), err)
	}
	if err := abort(ctx, late); err != nil {
		return err
	}
	return tr.expect(ctx, run(3).Run, other.content)
}

// ready publishes a world up to its commit.
func (tr *trial) ready(ctx context.Context, r load.Run, w world) (load.Staged, error) {
	stage, err := tr.h.Destination.Begin(ctx, r, w.Partitions())
	if err != nil {
		return nil, err
	}
	if _, err := tr.write(ctx, stage, w); err != nil {
		return nil, errors.Join(err, abort(ctx, stage))
	}
	ready, err := stage.Check(ctx)
	if err != nil {
		return nil, errors.Join(err, abort(ctx, stage))
	}
	return ready, nil
}
