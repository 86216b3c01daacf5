package transform

import (
	"bytes"
	"slices"
	"time"

	"roistat-etl/schemas"
	"roistat-etl/transform/jsontext"
	"roistat-etl/transform/value"
)

// writer writes the values of one object after the other to the columns, and
// collects what does not fit: the faults, and the members that go to extra.
type writer struct {
	location *time.Location
	text     []byte // what the values are places in
	letters  []byte // texts whose escapes were resolved, until begin
	reader   jsontext.Reader
	canon    jsontext.Canonicalizer
	inner    object // the nested one
	entries  []entry
	faults   []fault
	extra    []jsontext.Member
	left     []jsontext.Member // of the nested object or the map, what goes to extra
	groups   []jsontext.Group  // left, with its key
}

// fault is a field that could not be used.
type fault struct {
	key    jsontext.Value
	reason schemas.Reason
}

// entry is a member of a map before the sort.
type entry struct {
	key    []byte
	member jsontext.Member
}

// begin starts over with an object of text.
func (w *writer) begin(text []byte) {
	w.text, w.letters = text, w.letters[:0]
	w.faults, w.extra, w.left, w.groups = w.faults[:0], w.extra[:0], w.left[:0], w.groups[:0]
}

// scalar returns a text, a number as received, or a word; false: the value has
// no text. What it returns is good until begin.
func (w *writer) scalar(v jsontext.Value) ([]byte, bool) {
	switch v.Kind {
	case jsontext.String:
		return v.Inner(w.text), true
	case jsontext.Number, jsontext.True, jsontext.False:
		return v.Of(w.text), true
	case jsontext.Escaped:
		start := len(w.letters)
		var ok bool
		w.letters, ok = jsontext.AppendText(w.letters, v.Inner(w.text))
		return w.letters[start:], ok
	}
	return nil, false
}

// object writes the members that a decoder reads, and puts the others aside for extra.
func (w *writer) object(d *decoder, members, others []jsontext.Member) {
	for i := range d.cells {
		c := &d.cells[i]
		if m := members[c.slot]; !w.cell(c, m.Val) {
			w.fault(m.Key, c.kind)
			w.extra = append(w.extra, m)
		}
	}
	if d.nested != nil {
		w.nested(d.nested, members[d.nested.slot])
	}
	if d.fields != nil {
		w.fields(d.fields, members[d.fields.slot])
	}
	w.extra = append(w.extra, others...)
	w.writeExtra(d.extra)
}

// cell writes one value; false: it cannot be used, and is null.
func (w *writer) cell(c *cell, v jsontext.Value) bool {
	if v.Kind <= jsontext.Null {
		c.column.null()
		return true
	}
	text, ok := w.scalar(v)
	switch {
	case !ok:
	case c.kind == schemas.Text || c.kind == schemas.Enum:
		c.column.text(text)
		return true
	case len(text) == 0:
		c.column.null()
		return true
	case c.put(v.Kind, text, w.location):
		return true
	}
	c.column.null()
	return c.lenient
}

// put writes a text that is not empty to a column that is none of text; false:
// it cannot be used, and nothing was written.
func (c *cell) put(kind jsontext.Kind, text []byte, location *time.Location) bool {
	switch c.kind {
	case schemas.Int:
		v, ok := value.Int(text)
		return c.int(v, ok)
	case schemas.Money:
		v, ok := value.Money(text)
		return c.int(v, ok)
	case schemas.Bool:
		return c.bool(kind, text)
	case schemas.Date:
		v, state := value.Date(text)
		return c.instant(int64(v), state)
	default:
		v, state := value.Time(text, location)
		return c.instant(v, state)
	}
}

func (c *cell) int(v int64, ok bool) bool {
	if ok {
		c.column.int(v)
	}
	return ok
}

func (c *cell) bool(kind jsontext.Kind, text []byte) bool {
	v, ok := kind == jsontext.True, kind == jsontext.True || kind == jsontext.False
	if !ok {
		v, ok = value.Bool(text)
	}
	if ok {
		c.column.bool(v)
	}
	return ok
}

func (c *cell) instant(v int64, state value.State) bool {
	switch state {
	case value.OK:
		c.column.int(v)
	case value.Empty:
		c.column.null()
	}
	return state != value.Bad
}

// fault notes a field once, however many of its values cannot be used.
func (w *writer) fault(key jsontext.Value, kind schemas.Kind) {
	for _, f := range w.faults {
		if f.key == key {
			return
		}
	}
	reason := schemas.BadValue
	switch kind {
	case schemas.Money:
		reason = schemas.BadMoney
	case schemas.Time, schemas.Date:
		reason = schemas.BadTime
	}
	w.faults = append(w.faults, fault{key, reason})
}

// nested writes an object inside the object. What of it has no column keeps its nesting in extra.
func (w *writer) nested(n *nested, m jsontext.Member) {
	w.inner.have, w.inner.others = 0, w.inner.others[:0]
	if m.Val.Kind == jsontext.Object {
		w.open(m.Val)
		_ = w.inner.read(&w.reader, w.text, n.words) // it was read before, as part of the item
	} else if !w.blank(m.Val) {
		w.fault(m.Key, schemas.Text)
		w.extra = append(w.extra, m)
	}
	for i := range n.cells {
		c := &n.cells[i]
		if inner := w.inner.get(uint8(c.slot)); !w.cell(c, inner.Val) {
			w.fault(m.Key, c.kind)
			w.left = append(w.left, inner)
		}
	}
	w.left = append(w.left, w.inner.others...)
	w.leave(m)
}

// open goes into an object of the text.
func (w *writer) open(v jsontext.Value) {
	w.reader.ResetTo(w.text, v)
	w.reader.Enter('{')
}

// leave puts what is left of a nested object or a map aside for extra. A decoder has one of them.
func (w *writer) leave(m jsontext.Member) {
	if len(w.left) > 0 {
		w.groups = append(w.groups, jsontext.Group{Key: m.Key, Members: w.left})
	}
}

// blank tells whether a value stands for an object without members: absent, null or [].
func (w *writer) blank(v jsontext.Value) bool {
	return v.Kind <= jsontext.Null ||
		v.Kind == jsontext.Array && len(bytes.TrimLeft(v.Inner(w.text), " \n\r\t")) == 0
}

// fields writes a map: keys sorted, of equal keys the last, a null key absent.
func (w *writer) fields(c *cell, m jsontext.Member) {
	w.readMap(m)
	for i, e := range w.entries {
		if !w.repeated(i) && !w.entry(c.column, e) {
			w.fault(m.Key, c.kind)
			w.left = append(w.left, e.member)
		}
	}
	c.column.entries()
	w.leave(m)
}

// readMap reads the members of a map, sorted; of equal keys the last stands
// behind. A key that is no text is left over; what is no map is a fault.
func (w *writer) readMap(m jsontext.Member) {
	w.entries = w.entries[:0]
	if m.Val.Kind != jsontext.Object {
		if !w.blank(m.Val) {
			w.fault(m.Key, schemas.Map)
			w.extra = append(w.extra, m)
		}
		return
	}
	w.open(m.Val)
	for first := true; ; first = false {
		key, val, err := w.reader.Member(first)
		if err != nil || key.Kind == jsontext.Absent { // it was read before: there is no error
			break
		}
		text, ok := w.scalar(key)
		if !ok {
			w.fault(m.Key, schemas.Map)
			w.left = append(w.left, jsontext.Member{Key: key, Val: val})
			continue
		}
		w.entries = append(w.entries, entry{text, jsontext.Member{Key: key, Val: val}})
	}
	slices.SortStableFunc(w.entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
}

// repeated tells whether an entry is followed by one of the same key.
func (w *writer) repeated(i int) bool {
	return i+1 < len(w.entries) && bytes.Equal(w.entries[i].key, w.entries[i+1].key)
}

// entry writes one member of a map; false: its value cannot be used.
func (w *writer) entry(c *column, e entry) bool {
	switch v := e.member.Val; v.Kind {
	case jsontext.Null:
		return true
	case jsontext.Object, jsontext.Array:
		c.values.bytes = jsontext.AppendCompact(c.values.bytes, v.Of(w.text))
		c.values.ended()
	default:
		text, ok := w.scalar(v)
		if !ok {
			return false
		}
		c.values.text(text)
	}
	c.keys.text(e.key)
	return true
}

// writeExtra writes the members put aside as canonical JSON, null if there are none.
func (w *writer) writeExtra(c *column) {
	if len(w.extra)+len(w.groups) == 0 {
		c.null()
		return
	}
	if n := w.extraSize(); n > largeText { // growing step by step would hold it twice
		c.bytes = slices.Grow(c.bytes, n)
	}
	c.bytes = w.canon.AppendObject(c.bytes, w.text, w.extra, w.groups...)
	c.ended()
}

// largeText is the size from which room is made for a text before it is written.
const largeText = 256 << 10

// extraSize is about how many bytes extra will have.
func (w *writer) extraSize() (n int) {
	for _, m := range w.extra {
		n += int(m.Val.End-m.Val.Start) + int(m.Key.End-m.Key.Start) + 2
	}
	for _, g := range w.groups {
		for _, m := range g.Members {
			n += int(m.Val.End-m.Val.Start) + int(m.Key.End-m.Key.Start) + 2
		}
	}
	return n + 2
}
