package loadtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sync/errgroup"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// trial is a case under way.
type trial struct {
	h      Harness
	mem    *memory.CheckedAllocator
	spools []*load.Spool
}

func (tr *trial) close() (err error) {
	for _, s := range tr.spools {
		err = errors.Join(err, s.Close())
	}
	return err
}

// world is rows of all tables, and what readers must see of them.
type world struct {
	*load.Snapshot
	content Content
}

// batch is rows of one table, made from a seed.
type batch struct {
	table schemas.ID
	seed  uint64
	rows  int
	plain bool
}

// tables is a batch of each table.
func tables(rows int) (out []batch) {
	for id := range schemas.NumTables {
		out = append(out, batch{schemas.ID(id), 1, rows, false})
	}
	return out
}

// more is tables and some visits of one month.
func more(rows int) []batch {
	return append(tables(rows), batch{schemas.Visits, 2, 5, true})
}

// world spills the batches.
func (tr *trial) world(batches ...batch) (world, error) {
	s, err := load.NewSpool("")
	if err != nil {
		return world{}, err
	}
	tr.spools = append(tr.spools, s)
	for _, b := range batches {
		if err := tr.spill(s, b); err != nil {
			return world{}, err
		}
	}
	n, err := s.Seal()
	if err != nil {
		return world{}, err
	}
	w := world{n, Content{}}
	for _, p := range n.Partitions() {
		w.content[p.String()] = p.Digest
	}
	return w, nil
}

func (tr *trial) spill(s *load.Spool, b batch) error {
	rec := tr.record(b)
	defer rec.Release()
	e, err := s.Encode(b.table, rec)
	if err != nil {
		return err
	}
	return s.Append(e)
}

// record makes the batch; whoever gets it releases it.
func (tr *trial) record(b batch) arrow.Record {
	rng := rand.New(rand.NewPCG(b.seed, 0)) //nolint:gosec // rows must be the same each time
	t := schemas.Get(b.table)
	if b.plain {
		return Plain(tr.mem, t, rng, b.rows)
	}
	return Batch(tr.mem, t, rng, b.rows)
}

// run names the i-th run of the trial.
func run(i int) load.Run {
	return load.Run{
		Run: fmt.Sprintf("20260726T0102%02dZ-1a2b3c", i), Pipeline: "demo", Project: "12345", Mirror: "mirror-1",
		ReportTimezone: "Europe/Moscow", LiveClients: 40,
	}
}

// publish brings the world to the destination, step by step, all partitions at
// once. It returns the partitions whose rows were pulled. What fails is aborted.
func (tr *trial) publish(ctx context.Context, r load.Run, w world) (state load.State, pulled []string, err error) {
	stage, err := tr.h.Destination.Begin(ctx, r, w.Partitions())
	if err != nil {
		return load.Failed, nil, fmt.Errorf("begin: %w", err)
	}
	pulled, err = tr.write(ctx, stage, w)
	if err != nil {
		return load.Failed, pulled, errors.Join(fmt.Errorf("write: %w", err), abort(ctx, stage))
	}
	ready, err := stage.Check(ctx)
	if err != nil {
		return load.Failed, pulled, errors.Join(fmt.Errorf("check: %w", err), abort(ctx, stage))
	}
	state, err = ready.Commit(ctx)
	if err != nil {
		return state, pulled, errors.Join(fmt.Errorf("commit: %w", err), abort(ctx, ready))
	}
	return state, pulled, nil
}

// write writes all partitions at once.
func (tr *trial) write(ctx context.Context, stage load.Stage, w world) (pulled []string, err error) {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range w.Partitions() {
		rows := w.Records(ctx, tr.mem, p)
		g.Go(func() error {
			return stage.Write(ctx, p, func(yield func(arrow.Record, error) bool) {
				mu.Lock()
				pulled = append(pulled, p.String())
				mu.Unlock()
				rows(yield)
			})
		})
	}
	err = g.Wait()
	return pulled, err
}

type aborter interface{ Abort(context.Context) error }

// abort gives up, also where the context is done.
func abort(ctx context.Context, a aborter) error {
	if err := a.Abort(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("abort: %w", err)
	}
	return nil
}

// shown publishes a first world, which is what must stay visible.
func (tr *trial) shown(ctx context.Context) (world, error) {
	w, err := tr.world(tables(4)...)
	if err != nil {
		return w, err
	}
	state, _, err := tr.publish(ctx, run(1), w)
	if err != nil {
		return w, fmt.Errorf("publish the first world: %w", err)
	}
	if state != load.Published {
		return w, fmt.Errorf("the first world is %s", state)
	}
	return w, tr.expect(ctx, run(1).Run, w.content)
}

// recovers demands that after a failure the next publishing goes through.
func (tr *trial) recovers(ctx context.Context) error {
	tr.h.Break(None)
	w, err := tr.world(more(4)...)
	if err != nil {
		return err
	}
	if _, _, err := tr.publish(ctx, run(9), w); err != nil {
		return fmt.Errorf("the publishing after a failure: %w", err)
	}
	return tr.expect(ctx, run(9).Run, w.content)
}
