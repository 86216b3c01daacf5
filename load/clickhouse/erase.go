package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// Erase drops all tables under construction or on their way out, whichever
// mirror made them, and deletes from _partitions what it says of runs that no
// table shows any more. A table is dropped with its files.
func (d *Destination) Erase(ctx context.Context, mirror string) error {
	if err := d.Recover(ctx, mirror); err != nil {
		return err
	}
	s, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	shown := map[string]bool{}
	for _, t := range s.live {
		if t.mark.mirror != mirror {
			return fmt.Errorf("%s shows run %s of mirror %s: %w", t.name, t.mark.run, t.mark.mirror, load.ErrForeign)
		}
		shown[t.mark.run] = true
	}
	var all []error
	for _, t := range s.next {
		if t.ours {
			all = append(all, d.drop(ctx, t.name))
		}
	}
	if _, kept := s.other[partitionsTable]; kept && len(shown) > 0 {
		q := "ALTER TABLE " + schemas.Ident(partitionsTable) + " DELETE WHERE run NOT IN (" + quoted(slices.Sorted(maps.Keys(shown))) + ")"
		all = append(all, d.exec(ctx, q))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.stillRead) > 0 {
		all = append(all, fmt.Errorf("somebody is still reading %s: the server removes the files when that query has ended, or is stopped by KILL QUERY", strings.Join(d.stillRead, ", ")))
		d.stillRead = nil
	}
	return errors.Join(all...)
}
