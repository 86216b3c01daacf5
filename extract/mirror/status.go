package mirror

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"
)

// Candidate is what a plan knows of a live client.
type Candidate struct {
	Client    int64
	RowHash   int64     // of its row now
	Changed   bool      // the row is another than when the feed was last read
	FetchedAt time.Time // when the feed was last read; zero: never
	Items     int64     // of that feed
	Active    time.Time // latest date in its row; zero if none
	Suspect   bool      // the last answer was suspiciously small
	Failures  int64     // failed runs in a row
}

// Candidates yields the live clients in the order of their ids. An error is the
// last thing yielded.
func (r *Reader) Candidates(ctx context.Context) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		if err := r.candidates(ctx, yield); err != nil {
			yield(Candidate{}, wrap(r.path, "plan", err))
		}
	}
}

func (r *Reader) candidates(ctx context.Context, yield func(Candidate, error) bool) error {
	rows, err := r.db.QueryContext(ctx, `SELECT id, hash, hash <> read_hash, fetched_at, items, active_at, suspect, failures FROM clients WHERE gone_at = 0 ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var c Candidate
		var fetched, active int64
		if err := rows.Scan(&c.Client, &c.RowHash, &c.Changed, &fetched, &c.Items, &active, &c.Suspect, &c.Failures); err != nil {
			return err
		}
		c.FetchedAt, c.Active = instant(fetched), instant(active)
		if !yield(c, nil) {
			return nil
		}
	}
	return rows.Err()
}

// Stats are the numbers of clients and feeds.
type Stats struct {
	Live         int64         // clients not gone
	Gone         int64         // clients gone
	Forgotten    int64         // clients erased, which are neither
	NeverFetched int64         // live clients whose feed was never read
	P50, P95     time.Duration // age of the feeds of live clients that were read
	Oldest       time.Time     // when the oldest of them was read; zero: none was
}

// Stats counts clients and feeds as of now.
func (r *Reader) Stats(ctx context.Context, now time.Time) (s Stats, err error) {
	if s.Forgotten, err = r.countForgotten(ctx); err != nil {
		return s, err
	}
	read, err := r.count(ctx, &s, now.UnixMilli())
	if err != nil {
		return s, wrap(r.path, "count", err)
	}
	n := len(read)
	if s.NeverFetched = s.Live - int64(n); n > 0 {
		slices.Sort(read)
		s.Oldest, s.P95, s.P50 = instant(read[0]), now.Sub(instant(read[n/20])), now.Sub(instant(read[n/2]))
	}
	return s, nil
}

// count counts the clients in one go, and returns when the feeds of live ones were
// read. A time to come says nothing: a clock was ahead.
func (r *Reader) count(ctx context.Context, s *Stats, now int64) (read []int64, err error) {
	err = r.raw(ctx, `SELECT gone_at, fetched_at FROM clients`, func(_ driver.QueryerContext, next func([]driver.Value) error) error {
		var values [2]driver.Value
		for {
			err := next(values[:])
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			gone, isTime := values[0].(int64)
			fetched, areTimes := values[1].(int64)
			switch {
			case !isTime || !areTimes:
				return fmt.Errorf("a client's times are a %T and a %T", values[0], values[1])
			case gone > 0:
				s.Gone++
				continue
			case fetched > 0 && fetched <= now:
				read = append(read, fetched)
			}
			s.Live++
		}
	})
	return read, err
}

// Ages counts the feeds of live clients by their age: the nth number are those
// younger than the nth limit and no younger one's, the last but one are older
// than all limits, the last were never read. The limits grow.
func (r *Reader) Ages(ctx context.Context, now time.Time, limits []time.Duration) ([]int64, error) {
	counts := make([]int64, len(limits)+2)
	for c, err := range r.Candidates(ctx) {
		if err != nil {
			return nil, err
		}
		i := len(limits) + 1
		if !c.FetchedAt.IsZero() && !c.FetchedAt.After(now) {
			i, _ = slices.BinarySearch(limits, now.Sub(c.FetchedAt)+1)
		}
		counts[i]++
	}
	return counts, nil
}
