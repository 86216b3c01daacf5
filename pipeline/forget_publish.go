package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/load"
)

// everywhere brings the tables without the clients to each destination that shows
// some, and removes there what was shown before. Each is served by itself: one
// that is away doesn't keep the others showing who was erased.
func (e *eraser) everywhere(ctx context.Context) (err error) {
	published := make([]*load.Manifest, len(e.destinations))
	failed := make([]error, len(e.destinations))
	for i := range e.destinations {
		published[i], failed[i] = e.look(ctx, i)
	}
	defer func() { err = errors.Join(err, e.closeSpool()) }()
	stopped := e.project(ctx, published)
	for i := range e.destinations {
		if failed[i] == nil && published[i] != nil {
			failed[i] = stopped
		}
		if failed[i] == nil {
			failed[i] = e.replace(ctx, i, published[i])
		}
	}
	return e.conclude(ctx, failed)
}

// look finds out what a destination shows; nil if that is nothing. A commit that
// was cut is finished first.
func (e *eraser) look(ctx context.Context, i int) (*load.Manifest, error) {
	d, state := e.destinations[i], &e.report.Destinations[i]
	if c, ok := d.Destination.(load.Recoverer); ok {
		if err := c.Recover(ctx, e.mirrorID); err != nil {
			return nil, publishError(ctx, err)
		}
	}
	m, err := d.Published(ctx)
	switch {
	case err != nil:
		return nil, publishError(ctx, err)
	case m == nil:
		return nil, nil
	}
	if state.Run = m.Run; m.Mirror != e.mirrorID {
		return nil, classed(Stopped, "it shows run %s of mirror %s, and this is mirror %s: %w", m.Run, m.Mirror, e.mirrorID, load.ErrForeign)
	}
	return m, nil
}

// project makes the rows to be published, if some destination of ours shows any.
// The rows of who was erased are no loss to the gates. Feeds that no run has
// judged yet, of one that was killed, are put back if they are what a gate stops.
func (e *eraser) project(ctx context.Context, published []*load.Manifest) error {
	some := false
	for _, m := range published {
		some = some || m != nil
	}
	for some {
		if err := e.spill(ctx); err != nil {
			return err
		}
		e.report.Rejects = RejectCounts{Items: e.rows.counts.itemRejects, Fields: e.rows.counts.fieldRejects}
		e.countTables(e.rows.snapshot.Partitions(), published)
		seen := e.evidence(e.rows, published)
		seen.feedRejects = 0 // nothing was fetched: what is rejected was so before
		e.report.Gates = judge(seen, e.limits())
		names := stopped(e.report.Gates)
		if len(names) == 0 {
			e.live = e.rows.counts.live
			return e.mirror.Accept(ctx)
		}
		n, err := e.mirror.Restore(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return classed(Stopped, "stopped by %s, and not for the rows of who was erased: if what is missing is right, forget again with --accept %s",
				strings.Join(names, ", "), strings.Join(names, ","))
		}
	}
	return nil
}

// spill projects the mirror into a spool of its own.
func (e *eraser) spill(ctx context.Context) (err error) {
	if err := e.closeSpool(); err != nil {
		return err
	}
	if e.spool, err = load.NewSpool(filepath.Dir(e.pipeline.Mirror)); err != nil {
		return err
	}
	e.rows, err = project(ctx, memory.NewGoAllocator(), e.mirror, e.spool, transformOptions(e.pipeline), e.workers())
	return err
}

func (e *eraser) closeSpool() error {
	if e.spool == nil {
		return nil
	}
	err := e.spool.Close()
	e.spool, e.rows = nil, nil
	return err
}

// replace publishes at one destination, where it shows something, and removes
// what it showed before.
func (e *eraser) replace(ctx context.Context, i int, m *load.Manifest) error {
	d, state := e.destinations[i], &e.report.Destinations[i]
	if m != nil {
		outcomes, err := load.Publish(ctx, []load.Destination{d}, e.publishing(e.rows), e.rows.snapshot, e.workers())
		state.State, state.Run = string(outcomes[0].State), outcomes[0].Run
		if err != nil {
			return publishError(ctx, err)
		}
		if err := e.noteShown(ctx, i); err != nil {
			return err
		}
	}
	return e.eraseAt(ctx, d)
}

// eraseAt removes what a destination showed before, and what reports of runs say
// there of anybody who was forgotten.
func (r *running) eraseAt(ctx context.Context, d destination) error {
	x, ok := d.Destination.(load.Eraser)
	if !ok {
		return classed(Broken, "what it showed before can't be removed")
	}
	if err := x.Erase(ctx, r.mirrorID); err != nil {
		return publishError(ctx, fmt.Errorf("remove what it showed before: %w", err))
	}
	list, ok := d.Destination.(load.Redactor)
	if !ok {
		return nil
	}
	names, err := r.mirror.Names(ctx)
	if err != nil {
		return err
	}
	if err := list.Redact(ctx, func(report string) (string, error) { return redact(report, names) }); err != nil {
		return publishError(ctx, fmt.Errorf("rewrite the reports of its runs: %w", err))
	}
	return nil
}

// conclude ends the erasure, or says which destinations still show the clients.
func (e *eraser) conclude(ctx context.Context, failed []error) error {
	var all []error
	for i, err := range failed {
		if err == nil {
			continue
		}
		if e.report.Destinations[i].State == string(load.Skipped) {
			e.report.Destinations[i].State = string(load.Failed)
		}
		e.result.StillShows = append(e.result.StillShows, e.destinations[i].String())
		all = append(all, fmt.Errorf("%s: %w", e.destinations[i], err))
	}
	if err := e.held.erase(ctx); err != nil {
		e.result.StillShows = append(e.result.StillShows, "mirror_backup "+e.held.store.String())
		all = append(all, err)
	}
	if len(all) == 0 {
		return e.mirror.SetMeta(context.WithoutCancel(ctx), metaErasing, "")
	}
	return fmt.Errorf("erased from the mirror, but not everywhere; forget again, or run, to end it: %w", errors.Join(all...))
}

// endErasure ends, after a publishing at all destinations, an erasure that could
// not be ended before.
func (r *running) endErasure(ctx context.Context) error {
	text, err := r.mirror.Meta(ctx, metaErasing)
	if err != nil || text == "" {
		return err
	}
	for _, d := range r.destinations {
		if err := r.eraseAt(ctx, d); err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	if err := r.held.erase(ctx); err != nil {
		return err
	}
	r.log.Info("ended an erasure that had been cut")
	return r.mirror.SetMeta(ctx, metaErasing, "")
}

// clean rewrites the mirror's file after an erasure that could not do it. If that
// fails again the night goes on, and the report says so.
func (r *running) clean(ctx context.Context) error {
	if err := r.mirror.Clean(ctx); err != nil {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		r.report.Reasons = append(r.report.Reasons, fmt.Sprintf("the mirror's file still holds bytes of erased clients: %v", err))
	}
	return nil
}
