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

// times are the latest and the earliest that it may be now: by the clock, and by
// what has passed since the mirror was opened, for the clock may be set meanwhile.
func (w *writer) times() (latest, earliest time.Time) {
	clock := time.Now()
	passed := w.openedAt.Add(clock.Sub(w.opened)) // by the monotonic clock
	if clock = clock.Round(0); clock.Before(passed) {
		return passed, clock
	}
	return clock, passed
}

// journal enters calls that are about to be made, and drops those that no hour needs.
func (t *tx) journal(ctx context.Context, at, earliest time.Time, n int) error {
	slot := at.Truncate(Grain).Add(Grain)
	entered, err := t.run(ctx, `INSERT OR IGNORE INTO calls (at, n) VALUES (?, ?)`, slot.UnixMilli(), n)
	if err != nil {
		return err
	}
	if entered == 0 {
		return t.exec(ctx, `UPDATE calls SET n = n + ? WHERE at = ?`, n, slot.UnixMilli())
	}
	return t.exec(ctx, `DELETE FROM calls WHERE at < ?`, earliest.Add(-journalKept).UnixMilli())
}

// SettleJournal counts calls that are to come by their stamps, which a clock that
// was ahead gave, as made now: when they were made nobody knows, but not later. So
// they count for an hour, and no longer.
func (m *Mirror) SettleJournal(ctx context.Context, now time.Time) error {
	slot := now.Truncate(Grain).Add(Grain).UnixMilli()
	return m.w.do(ctx, "settle the journal", func(ctx context.Context, t *tx) error {
		var n int64
		if _, err := t.one(ctx, `SELECT coalesce(sum(n), 0) FROM calls WHERE at > ?`, []any{slot}, &n); err != nil || n == 0 {
			return err
		}
		if err := t.exec(ctx, `DELETE FROM calls WHERE at > ?`, slot); err != nil {
			return err
		}
		return t.exec(ctx, `INSERT INTO calls (at, n) VALUES (?, ?) ON CONFLICT (at) DO UPDATE SET n = n + excluded.n`, slot, n)
	})
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
