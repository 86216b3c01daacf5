package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-faster/jx"

	"roistat-etl/extract/api"
	"roistat-etl/schemas"
)

const (
	contactsPage = 1000 // how many contacts a page asks for

	maxCampaign = 24 << 20 // bytes of a campaign's rows, unless the options say otherwise
	perNumber   = 24       // bytes of the bound for each row and each number in it that is not 0
)

// campaigns asks for each campaign's contacts. One that fails keeps its former
// answer; one that is no longer configured leaves the mirror.
func (r *run) campaigns(ctx context.Context) error {
	ids := map[int64]bool{}
	r.tally.begin("campaigns", int64(len(r.Campaigns)))
	for _, c := range r.Campaigns {
		ids[c.ID] = true
	}
	if err := r.Mirror.KeepCampaigns(ctx, ids); err != nil {
		return err
	}
	for i, c := range r.Campaigns {
		if r.result.Stopped != "" {
			err := &stop{r.result.Stopped}
			r.result.FailedCampaigns = append(r.result.FailedCampaigns, FailedCampaign{c.ID, string(err.reason), "not asked: " + err.reason.sentence()})
			continue
		}
		if err := r.campaign(ctx, c); err != nil {
			return fmt.Errorf("campaign %d: %w", c.ID, err)
		}
		r.tally.move(int64(i+1), int64(len(r.Campaigns)))
	}
	return nil
}

// campaign asks for one campaign. Only what ends the run is returned.
func (r *run) campaign(ctx context.Context, c Campaign) error {
	w := contacts{run: r, campaign: c}
	err := w.read(ctx)
	if err == nil {
		return r.Mirror.SetCampaign(ctx, schemas.Campaign{ID: c.ID, Rows: w.rows}, time.Now())
	}
	f := FailedCampaign{ID: c.ID, Error: err.Error()}
	var s *stop
	var e *api.Error
	switch {
	case errors.As(err, &s):
		f.Code, f.Error = string(s.reason), "not all asked: "+s.reason.sentence()
		err = r.stopped(err)
	case errors.As(err, &e) && e.Kind != api.Refused && e.Unwrap() == nil:
		f.Code, err = e.Code, nil
	case errors.Is(err, errShort), errors.Is(err, errLost):
		f.Code, err = "short", nil
	case errors.Is(err, errLarge):
		f.Code, err = "too_large", nil
	}
	r.result.FailedCampaigns = append(r.result.FailedCampaigns, f)
	return err
}

// errShort says that a campaign's pages held fewer contacts than the API says there are.
var errShort = errors.New("fewer contacts than the API says there are")

// errLost says that a page holds nothing of the page before it, which it should repeat in part.
var errLost = errors.New("the contacts shifted while they were read")

// errLarge says that a campaign has more contacts than the projection may hold in memory.
var errLarge = errors.New("the campaign has more contacts than may be held in memory: raise api.max_response, by which they are bounded")

// contacts is a campaign whose pages are being read.
type contacts struct {
	run      *run
	campaign Campaign
	offset   int64 // of the page to ask for
	overlap  int   // rows of the last page that it should repeat: one at least, so that a shift shows
	rows     [][]byte
	keys     [][]byte // of rows: their contacts, as parts of the rows
	last     [][]byte // keys of the last page
	total    int64
	bytes    int // of all pages
	numbers  int // rows of all pages and their numbers
}

// read asks page by page, and once more from the start if the contacts shifted
// too far meanwhile. Rows count towards the total, repeated contacts too.
func (w *contacts) read(ctx context.Context) error {
	err := w.pages(ctx)
	if errors.Is(err, errLost) {
		*w = contacts{run: w.run, campaign: w.campaign}
		err = w.pages(ctx)
	}
	if err == nil && int64(len(w.rows)) < w.total {
		err = fmt.Errorf("%d of %d: %w", len(w.rows), w.total, errShort)
	}
	return err
}

func (w *contacts) pages(ctx context.Context) error {
	for {
		at := w.offset
		page, err := w.ask(ctx)
		if err != nil {
			return fmt.Errorf("page at offset %d: %w", at, err)
		}
		w.total = page.Total
		switch empty := len(page.Rows) == 0; {
		case empty && w.overlap > 0:
			return fmt.Errorf("page at offset %d: %w", at, errLost)
		case empty:
			return nil
		}
		fresh, err := w.take(page.Rows)
		if err != nil {
			return fmt.Errorf("page at offset %d: %w", at, err)
		}
		if fresh == 0 || at+int64(len(page.Rows)) >= w.total && int64(len(w.rows)) >= w.total {
			return nil
		}
	}
}

func (w *contacts) ask(ctx context.Context) (page *api.ContactsPage, err error) {
	q := api.ContactsQuestion{Metrics: w.campaign.Metrics, Campaigns: []int64{w.campaign.ID}, Limit: contactsPage, Offset: w.offset}
	err = w.run.call(ctx, campaignCall, nil, func(ctx context.Context) error {
		page, err = w.run.Source.Contacts(ctx, q)
		return err
	})
	return page, err
}

// take appends a page's rows without those that repeat the end of the rows so
// far, and says how many it appended.
func (w *contacts) take(page [][]byte) (fresh int, err error) {
	if page, err = w.own(page); err != nil {
		return 0, err
	}
	keys := make([][]byte, len(page))
	for i, raw := range page {
		var numbers int
		keys[i], numbers = contact(raw)
		w.numbers += 1 + numbers
	}
	if w.numbers > w.bound()/perNumber {
		return 0, errLarge
	}
	same := w.repeated(keys)
	if same == 0 && w.overlap > 0 {
		return 0, errLost
	}
	if w.overlap = min(maxOverlap, len(page)/10); len(page) > 1 {
		w.overlap = max(1, w.overlap)
	}
	w.offset += int64(len(page) - w.overlap)
	copy(w.rows[len(w.rows)-same:], page[:same]) // the later answer counts
	w.rows = append(w.rows, page[same:]...)
	w.keys, w.last = append(w.keys, keys[same:]...), keys
	return len(page) - same, nil
}

// bound is how many bytes the rows may have.
func (w *contacts) bound() int {
	if w.run.MaxCampaign > 0 {
		return int(w.run.MaxCampaign)
	}
	return maxCampaign
}

// own copies a page's rows, which would keep the whole answer in memory.
func (w *contacts) own(page [][]byte) ([][]byte, error) {
	size := 0
	for _, raw := range page {
		size += len(raw)
	}
	if w.bytes += size; w.bytes > w.bound() {
		return nil, errLarge
	}
	rows, text := make([][]byte, len(page)), make([]byte, 0, size)
	for i, raw := range page {
		text = append(text, raw...)
		rows[i] = text[len(text)-len(raw) : len(text) : len(text)]
	}
	return rows, nil
}

// repeated is how many rows at the beginning of a page end the rows so far: as
// many as were asked for again, or, if the contacts shifted, the most that fit.
// Where none were asked for again, only a page that is the last one once more
// repeats anything: the server doesn't know offsets.
func (w *contacts) repeated(keys [][]byte) int {
	fits := func(n int) bool { return slices.EqualFunc(w.keys[len(w.keys)-n:], keys[:n], bytes.Equal) }
	switch n := w.overlap; {
	case len(w.last) > 0 && slices.EqualFunc(w.last, keys, bytes.Equal):
		return len(keys)
	case n == 0:
		return 0
	case n <= len(keys) && fits(n):
		return n
	}
	for n := min(len(w.keys), len(keys)); n > 0; n-- {
		if fits(n) {
			return n
		}
	}
	return 0
}

// contact is what names a row: its contact, or the whole row if it has none; and
// how many of its numbers are not 0.
func contact(raw []byte) (name []byte, numbers int) {
	name = raw
	d := jx.DecodeBytes(raw)
	if d.Next() != jx.Object {
		return raw, 0
	}
	err := d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		if string(key) == "metrics" && d.Next() == jx.Object {
			return d.ObjBytes(func(d *jx.Decoder, _ []byte) error {
				v, err := d.Raw()
				if string(v) != "0" {
					numbers++
				}
				return err
			})
		}
		v, err := d.Raw()
		if string(key) == "contact" {
			name = v
		}
		return err
	})
	if err != nil {
		return raw, numbers
	}
	return name, numbers
}
