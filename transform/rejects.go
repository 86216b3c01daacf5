package transform

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"roistat-etl/schemas"
)

// reject is a row of rejects to be. raw is borrowed until flush.
type reject struct {
	source  schemas.Source
	client  int64
	known   bool // whether client is
	ordinal int64
	typ     []byte // nil: none
	field   string // empty: the whole item
	reason  schemas.Reason
	raw     []byte
}

// rejects collects until flush, which puts them in order.
type rejects struct{ list []reject }

func (r *rejects) add(one reject) { r.list = append(r.list, one) }

// flush writes and counts what was collected. Those of a feed come by the place
// of their item, whatever table it was for.
func (r *rejects) flush(p *Projector) {
	slices.SortFunc(r.list, compareRejects)
	for i := range r.list {
		one := &r.list[i]
		one.write(p.tables[schemas.Rejects], p.project)
		p.counts.count(one)
	}
	clear(r.list) // lets go of what was borrowed
	r.list = r.list[:0]
}

// compareRejects ends with reason and raw, so that rows of different pages or
// campaigns, which may share a place, have an order too.
func compareRejects(a, b reject) int {
	return cmp.Or(
		cmp.Compare(a.client, b.client),
		cmp.Compare(a.source, b.source),
		cmp.Compare(a.ordinal, b.ordinal),
		cmp.Compare(a.field, b.field),
		cmp.Compare(a.reason, b.reason),
		bytes.Compare(a.raw, b.raw),
	)
}

func (b *Batches) count(r *reject) {
	switch {
	case r.field != "":
		b.FieldRejects++
	case r.source == schemas.SourceFeed:
		b.FeedRejects++
		b.ItemRejects++
	default:
		b.ItemRejects++
	}
}

// write appends the row.
func (r *reject) write(t *table, project []byte) {
	c := t.columns
	c[0].text(project)
	c[1].text([]byte(r.source))
	if r.known {
		c[2].int(r.client)
	} else {
		c[2].null()
	}
	c[3].int(r.ordinal)
	orNull(c[4], r.typ)
	orNull(c[5], []byte(r.field))
	c[6].text([]byte(r.reason))
	c[7].text(clip(r.raw))
}

func orNull(c *column, text []byte) {
	if len(text) == 0 {
		c.null()
	} else {
		c.text(text)
	}
}

// clip makes the raw text one that the tables can hold: UTF-8, of at most MaxRaw bytes.
func clip(raw []byte) []byte {
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	}
	if len(raw) <= schemas.MaxRaw {
		return raw
	}
	end := schemas.MaxRaw
	for end > 0 && !utf8.RuneStart(raw[end]) {
		end--
	}
	return raw[:end]
}
