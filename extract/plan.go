package extract

import (
	"cmp"
	"context"
	"slices"
	"time"

	"roistat-etl/extract/mirror"
)

// Refresh says which feeds are read again.
type Refresh struct {
	Budget  int64         // feed calls of a run, repeated ones included; 0: any number
	MaxAge  time.Duration // a feed older than this is due; 0: none is for its age
	MinAge  time.Duration // without budget and deadline a feed older than this is due
	Limited bool          // there is a deadline
	Full    bool          // every feed read before FullSince is due
	// FullSince is when the full reading began: a run that was interrupted is gone
	// on with. Zero: now.
	FullSince time.Time
}

// Why says why a feed is due.
type Why uint8

// The reasons, in the order in which feeds are read.
const (
	Never   Why = iota // it was never read
	Changed            // its client's row is another than when it was read
	Aged               // it is too old
)

// Due is a feed to be read.
type Due struct {
	Client  int64
	RowHash int64
	Items   int64 // of the stored feed
	Why     Why
	Suspect bool // the last answer was suspiciously small; this one counts whatever it is

	rank int64 // within Why
}

// Counts are the feeds that are due, by reason.
type Counts struct{ Never, Changed, Aged int64 }

// Plan tells which feeds are due, in the order in which they are read: never
// read, or so by a stamp from the future; row changed, oldest feed first; too old, oldest first. Of those never
// read the client with the latest date comes first where the order is cut;
// otherwise they come in the order of the mirror's pages, which halves the
// writing. Plan makes no call.
func Plan(ctx context.Context, m *mirror.Reader, r Refresh, now time.Time) (list []Due, n Counts, err error) {
	since := r.cut(now)
	for c, err := range m.Candidates(ctx) {
		if err != nil {
			return nil, n, err
		}
		d := Due{Client: c.Client, RowHash: c.RowHash, Items: c.Items, Suspect: c.Suspect, rank: c.FetchedAt.UnixMilli()}
		switch {
		case c.FetchedAt.IsZero() || c.FetchedAt.After(now): // a clock was ahead: nobody knows when
			if d.Why, d.rank = Never, 0; r.cuts() {
				d.rank = -c.Active.Unix()
			}
			n.Never++
		case c.Changed || c.Suspect:
			d.Why = Changed
			n.Changed++
		case c.FetchedAt.Before(since):
			d.Why = Aged
			n.Aged++
		default:
			continue
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b Due) int {
		return cmp.Or(cmp.Compare(a.Why, b.Why), cmp.Compare(a.rank, b.rank), cmp.Compare(a.Client, b.Client))
	})
	return list, n, nil
}

// cuts tells whether a budget or a deadline may cut the order.
func (r Refresh) cuts() bool { return r.Budget > 0 || r.Limited }

// cut is the time before which a feed was read if it is due for its age.
func (r Refresh) cut(now time.Time) (since time.Time) {
	if r.MaxAge > 0 {
		since = now.Add(-r.MaxAge)
	}
	if young := now.Add(-r.MinAge); !r.cuts() && young.After(since) {
		since = young
	}
	if r.Full && r.FullSince.After(since) {
		since = r.FullSince
	}
	return since
}

// keyFull holds, in the mirror, when a full reading that has not ended began.
const keyFull = "full_since"

// FullSince is when the full reading began that a run with Full would go on
// with; zero if it would begin one. One that began longer ago than maxAge is
// not gone on with.
func FullSince(ctx context.Context, m *mirror.Reader, maxAge time.Duration, now time.Time) (time.Time, error) {
	text, err := m.Meta(ctx, keyFull)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.After(now) || maxAge > 0 && now.Sub(t) > maxAge {
		return time.Time{}, nil //nolint:nilerr // an unreadable start is none, and so is one by a clock that was ahead
	}
	return t, nil
}

// EndFull ends a full reading, so that the next one begins anew, once what it
// brought is published: if it was done (it ran to its end, be it without a few
// clients that failed), or if nothing that it has to read is left.
func EndFull(ctx context.Context, m *mirror.Mirror, done bool) error {
	now := time.Now()
	since, err := FullSince(ctx, m.Reader, 0, now)
	if err != nil || since.IsZero() {
		return err
	}
	if !done {
		stats, err := m.Stats(ctx, now)
		if err != nil {
			return err
		}
		done = stats.NeverFetched == 0 && !stats.Oldest.Before(since)
	}
	if !done {
		return nil
	}
	return m.SetMeta(ctx, keyFull, "")
}

// full finds or notes when the full reading began.
func (r *run) full(ctx context.Context, now time.Time) error {
	if !r.Refresh.Full {
		return nil
	}
	since, err := FullSince(ctx, r.Mirror.Reader, r.Refresh.MaxAge, now)
	if err != nil {
		return err
	}
	if since.IsZero() {
		since = r.result.StartedAt.UTC().Truncate(time.Millisecond) // as fine as the mirror's times
		err = r.Mirror.SetMeta(ctx, keyFull, since.Format(time.RFC3339Nano))
	}
	r.Refresh.FullSince = since
	return err
}
