package mirror

import (
	"context"
	"time"
)

// Grain is the fineness of the journal: a call counts as made at the end of its
// tenth of a second, so that no call leaves the hour early.
const Grain = 100 * time.Millisecond

// journalKept is how long calls stay in the journal: an hour, and what clocks may differ.
const journalKept = time.Hour + time.Minute

// Calls are calls that were made at one time.
type Calls struct {
	At time.Time
	N  int64
}

// journal enters calls that are about to be made, and drops those that no hour needs.
func (t *tx) journal(ctx context.Context, at time.Time, n int) error {
	slot := at.Truncate(Grain).Add(Grain)
	entered, err := t.run(ctx, `INSERT OR IGNORE INTO calls (at, n) VALUES (?, ?)`, slot.UnixMilli(), n)
	if err != nil {
		return err
	}
	if entered == 0 {
		return t.exec(ctx, `UPDATE calls SET n = n + ? WHERE at = ?`, n, slot.UnixMilli())
	}
	return t.exec(ctx, `DELETE FROM calls WHERE at < ?`, at.Add(-journalKept).UnixMilli())
}

// Journal returns the calls entered since a time, in their order.
func (r *Reader) Journal(ctx context.Context, since time.Time) (list []Calls, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT at, n FROM calls WHERE at >= ? ORDER BY at`, since.UnixMilli())
	if err != nil {
		return nil, wrap(r.path, "read the journal", err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var at, n int64
		if err := rows.Scan(&at, &n); err != nil {
			return nil, wrap(r.path, "read the journal", err)
		}
		list = append(list, Calls{time.UnixMilli(at), n})
	}
	return list, wrap(r.path, "read the journal", rows.Err())
}
