package loadtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// attempt begins to publish a changed world, lets do whatever it wants with the
// stage, which must fail, aborts, and demands that readers see what they saw.
func attempt(do func(ctx context.Context, tr *trial, stage load.Stage, w world) error) func(context.Context, *trial) error {
	return func(ctx context.Context, tr *trial) error {
		first, err := tr.shown(ctx)
		if err != nil {
			return err
		}
		w, err := tr.world(more(4)...)
		if err != nil {
			return err
		}
		stage, err := tr.h.Destination.Begin(ctx, run(2), w.Partitions())
		if err != nil {
			return err
		}
		if err := do(ctx, tr, stage, w); err != nil {
			return errors.Join(err, abort(ctx, stage))
		}
		if err := abort(ctx, stage); err != nil {
			return err
		}
		if err := tr.expect(ctx, run(1).Run, first.content); err != nil {
			return err
		}
		return tr.recovers(ctx)
	}
}

var errNotRefused = errors.New("it was accepted")

// changed is the partition in which the worlds of attempt differ.
func changed(w world) load.Partition {
	for _, p := range w.Partitions() {
		if p.Table == schemas.Visits && p.Month == "2025-01" {
			return p
		}
	}
	return load.Partition{}
}

func refusesMissing(ctx context.Context, tr *trial) error {
	return attempt(func(ctx context.Context, tr *trial, stage load.Stage, w world) error {
		p := changed(w)
		if err := stage.Write(ctx, p, w.Records(ctx, tr.mem, p)); err != nil {
			return err
		}
		if _, err := stage.Check(ctx); err == nil {
			return errNotRefused
		}
		return nil
	})(ctx, tr)
}

func refusesUnknown(ctx context.Context, tr *trial) error {
	return attempt(func(ctx context.Context, tr *trial, stage load.Stage, w world) error {
		p := changed(w)
		rows := w.Records(ctx, tr.mem, p)
		p.Month = "1999-01"
		if err := stage.Write(ctx, p, rows); err == nil {
			return errNotRefused
		}
		return nil
	})(ctx, tr)
}

func refusesTwice(ctx context.Context, tr *trial) error {
	return attempt(func(ctx context.Context, tr *trial, stage load.Stage, w world) error {
		p := changed(w)
		if err := stage.Write(ctx, p, w.Records(ctx, tr.mem, p)); err != nil {
			return err
		}
		if err := stage.Write(ctx, p, w.Records(ctx, tr.mem, p)); err == nil {
			return errNotRefused
		}
		return nil
	})(ctx, tr)
}

func refusesOtherRows(ctx context.Context, tr *trial) error {
	return attempt(wrongRows(func(tr *trial, p load.Partition) load.Rows {
		return tr.oneBatch(batch{schemas.Visits, 77, int(p.Rows), true})
	}))(ctx, tr)
}

func refusesFewRows(ctx context.Context, tr *trial) error {
	return attempt(wrongRows(func(*trial, load.Partition) load.Rows {
		return func(func(arrow.Record, error) bool) {}
	}))(ctx, tr)
}

// wrongRows demands that Write, or Check at the latest, refuses other rows than announced.
func wrongRows(other func(*trial, load.Partition) load.Rows) func(context.Context, *trial, load.Stage, world) error {
	return func(ctx context.Context, tr *trial, stage load.Stage, w world) error {
		for _, p := range w.Partitions() {
			rows := w.Records(ctx, tr.mem, p)
			if p == changed(w) {
				rows = other(tr, p)
			}
			if err := stage.Write(ctx, p, rows); err != nil {
				if p != changed(w) {
					return err
				}
				return nil
			}
		}
		if _, err := stage.Check(ctx); err == nil {
			return errNotRefused
		}
		return nil
	}
}

// failing is what may break on the way.
func failing() []Case {
	return []Case{
		{"survives a write that fails", broken(Write)},
		{"survives a check that fails", broken(Check)},
		{"survives a commit that fails", broken(Commit)},
		{"survives rows that end with an error", attempt(rowsFail)},
		{"survives a context cancelled before the write", attempt(cancelledWrite)},
		{"survives a context cancelled between rows", attempt(cancelledRows)},
		{"survives a context cancelled before the check", attempt(cancelledCheck)},
		{"survives a context cancelled before the commit", attempt(cancelledCommit)},
		{"survives a context cancelled before it begins", cancelledBegin},
	}
}

// broken demands that a broken step fails the publishing, the first one too.
func broken(step Step) func(context.Context, *trial) error {
	return func(ctx context.Context, tr *trial) error {
		w, err := tr.world(more(4)...)
		if err != nil {
			return err
		}
		if err := tr.fails(ctx, step, w); err != nil {
			return err
		}
		if err := tr.expect(ctx, "", nil); err != nil {
			return err
		}
		tr.h.Break(None)
		first, err := tr.shown(ctx)
		if err != nil {
			return err
		}
		if err := tr.fails(ctx, step, w); err != nil {
			return err
		}
		if err := tr.expect(ctx, run(1).Run, first.content); err != nil {
			return err
		}
		return tr.recovers(ctx)
	}
}

func (tr *trial) fails(ctx context.Context, step Step, w world) error {
	tr.h.Break(step)
	state, _, err := tr.publish(ctx, run(2), w)
	if err == nil {
		return fmt.Errorf("the %s is broken, but the state is %s", step, state)
	}
	return nil
}

var errRows = errors.New("the rows end here")

func rowsFail(ctx context.Context, tr *trial, stage load.Stage, w world) error {
	p := changed(w)
	err := stage.Write(ctx, p, func(yield func(arrow.Record, error) bool) {
		if yield(tr.record(batch{schemas.Visits, 2, 3, true}), nil) {
			yield(nil, errRows)
		}
	})
	if !errors.Is(err, errRows) {
		return errors.Join(errors.New("the rows failed, but Write says something else"), err)
	}
	return nil
}

func cancelledWrite(ctx context.Context, tr *trial, stage load.Stage, w world) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	p := changed(w)
	return isCancelled(stage.Write(ctx, p, w.Records(ctx, tr.mem, p)))
}

func cancelledRows(ctx context.Context, tr *trial, stage load.Stage, w world) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return isCancelled(stage.Write(ctx, changed(w), func(yield func(arrow.Record, error) bool) {
		for i := range 1000 { // far more than are announced
			if i == 1 {
				cancel()
			}
			if !yield(tr.record(batch{schemas.Visits, 2, 3, true}), nil) {
				return
			}
		}
	}))
}

func isCancelled(err error) error {
	if !errors.Is(err, context.Canceled) {
		return errors.Join(errors.New("the context was cancelled, but the error is another"), err)
	}
	return nil
}

func cancelledCheck(ctx context.Context, tr *trial, stage load.Stage, w world) error {
	if _, err := tr.write(ctx, stage, w); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_, err := stage.Check(ctx)
	return isCancelled(err)
}

func cancelledCommit(ctx context.Context, tr *trial, stage load.Stage, w world) error {
	if _, err := tr.write(ctx, stage, w); err != nil {
		return err
	}
	ready, err := stage.Check(ctx)
	if err != nil {
		return err
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	state, err := ready.Commit(stopped)
	if state != load.Failed {
		return fmt.Errorf("a commit that never began is %s", state)
	}
	return errors.Join(isCancelled(err), abort(ctx, ready))
}

func cancelledBegin(ctx context.Context, tr *trial) error {
	first, err := tr.shown(ctx)
	if err != nil {
		return err
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := tr.h.Destination.Begin(stopped, run(2), first.Partitions()); isCancelled(err) != nil {
		return isCancelled(err)
	}
	return tr.expect(ctx, run(1).Run, first.content)
}

// givingUp is every point at which a publishing may be given up.
func givingUp() []Case {
	return []Case{
		{"gives up at once", attempt(func(context.Context, *trial, load.Stage, world) error { return nil })},
		{"gives up after a write", attempt(func(ctx context.Context, tr *trial, stage load.Stage, w world) error {
			return stage.Write(ctx, changed(w), w.Records(ctx, tr.mem, changed(w)))
		})},
		{"gives up after all writes", attempt(func(ctx context.Context, tr *trial, stage load.Stage, w world) error {
			_, err := tr.write(ctx, stage, w)
			return err
		})},
		{"gives up after the check, twice", attempt(abortsReady)},
		{"gives up twice", attempt(func(ctx context.Context, _ *trial, stage load.Stage, _ world) error { return abort(ctx, stage) })},
		{"giving up after the commit changes nothing", abortsCommitted},
		{"publishes batches of more rows than a row group", publishesLarge}, // last: it takes longest
	}
}

func abortsReady(ctx context.Context, tr *trial, stage load.Stage, w world) error {
	if _, err := tr.write(ctx, stage, w); err != nil {
		return err
	}
	ready, err := stage.Check(ctx)
	if err != nil {
		return err
	}
	return errors.Join(abort(ctx, ready), abort(ctx, ready))
}

func abortsCommitted(ctx context.Context, tr *trial) error {
	w, err := tr.world(more(4)...)
	if err != nil {
		return err
	}
	ready, err := tr.ready(ctx, run(1), w)
	if err != nil {
		return err
	}
	if _, err := ready.Commit(ctx); err != nil {
		return err
	}
	if err := abort(ctx, ready); err != nil {
		return err
	}
	return tr.expect(ctx, run(1).Run, w.content)
}
