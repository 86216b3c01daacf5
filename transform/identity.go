package transform

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"roistat-etl/schemas"
	"roistat-etl/transform/jsontext"
	"roistat-etl/transform/value"
)

// separator joins what an event_id is made of.
const separator = 0x1f

// eventID is the half of an event_id's digits, as bytes.
type eventID [12]byte

// ref is a row of the table in hand, and its time.
type ref struct {
	at  int64
	row int32
}

// arrange brings the rows of a table into order and gives them their ids. Rows
// of visits and orders that repeat an id are rejected. It returns the order, on
// loan until the next call.
func (p *Projector) arrange(d *decoder, rows []row) []ref {
	f := &p.feed
	f.order = emptied(f.order)
	for i := range rows {
		f.order = append(f.order, ref{rows[i].at, int32(i)})
	}
	if d.alone {
		p.unique(d, rows)
	}
	slices.SortFunc(f.order, func(a, b ref) int {
		return cmp.Or(cmp.Compare(a.at, b.at), bytes.Compare(f.key(&rows[a.row]), f.key(&rows[b.row])))
	})
	runs(f.order, func(a, b ref) bool {
		return a.at == b.at && bytes.Equal(f.key(&rows[a.row]), f.key(&rows[b.row]))
	}, func(equal []ref) { f.number(equal, rows) })
	for _, o := range f.order {
		p.identify(d, &rows[o.row])
	}
	runs(f.order, func(a, b ref) bool { return a.at == b.at }, func(equal []ref) {
		if len(equal) > 1 {
			slices.SortFunc(equal, func(a, b ref) int { return bytes.Compare(rows[a.row].id[:], rows[b.row].id[:]) })
		}
	})
	return f.order
}

// runs calls do for each run of equal neighbours.
func runs(list []ref, equal func(a, b ref) bool, do func([]ref)) {
	for start := 0; start < len(list); {
		end := start + 1
		for end < len(list) && equal(list[start], list[end]) {
			end++
		}
		do(list[start:end])
		start = end
	}
}

func (f *feed) key(r *row) []byte { return f.keys[r.key:r.keyEnd] }

// number counts rows with equal keys in the order of their canonical JSON.
func (f *feed) number(equal []ref, rows []row) {
	if len(equal) == 1 {
		return
	}
	f.forms.reset(f.text)
	for _, o := range equal {
		f.forms.add(rows[o.row].item, rows[o.row].ordinal, 0)
	}
	slices.SortFunc(f.forms.list, f.forms.compare)
	for i := range equal {
		at := f.forms.list[i].place
		rows[equal[at].row].n = uint32(i)
	}
}

// identify computes the event_id.
func (p *Projector) identify(d *decoder, r *row) {
	f := &p.feed
	h := emptied(f.hash)
	if d.typ == nil { // of a type without a table, the key is the type
		h = p.wholeKey(h, d, r)
	} else {
		h = append(h, d.typ...)
	}
	h = strconv.AppendInt(append(h, separator), f.client, 10)
	if !d.alone {
		h = value.AppendTime(append(h, separator), r.at)
	}
	if len(d.key) > 0 {
		h = p.wholeKey(append(h, separator), d, r)
	}
	h = strconv.AppendUint(append(h, separator), uint64(r.n), 10)
	f.hash = h
	sum := sha256.Sum256(h)
	copy(r.id[:], sum[:])
}

// appendTo appends the 24 digits.
func (id *eventID) appendTo(dst []byte) []byte { return hex.AppendEncode(dst, id[:]) }

// unique leaves one row of each id in the order and rejects the others: the
// latest update stays, of equally late ones the greatest form.
func (p *Projector) unique(d *decoder, rows []row) {
	f := &p.feed
	slices.SortFunc(f.order, func(a, b ref) int { return bytes.Compare(f.key(&rows[a.row]), f.key(&rows[b.row])) })
	kept := f.order[:0]
	runs(f.order, func(a, b ref) bool {
		return bytes.Equal(f.key(&rows[a.row]), f.key(&rows[b.row]))
	}, func(equal []ref) { kept = append(kept, p.best(d, equal, rows)) })
	f.order = kept
}

// best returns the one row of an id that stays and rejects the others.
func (p *Projector) best(d *decoder, equal []ref, rows []row) ref {
	if len(equal) == 1 {
		return equal[0]
	}
	f := &p.feed
	f.forms.reset(f.text)
	best := 0
	for i, o := range equal {
		r := &rows[o.row]
		f.forms.add(r.item, r.ordinal, p.updated(r))
		if i > 0 && f.forms.better() {
			best = i
		}
	}
	for i, o := range equal {
		if i != best {
			f.reject(&rows[o.row], schemas.Duplicate, itemReject{table: uint8(d.table.decl.ID) + 1})
		}
	}
	return equal[best]
}

// updated returns when an item was last updated, before all times if it does not say.
func (p *Projector) updated(r *row) int64 {
	f, w := &p.feed, &p.writer
	w.begin(f.text)
	w.open(r.item)
	_ = f.item.read(&w.reader, f.text, p.decoders.items) // it was read before
	text, ok := w.scalar(f.item.get(p.decoders.items.numbers["updateDate"]).Val)
	ms, state := value.Time(text, w.location)
	if !ok || state != value.OK {
		return -1
	}
	return ms
}

// forms are the canonical forms of some items, which decide where nothing else
// does. Beyond maxForms bytes they aren't kept, but made at each comparison.
type forms struct {
	text  []byte
	canon jsontext.Canonicalizer
	bytes []byte
	list  []form
	made  [2][]byte
}

const maxForms = 4 << 20

type form struct {
	updated    int64
	item       jsontext.Value
	ordinal    uint32
	place      uint32 // in the order of add
	start, end uint32 // in bytes; 0: not kept
}

func (f *forms) reset(text []byte) {
	f.text, f.bytes, f.list = text, emptied(f.bytes), emptied(f.list)
	f.made[0], f.made[1] = emptied(f.made[0]), emptied(f.made[1])
}

func (f *forms) add(item jsontext.Value, ordinal uint32, updated int64) {
	one := form{updated: updated, item: item, ordinal: ordinal, place: uint32(len(f.list))}
	if len(f.bytes)+int(item.End-item.Start) <= maxForms {
		one.start = uint32(len(f.bytes))
		if n := int(item.End - item.Start); n > largeText { // as in writeExtra
			f.bytes = slices.Grow(f.bytes, n)
		}
		f.bytes = f.canon.Append(f.bytes, item.Of(f.text))
		one.end = uint32(len(f.bytes))
	}
	f.list = append(f.list, one)
}

// better tells whether the second of two is the greater, and keeps the greater alone.
func (f *forms) better() bool {
	yes := f.compare(f.list[1], f.list[0]) > 0
	if yes {
		f.list[0] = f.list[1]
	}
	f.list = f.list[:1]
	if one := &f.list[0]; one.end > 0 {
		f.bytes = f.bytes[:copy(f.bytes, f.bytes[one.start:one.end])]
		one.start, one.end = 0, uint32(len(f.bytes))
	} else {
		f.bytes = f.bytes[:0]
	}
	return yes
}

// form returns the canonical form, on loan until the next of the same number.
func (f *forms) form(n int, one form) []byte {
	if one.end > 0 {
		return f.bytes[one.start:one.end]
	}
	item := one.item.Of(f.text)
	f.made[n] = f.canon.Append(slices.Grow(f.made[n][:0], len(item)), item)
	return f.made[n]
}

// compare orders by update, form and bytes. Of equal items the first in the feed is greatest.
func (f *forms) compare(a, b form) int {
	if c := cmp.Compare(a.updated, b.updated); c != 0 {
		return c
	}
	return cmp.Or(
		bytes.Compare(f.form(0, a), f.form(1, b)),
		bytes.Compare(a.item.Of(f.text), b.item.Of(f.text)),
		cmp.Compare(b.ordinal, a.ordinal),
	)
}
