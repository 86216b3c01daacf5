package extract

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/schemas"
)

const (
	maxPasses  = 3            // over a list that shows fewer ids than its total
	resumeList = time.Hour    // how old an unfinished list may be to be gone on with
	maxStalled = 3            // equal pages in a row: the server doesn't know offsets
	noFilters  = "no filters" // in the mirror, so that it differs from never listed
)

// digest stands for an element that may be large.
type digest = xxh3.Uint128

// lister is a list under way. Its exported fields are kept with each page, so
// that a run which was killed goes on where it was.
type lister struct {
	Started  time.Time `json:"started"`
	Filters  string    `json:"filters"`
	PageSize int       `json:"page_size"`
	Pass     int       `json:"pass"` // from 1
	Cursor   cursor    `json:"cursor"`
	Last     []int64   `json:"last"` // ids of the page that the next one should link to
	Nameless []digest  `json:"-"`    // of what had no id there
	Stalled  int       `json:"stalled"`
	Counts   Clients   `json:"counts"`

	run *run
}

// list pages through the clients and ends the list in the mirror. A list that
// was cut is left as it is, to be gone on with.
func (r *run) list(ctx context.Context) error {
	l, err := r.resume(ctx)
	if err != nil {
		return err
	}
	r.tally.begin("clients", l.Counts.Total)
	err = l.passes(ctx)
	r.result.Clients = l.Counts
	if err != nil {
		r.result.Clients.Cut = true
		return r.stopped(err)
	}
	gone, err := r.Mirror.FinishList(ctx, l.Counts.Complete, l.Filters, time.Now())
	r.result.Clients.Gone = gone
	return err
}

// resume goes on with a list that was cut lately, or begins one.
func (r *run) resume(ctx context.Context) (*lister, error) {
	fresh := &lister{Started: time.Now(), Filters: noFilters, PageSize: r.PageSize, Pass: 1, run: r}
	if len(r.Filters) > 0 {
		fresh.Filters = string(r.Filters)
	}
	text, distinct, err := r.Mirror.ListState(ctx)
	if err != nil {
		return nil, err
	}
	var l lister
	if json.Unmarshal([]byte(text), &l) == nil && l.Filters == fresh.Filters && l.PageSize == r.PageSize &&
		time.Since(l.Started).Abs() < resumeList {
		l.run, l.Counts.Listed = r, distinct
		return &l, nil
	}
	return fresh, r.Mirror.BeginList(ctx)
}

// passes reads the list once, and up to twice more while it lacks clients.
func (l *lister) passes(ctx context.Context) error {
	for {
		if err := l.pass(ctx); err != nil {
			return err
		}
		l.Counts.Complete = !l.Cursor.Torn && l.Counts.Listed+l.Counts.Unlisted >= l.Counts.Total
		if l.Counts.Complete || l.Pass >= maxPasses {
			return nil
		}
		l.Pass++
		l.Cursor, l.Last, l.Nameless, l.Stalled = cursor{}, nil, nil, 0
	}
}

// pass reads pages up to the end of the list.
func (l *lister) pass(ctx context.Context) error {
	for {
		page, err := l.ask(ctx)
		if err != nil {
			return fmt.Errorf("page at offset %d: %w", l.Cursor.Offset, err)
		}
		if len(page.Rows) == 0 {
			if l.Cursor.Offset == 0 {
				l.Counts.Total = page.Total
			}
			if l.Cursor.advance(0, len(l.Last) == 0) {
				return nil
			}
			continue // it should have repeated the last page's end
		}
		l.Counts.Total = page.Total
		end, err := l.take(ctx, page)
		if err != nil || end {
			return err
		}
	}
}

func (l *lister) ask(ctx context.Context) (page *api.ListPage, err error) {
	q := api.ListQuestion{Filters: l.run.Filters, Limit: int64(l.PageSize), Offset: l.Cursor.Offset}
	err = l.run.call(ctx, listCall, nil, func(ctx context.Context) error {
		page, err = l.run.Source.List(ctx, q)
		return err
	})
	return page, err
}

// take keeps a page and moves on. True means that the list has ended.
func (l *lister) take(ctx context.Context, page *api.ListPage) (end bool, err error) {
	kept, ids, linked := l.sort(page)
	at, n := l.Cursor.Offset, int64(len(page.Rows))
	if len(ids) > 0 && slices.Equal(ids, l.Last) && n > l.Cursor.Overlap {
		l.Stalled++
	} else {
		l.Stalled = 0
	}
	moved := l.Cursor.advance(n, linked)
	if moved {
		l.Last = ids
	}
	kept.State, err = l.state()
	if err != nil {
		return false, err
	}
	got, err := l.run.Mirror.AddPage(ctx, kept)
	if err != nil {
		return false, err
	}
	l.Counts.Listed += got.Fresh
	l.Counts.New += got.New
	l.Counts.Changed += got.Changed
	l.run.tally.move(l.Counts.Listed, l.Counts.Total)
	return moved && got.Fresh == 0 && at+n >= l.Counts.Total || l.Stalled >= maxStalled, nil
}

// state is what a run that goes on with the list needs. New and changed clients
// of this page are not in it: they are counted by the run that finds them.
func (l *lister) state() (string, error) {
	kept := *l
	kept.Counts.New, kept.Counts.Changed = 0, 0
	text, err := json.Marshal(kept)
	return string(text), err
}

// sort tells a page's rows from what has no id, and whether the page links to
// the last one. Of equal ids in a page the last counts. What has no id is only
// counted in the first pass, and not where the page repeats the last one.
func (l *lister) sort(page *api.ListPage) (kept mirror.Page, ids []int64, linked bool) {
	kept.At = time.Now()
	last := make(map[int64]bool, len(l.Last))
	for _, id := range l.Last {
		last[id] = true
	}
	place := map[int64]int{}
	var nameless []schemas.Unlisted
	repeated := -1 // the last element that the page before had shown
	for i, raw := range page.Rows {
		id, active, ok := identify(raw)
		if !ok {
			nameless = append(nameless, schemas.Unlisted{Ordinal: l.Cursor.Offset + int64(i), Raw: raw})
			continue
		}
		if last[id] {
			repeated = i
		}
		row := mirror.Row{ID: id, Ordinal: l.Cursor.Offset + int64(i), Raw: raw, Active: active}
		if at, double := place[id]; double {
			kept.Rows[at] = row
			continue
		}
		place[id] = len(kept.Rows)
		kept.Rows, ids = append(kept.Rows, row), append(ids, id)
	}
	slices.SortFunc(kept.Rows, func(a, b mirror.Row) int { return cmp.Compare(a.ID, b.ID) }) // as the mirror stores them
	kept.Unlisted = l.nameless(nameless, int64(repeated))
	return kept, ids, repeated >= 0 || len(l.Last) == 0
}

// nameless returns the elements without an id that the last page has not shown.
func (l *lister) nameless(found []schemas.Unlisted, repeated int64) (fresh []schemas.Unlisted) {
	before := l.Nameless
	l.Nameless = nil
	for _, u := range found {
		sum := xxh3.Hash128(u.Raw)
		l.Nameless = append(l.Nameless, sum)
		i := u.Ordinal - l.Cursor.Offset
		known := i < repeated || i < l.Cursor.Overlap && slices.Contains(before, sum)
		if l.Pass == 1 && !known {
			fresh = append(fresh, u)
		}
	}
	l.Counts.Unlisted += int64(len(fresh))
	return fresh
}
