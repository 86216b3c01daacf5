package transform

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"roistat-etl/schemas"
	"roistat-etl/transform/jsontext"
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

// flush writes and counts what was collected.
func (r *rejects) flush(p *Projector) error {
	slices.SortFunc(r.list, compareRejects)
	for i := range r.list {
		if err := p.rejected(&r.list[i]); err != nil {
			return err
		}
	}
	clear(r.list) // lets go of what was borrowed
	r.list = r.list[:0]
	return nil
}

// rejected writes and counts one reject.
func (p *Projector) rejected(r *reject) error {
	r.write(p.tables[schemas.Rejects], p.project)
	p.counts.count(r)
	return p.wrote(min(len(r.raw), schemas.MaxRaw) + len(r.typ) + rowBytes)
}

// itemReject is a reject of the feed in hand, of which there may be a dozen an
// item: so it is small.
type itemReject struct {
	item    jsontext.Value
	typ     jsontext.Value // of an item that is in no table
	ordinal uint32
	table   uint8 // 1 more than its number; 0: none
	field   uint8 // number of the key; 0: the whole item
	reason  uint8 // place in reasonTable
}

var reasonTable = []schemas.Reason{
	schemas.NotObject, schemas.NoType, schemas.NoID, schemas.NoTime, schemas.BadTime, schemas.BadValue,
	schemas.BadMoney, schemas.Duplicate, schemas.BadJSON, schemas.TooLarge,
}

// reject notes a reject of a row's item.
func (f *feed) reject(r *row, reason schemas.Reason, one itemReject) {
	one.item, one.ordinal, one.reason = r.item, r.ordinal, uint8(slices.Index(reasonTable, reason))
	f.rejects = append(f.rejects, one)
}

// feedRejects writes the rejects of the feed: by the place of their item,
// whatever table it was for, and then by field.
func (p *Projector) feedRejects() error {
	f, names := &p.feed, p.decoders.items.names
	slices.SortFunc(f.rejects, func(a, b itemReject) int {
		return cmp.Or(cmp.Compare(a.ordinal, b.ordinal), cmp.Compare(names[a.field], names[b.field]))
	})
	for _, one := range f.rejects {
		r := reject{
			source: schemas.SourceFeed, client: f.client, known: true, ordinal: int64(one.ordinal),
			field: names[one.field], reason: reasonTable[one.reason], raw: one.item.Of(f.text),
		}
		p.writer.begin(f.text)
		if one.table > 0 {
			r.typ = p.decoders.tables[one.table-1].typ
		} else if typ, ok := p.writer.scalar(one.typ); ok && utf8.Valid(typ) {
			r.typ = typ
		}
		if err := p.rejected(&r); err != nil {
			return err
		}
	}
	return nil
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
	if b.Reasons == nil {
		b.Reasons = map[schemas.Reason]int64{}
	}
	b.Reasons[r.reason]++
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
