package mirror

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/zeebo/xxh3"

	"roistat-etl/schemas"
)

// Keys of meta that the list of clients uses.
const (
	keyList    = "list"         // number of the list under way or the last one
	keyState   = "list_state"   // where it stands, as its reader wrote it; absent: ended
	keyFilters = "list_filters" // of the last complete list
)

// Row is a client's row of a list.
type Row struct {
	ID      int64
	Ordinal int64
	Raw     []byte    // JSON as received
	Active  time.Time // its latest date; zero if it has none
}

// Page is an answer to a question for clients.
type Page struct {
	Rows     []Row
	Unlisted []schemas.Unlisted
	At       time.Time
	State    string // what ListState returns until the next page
}

// Listed says what a page brought.
type Listed struct {
	Fresh   int64 // ids that this list had not shown
	New     int64 // clients that were not known
	Changed int64 // clients whose row differs from the stored one, or that came back
}

// BeginList starts a list, forgetting how far an unfinished one had come.
func (m *Mirror) BeginList(ctx context.Context) error {
	return m.w.do(ctx, "begin a list", func(ctx context.Context, t *tx) error {
		n, err := t.number(ctx, keyList)
		if err != nil {
			return err
		}
		if err := t.exec(ctx, `DELETE FROM listed`); err != nil {
			return err
		}
		if err := t.exec(ctx, `DELETE FROM unlisted WHERE list > ?`, n); err != nil {
			return err
		}
		return t.exec(ctx, `DELETE FROM meta WHERE key = ?`, keyState)
	})
}

// ListState returns the state that the last page of an unfinished list gave,
// and how many ids that list has shown; "" if there is none.
func (r *Reader) ListState(ctx context.Context) (state string, distinct int64, err error) {
	if state, err = r.Meta(ctx, keyState); err != nil || state == "" {
		return "", 0, err
	}
	err = r.db.QueryRowContext(ctx, `SELECT count(*) FROM listed`).Scan(&distinct)
	return state, distinct, wrap(r.path, "read the list", err)
}

// AddPage stores the rows of a page. Rows that have not changed aren't written,
// those of forgotten clients are listed and no more.
func (m *Mirror) AddPage(ctx context.Context, p Page) (l Listed, err error) {
	err = m.w.do(ctx, "keep a page", func(ctx context.Context, t *tx) error {
		l = Listed{}
		number, err := t.number(ctx, keyList)
		if err != nil {
			return err
		}
		for _, row := range p.Rows {
			if err := t.row(ctx, row, p.At, &l); err != nil {
				return err
			}
		}
		for _, u := range p.Unlisted {
			if err := t.exec(ctx, `INSERT OR REPLACE INTO unlisted (list, ordinal, raw) VALUES (?, ?, ?)`, number+1, u.Ordinal, u.Raw); err != nil {
				return err
			}
		}
		return t.setMeta(ctx, keyState, p.State)
	})
	return l, err
}

// row stores one row and counts it.
func (t *tx) row(ctx context.Context, row Row, at time.Time, l *Listed) error {
	fresh, err := t.run(ctx, `INSERT OR IGNORE INTO listed (id) VALUES (?)`, row.ID)
	if err != nil {
		return err
	}
	l.Fresh += fresh
	hash := int64(xxh3.Hash(row.Raw))
	var have, away, gone int64
	known, err := t.one(ctx, `SELECT hash, missed, gone_at FROM clients WHERE id = ?`, []any{row.ID}, &have, &away, &gone)
	switch {
	case err != nil:
		return err
	case !known:
		n, err := t.run(ctx, `INSERT INTO clients (id, hash, active_at, first_seen_at, ordinal)
			SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE id = ?1)`,
			row.ID, hash, millis(row.Active), at.UnixMilli(), row.Ordinal)
		if n == 0 || err != nil {
			return err
		}
		l.New++
		return t.keepRow(ctx, row)
	case have == hash && away == 0 && gone == 0:
		return nil
	}
	if have != hash || gone != 0 {
		l.Changed++
	}
	if err := t.keepRow(ctx, row); err != nil {
		return err
	}
	return t.exec(ctx, `UPDATE clients SET hash = ?, active_at = ?, ordinal = ?, missed = 0, gone_at = 0 WHERE id = ?`,
		hash, millis(row.Active), row.Ordinal, row.ID)
}

func (t *tx) keepRow(ctx context.Context, row Row) error {
	return t.exec(ctx, `INSERT INTO rows (id, row) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET row = excluded.row`, row.ID, row.Raw)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FinishList ends a list: what it showed without an id replaces what the last
// one did, and, if it was complete, the clients that it and the complete list
// before it, under the same filters, did not show are gone. It returns how many
// clients went.
func (m *Mirror) FinishList(ctx context.Context, complete bool, filters string, at time.Time) (gone int64, err error) {
	err = m.w.do(ctx, "finish the list", func(ctx context.Context, t *tx) error {
		if gone = 0; complete {
			if gone, err = t.miss(ctx, filters, at); err != nil {
				return err
			}
		}
		n, err := t.number(ctx, keyList)
		if err != nil {
			return err
		}
		if err := t.setMeta(ctx, keyList, strconv.FormatInt(n+1, 10)); err != nil {
			return err
		}
		if err := t.exec(ctx, `DELETE FROM unlisted WHERE list <= ?`, n); err != nil {
			return err
		}
		if err := t.exec(ctx, `DELETE FROM listed`); err != nil {
			return err
		}
		return t.exec(ctx, `DELETE FROM meta WHERE key = ?`, keyState)
	})
	return gone, err
}

// miss counts the complete lists that have not shown a client.
func (t *tx) miss(ctx context.Context, filters string, at time.Time) (int64, error) {
	var before string
	if _, err := t.one(ctx, `SELECT value FROM meta WHERE key = ?`, []any{keyFilters}, &before); err != nil {
		return 0, err
	}
	if before != filters {
		if err := t.exec(ctx, `UPDATE clients SET missed = 0 WHERE missed > 0 AND gone_at = 0`); err != nil {
			return 0, err
		}
		if err := t.setMeta(ctx, keyFilters, filters); err != nil {
			return 0, err
		}
	}
	if err := t.exec(ctx, `UPDATE clients SET missed = missed + 1 WHERE gone_at = 0 AND id NOT IN (SELECT id FROM listed)`); err != nil {
		return 0, err
	}
	return t.run(ctx, `UPDATE clients SET gone_at = ? WHERE gone_at = 0 AND (missed > 1 OR missed = 1 AND not_found = 1)`, at.UnixMilli())
}

// CutFuture corrects the times that a clock which was ahead has left: clients were
// seen first, and went, now at the latest, and feeds count as never read. Whoever
// calls it is sure of its own clock. It returns how many clients it corrected.
func (m *Mirror) CutFuture(ctx context.Context, now time.Time) (n int64, err error) {
	err = m.w.do(ctx, "correct times", func(ctx context.Context, t *tx) error {
		n, err = t.run(ctx, `UPDATE clients SET first_seen_at = min(first_seen_at, ?1), gone_at = min(gone_at, ?1),
			fetched_at = iif(fetched_at > ?1, 0, fetched_at) WHERE first_seen_at > ?1 OR gone_at > ?1 OR fetched_at > ?1`, now.UnixMilli())
		if err != nil {
			return err
		}
		return t.exec(ctx, `UPDATE feeds_before SET fetched_at = 0 WHERE fetched_at > ?`, now.UnixMilli())
	})
	return n, err
}

// DelayGone gives the clients that went in a span of time a later time of going: a
// clock that is behind would let their raw data be deleted too early.
func (m *Mirror) DelayGone(ctx context.Context, from, to time.Time, by time.Duration) error {
	return m.w.do(ctx, "correct times", func(ctx context.Context, t *tx) error {
		return t.exec(ctx, `UPDATE clients SET gone_at = gone_at + ? WHERE gone_at BETWEEN ? AND ?`, by.Milliseconds(), from.UnixMilli(), to.UnixMilli())
	})
}

// Unlisted yields what the last finished list showed without a usable id, in its
// order and in blocks of about a MiB, which belong to the receiver. An error is
// the last thing yielded.
func (r *Reader) Unlisted(ctx context.Context) iter.Seq2[[]schemas.Unlisted, error] {
	return func(yield func([]schemas.Unlisted, error) bool) {
		if err := r.unlisted(ctx, yield); err != nil {
			yield(nil, wrap(r.path, "read what has no id", err))
		}
	}
}

func (r *Reader) unlisted(ctx context.Context, yield func([]schemas.Unlisted, error) bool) error {
	number, err := r.Meta(ctx, keyList)
	if err != nil || number == "" {
		return err
	}
	rows, err := r.db.QueryContext(ctx, `SELECT ordinal, raw FROM unlisted WHERE list = ? ORDER BY ordinal`, number)
	if err != nil {
		return err
	}
	return inBlocks(rows, yield, func(u *schemas.Unlisted) (int, error) {
		err := rows.Scan(&u.Ordinal, &u.Raw)
		return len(u.Raw), err
	})
}
