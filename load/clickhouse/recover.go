package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// Recover finishes a commit of the mirror's that was cut, and removes what
// publishings that died before their commit have left.
func (d *Destination) Recover(ctx context.Context, mirror string) error {
	return d.recover(ctx, mirror, false)
}

// recover is Recover; altered tables are refused unless they are to be rebuilt.
func (d *Destination) recover(ctx context.Context, mirror string, rebuilt bool) error {
	s, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	if err := s.foreign(d.database); err != nil {
		return err
	}
	if err := s.altered(d.database); err != nil && !rebuilt {
		return err
	}
	latest, mixed := s.latest()
	var waiting []schemas.ID
	dead := map[string]bool{}
	var drop []string
	for _, t := range s.next {
		live := s.live[t.id]
		switch {
		case t.mark.mirror != mirror || !t.ours:
		case t.mark == latest && (live == nil || live.mark != latest):
			waiting = append(waiting, t.id)
		default:
			drop = append(drop, t.name)
			dead[t.run()] = dead[t.run()] || t.run() != latest.run
		}
	}
	if err := d.finish(ctx, s, latest, waiting, mixed && latest.mirror == mirror); err != nil {
		return fmt.Errorf("finish the commit of run %s: %w", latest.run, err)
	}
	return d.bury(ctx, s, drop, dead)
}

// finish swaps the tables in that a commit did not come to, and gives its run to
// the tables in which it changed nothing.
func (d *Destination) finish(ctx context.Context, s *state, latest mark, waiting []schemas.ID, mixed bool) error {
	if len(waiting) > 0 {
		slices.Sort(waiting)
		if err := d.swap(ctx, latest, waiting); err != nil {
			return err
		}
		if err := d.dropRetired(ctx, latest.run); err != nil {
			return err
		}
	}
	if !mixed {
		return nil
	}
	for _, t := range schemas.Tables() {
		live := s.live[t.ID]
		if live == nil || live.mark == latest || slices.Contains(waiting, t.ID) {
			continue
		}
		same, err := d.samePartitions(ctx, t, live.mark.run, latest.run)
		if err != nil {
			return err
		}
		if !same {
			continue // it is built anew by this run
		}
		if err := d.comment(ctx, t, latest); err != nil {
			return err
		}
	}
	return nil
}

// samePartitions tells whether two runs published the same rows of a table.
func (d *Destination) samePartitions(ctx context.Context, t *schemas.Table, a, b string) (bool, error) {
	seen := map[string]map[string]bool{a: {}, b: {}}
	q := "SELECT DISTINCT run, `partition`, rows, digest FROM " + schemas.Ident(partitionsTable) +
		" WHERE `table` = " + schemas.Quote(t.Name) + " AND run IN (" + schemas.Quote(a) + ", " + schemas.Quote(b) + ")"
	err := d.query(ctx, q, func(scan func(...any) error) error {
		var run, partition, digest string
		var rows int64
		if err := scan(&run, &partition, &rows, &digest); err != nil {
			return err
		}
		seen[run][fmt.Sprintf("%s %d %s", partition, rows, digest)] = true
		return nil
	})
	return len(seen[b]) > 0 && maps.Equal(seen[a], seen[b]), err
}

// bury drops tables on their way out, after what dead runs have entered: without
// their tables nobody would know of these.
func (d *Destination) bury(ctx context.Context, s *state, drop []string, dead map[string]bool) error {
	_, kept := s.other[partitionsTable]
	for run, is := range dead {
		shown := slices.ContainsFunc(slices.Collect(maps.Values(s.live)), func(t *table) bool { return t.mark.run == run })
		if is && kept && !shown && load.ValidRun(run) {
			if err := d.strike(ctx, run); err != nil {
				return fmt.Errorf("strike the dead run %s: %w", run, err)
			}
		}
	}
	var all []error
	for _, name := range drop {
		// One that is too large to be dropped must not keep every later night from
		// publishing: that night says so when it drops its own.
		if err := d.drop(ctx, name); !isCode(err, codeDropLimit) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
