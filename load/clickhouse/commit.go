package clickhouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"roistat-etl/internal/retry"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

const (
	runsTable       = "_runs"
	partitionsTable = "_partitions"

	swaps     = 6                      // attempts to swap the tables
	swapPause = 200 * time.Millisecond // before the second one; it doubles
)

// ready is a publishing that is staged and checked.
type ready struct{ s *stage }

// Abort drops the tables under construction.
func (r *ready) Abort(ctx context.Context) error { return r.s.discard(ctx) }

// Commit swaps the tables in.
func (r *ready) Commit(ctx context.Context) (load.State, error) {
	if err := context.Cause(ctx); err != nil {
		return load.Failed, err
	}
	s := r.s
	if s.unchanged {
		return load.Unchanged, s.d.makeViews(ctx, s.run.ReportTimezone)
	}
	if err := s.overtaken(ctx); err != nil {
		return load.Failed, err
	}
	if err := s.d.enter(ctx, s.run.Run, s.parts); err != nil {
		return load.Failed, errors.Join(err, s.strike(ctx))
	}
	if err := s.d.swap(ctx, s.mark(), slices.Sorted(maps.Keys(s.build))); err != nil {
		return load.Failed, s.halfway(ctx, err)
	}
	clear(s.build) // what they are called now is on its way out
	return load.Published, errors.Join(s.remark(ctx), s.d.makeViews(ctx, s.run.ReportTimezone), s.d.dropRetired(ctx, s.run.Run))
}

// overtaken fails if other tables are shown than at the beginning.
func (s *stage) overtaken(ctx context.Context) error {
	now, err := s.d.inspect(ctx)
	if err != nil {
		return err
	}
	for _, t := range schemas.Tables() {
		a, b := s.before.live[t.ID], now.live[t.ID]
		if (a == nil) != (b == nil) || a != nil && a.mark != b.mark {
			return fmt.Errorf("%s shows another run than at the beginning: %w", t.Name, load.ErrOvertaken)
		}
	}
	return nil
}

// halfway says how far a swap came that could not be ended. If no table was
// swapped, nothing is left of it.
func (s *stage) halfway(ctx context.Context, failed error) error {
	now, err := s.d.inspect(ctx)
	if err != nil {
		s.build = map[schemas.ID]string{}
		return errors.Join(failed, fmt.Errorf("how far it came can't be told; the next run finishes or removes it: %w", err))
	}
	var swapped []string
	for id := range s.build {
		if t := now.live[id]; t != nil && t.mark == s.mark() {
			swapped = append(swapped, t.name)
		}
	}
	if len(swapped) == 0 {
		return errors.Join(failed, s.strike(ctx))
	}
	s.build = map[schemas.ID]string{} // to be finished, not dropped
	slices.Sort(swapped)
	return fmt.Errorf("%w; these tables show the new run already, and the next run brings the others after: %s", failed, strings.Join(swapped, ", "))
}

// remark gives the run to the tables in which nothing has changed.
func (s *stage) remark(ctx context.Context) error {
	now, err := s.d.inspect(ctx)
	if err != nil {
		return err
	}
	for _, t := range schemas.Tables() {
		if live := now.live[t.ID]; live == nil || live.mark == s.mark() {
			continue
		}
		if err := s.d.comment(ctx, t, s.mark()); err != nil {
			return err
		}
	}
	return nil
}

func (d *Destination) comment(ctx context.Context, t *schemas.Table, m mark) error {
	if err := d.exec(ctx, "ALTER TABLE "+schemas.Ident(t.Name)+" MODIFY COMMENT "+schemas.Quote(t.Comment+" "+m.String())); err != nil {
		return fmt.Errorf("give %s the run: %w", t.Name, err)
	}
	return nil
}

// enter writes down what the run publishes.
func (d *Destination) enter(ctx context.Context, run string, parts []load.Partition) error {
	return d.add(ctx, partitionsTable, []string{"run", "table", "partition", "rows", "digest"}, func(row func(...any) error) error {
		for _, p := range parts {
			if err := row(run, p.Table.String(), p.Month, p.Rows, p.Digest.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

// strike removes what enter wrote of a run that is not shown.
func (d *Destination) strike(ctx context.Context, run string) error {
	err := d.exec(ctx, "ALTER TABLE "+schemas.Ident(partitionsTable)+" DELETE WHERE run = "+schemas.Quote(run))
	if isCode(err, codeUnknownTable) {
		return nil
	}
	return err
}

// strike takes the run out of the books. Where that fails its tables stay: they
// tell the next run what is to be struck.
func (s *stage) strike(ctx context.Context) error {
	err := s.d.strike(ctx, s.run.Run)
	if err != nil {
		s.build = map[schemas.ID]string{}
	}
	return err
}

// swap shows the run's tables to readers, and takes those that were shown out of
// reach of whatever may still be on its way. Before each attempt it reads which
// tables don't show the run yet: exchanged twice, a table would be the old one
// again. An exchange whose answer was lost may arrive at any later time, too: so
// the tables that were exchanged get another name, and only then is looked whether
// the run is shown.
func (d *Destination) swap(ctx context.Context, m mark, ids []schemas.ID) (err error) {
	pause := swapPause
	for attempt := range swaps {
		if err = d.exchangeTables(ctx, m, ids); err == nil {
			err = d.retireTables(ctx, m, ids, attempt)
		}
		shown := false
		if err == nil {
			shown, err = d.allShow(ctx, m, ids)
		}
		if shown || load.Refuses(err) {
			return err
		}
		if stop := retry.Sleep(ctx, pause); stop != nil {
			return errors.Join(stop, err)
		}
		pause *= 2
	}
	return cmp.Or(err, errors.New("the server says that it has swapped the tables, but they don't show the run"))
}

// exchangeTables puts the run's tables in the place of those that don't show it yet.
func (d *Destination) exchangeTables(ctx context.Context, m mark, ids []schemas.ID) error {
	if err := d.settled(ctx); err != nil {
		return err
	}
	now, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	var exchange, rename []string
	for _, id := range ids {
		name, live := schemas.Get(id).Name, now.live[id]
		if live != nil && live.mark == m {
			continue
		}
		next := now.built(id, m)
		switch {
		case next == nil:
			return refuse("%s was checked, and is not there any more", name+nextInfix+m.run)
		case live != nil:
			exchange = append(exchange, schemas.Ident(next.name)+" AND "+schemas.Ident(name))
		default:
			rename = append(rename, schemas.Ident(next.name)+" TO "+schemas.Ident(name))
		}
	}
	if len(exchange) > 0 {
		err = untilNotBusy(ctx, func() error { return d.execOnce(ctx, "EXCHANGE TABLES "+strings.Join(exchange, ", ")) })
	}
	if len(rename) > 0 && err == nil {
		err = untilNotBusy(ctx, func() error { return d.execOnce(ctx, "RENAME TABLE "+strings.Join(rename, ", ")) })
	}
	if err != nil {
		return fmt.Errorf("swap the tables: %w", err)
	}
	return nil
}

// retireTables gives what the run's tables have replaced names that no statement
// has named before.
func (d *Destination) retireTables(ctx context.Context, m mark, ids []schemas.ID, attempt int) error {
	now, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	var rename []string
	for _, t := range now.next {
		if t.run() == m.run && slices.Contains(ids, t.id) {
			rename = append(rename, schemas.Ident(t.name)+" TO "+schemas.Ident(retiredName(t.id, m.run, attempt)))
		}
	}
	if len(rename) == 0 {
		return nil
	}
	if err := untilNotBusy(ctx, func() error { return d.execOnce(ctx, "RENAME TABLE "+strings.Join(rename, ", ")) }); err != nil {
		return fmt.Errorf("rename the tables that were replaced: %w", err)
	}
	return d.settled(ctx)
}

// allShow reports whether all tables show the run.
func (d *Destination) allShow(ctx context.Context, m mark, ids []schemas.ID) (bool, error) {
	now, err := d.inspect(ctx)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(ids, func(id schemas.ID) bool { return now.live[id] == nil || now.live[id].mark != m }), nil
}

// dropRetired drops what a run's tables have replaced.
func (d *Destination) dropRetired(ctx context.Context, run string) error {
	now, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	var all []error
	for _, t := range now.next {
		if t.run() == run {
			all = append(all, d.drop(ctx, t.name))
		}
	}
	return errors.Join(all...)
}

// settled waits until no swap of ours is under way any more whose answer was lost.
func (d *Destination) settled(ctx context.Context) error {
	for range 50 {
		var running uint64
		err := d.query(ctx, `SELECT count() FROM system.processes WHERE user = currentUser() AND current_database = currentDatabase()
			AND (query ILIKE 'EXCHANGE TABLES%' OR query ILIKE 'RENAME TABLE%')`, func(scan func(...any) error) error { return scan(&running) })
		if load.Refuses(err) {
			return nil // system.processes may not be read: the pause has to do
		}
		if err != nil || running == 0 {
			return err
		}
		if stop := retry.Sleep(ctx, swapPause); stop != nil {
			return stop
		}
	}
	return errors.New("a swap of tables is still under way at the server")
}

// makeViews makes the views, or makes them anew in another time zone.
func (d *Destination) makeViews(ctx context.Context, zone string) error {
	if zone == "" {
		zone = "UTC"
	}
	for _, v := range schemas.ViewStatements(zone) {
		if err := d.exec(ctx, v); err != nil {
			return fmt.Errorf("make the views: %w", err)
		}
	}
	return nil
}
