package transform

import (
	"crypto/sha256"
	"fmt"
	"unicode/utf8"

	"roistat-etl/schemas"
	"roistat-etl/transform/jsontext"
	"roistat-etl/transform/value"
)

// maxDepth is how deep an item may nest, itself included.
const maxDepth = 512

// feed is one client's feed while it is projected.
type feed struct {
	client  int64
	text    []byte
	clean   bool // all of it is UTF-8
	reader  jsontext.Reader
	item    object
	rows    [schemas.NumEvents][]row
	members []jsontext.Member // of all rows, what their decoders read
	others  []jsontext.Member // of all rows, what goes to extra
	keys    []byte            // of all rows, what their event_id is made of
	order   []ref
	hash    []byte
	forms   forms
	visits  []ref // those of the table that became rows, in their order
	rejects []itemReject
	large   bool // members and others are those of one row: items are read once more
}

// largeFeed is the size from which members are not kept: they take more than
// the text.
const largeFeed = 4 << 20

// row is an item that becomes a row.
type row struct {
	at              int64 // occurred_at, milliseconds
	item            jsontext.Value
	ordinal         uint32
	members         uint32 // its first member; the decoder knows how many
	others, another uint32 // its others, and their end
	key, keyEnd     uint32
	n               uint32 // tells it from others with an equal key
	id              eventID
}

// clientFeed projects the feed of one client.
func (p *Projector) clientFeed(c *schemas.Client) error {
	if len(c.Feed) > jsontext.MaxSize {
		return fmt.Errorf("its feed has %d bytes, more than %d", len(c.Feed), uint32(jsontext.MaxSize))
	}
	f := &p.feed
	f.begin(c)
	if !f.reader.Enter('[') {
		return fmt.Errorf("its feed is not a JSON array")
	}
	for ordinal := int64(0); ; ordinal++ {
		more, err := f.reader.Element(ordinal == 0)
		if err != nil {
			return fmt.Errorf("its feed: %w", err)
		}
		if !more {
			p.counts.Items += ordinal
			break
		}
		if err := p.item(ordinal); err != nil {
			return fmt.Errorf("item %d of its feed: %w", ordinal, err)
		}
	}
	if err := f.reader.End(); err != nil {
		return fmt.Errorf("its feed: %w", err)
	}
	if err := p.feedRows(); err != nil {
		return err
	}
	if err := p.rejects.flush(p); err != nil {
		return err
	}
	if err := p.feedRejects(); err != nil {
		return err
	}
	p.forget()
	return nil
}

// forget lets go of the feed's text, which is as large as all the rest, and of
// what has grown with it.
func (p *Projector) forget() {
	p.feed.empty()
	p.feed.forms.reset(nil)
	w := &p.writer
	w.text, w.letters, w.entries, w.left, w.extra = nil, emptied(w.letters), emptied(w.entries), emptied(w.left), emptied(w.extra)
	p.feed.text = nil
	p.feed.reader.Reset(nil)
	p.feed.forms.canon.Forget()
	p.writer.reader.Reset(nil)
	p.writer.canon.Forget()
}

func (f *feed) begin(c *schemas.Client) {
	f.large = len(c.Feed) > largeFeed
	f.client, f.text, f.clean = c.ID, c.Feed, utf8.Valid(c.Feed)
	f.reader.Reset(c.Feed)
	f.empty()
}

// empty makes the buffers free again.
func (f *feed) empty() {
	for i := range f.rows {
		f.rows[i] = emptied(f.rows[i])
	}
	f.order, f.visits, f.rejects = emptied(f.order), emptied(f.visits), emptied(f.rejects)
	f.members, f.others, f.keys, f.hash = emptied(f.members), emptied(f.others), emptied(f.keys), emptied(f.hash)
	f.item.others = emptied(f.item.others)
}

// item reads the next item and makes it a row or a reject.
func (p *Projector) item(ordinal int64) error {
	f := &p.feed
	r := row{ordinal: uint32(ordinal)}
	r.item.Start = uint32(f.reader.Offset())
	f.reader.MarkDepth()
	f.item.have = 0
	if f.reader.Enter('{') {
		r.item.Kind = jsontext.Object
		if err := f.item.read(&f.reader, f.text, p.decoders.items); err != nil {
			return err
		}
	} else if _, err := f.reader.Scan(); err != nil {
		return err
	}
	r.item.End = uint32(f.reader.Offset())
	p.writer.begin(f.text)
	if reason := p.add(r); reason != "" {
		f.reject(&r, reason, itemReject{typ: f.item.get(typeKey).Val})
	}
	return nil
}

// add files an item under its table, or says why it cannot be used.
func (p *Projector) add(r row) schemas.Reason {
	f := &p.feed
	switch {
	case f.broken(r.item):
		return schemas.BadJSON
	case r.item.Kind != jsontext.Object:
		return schemas.NotObject
	}
	typ, ok := p.itemType()
	if !ok {
		return schemas.NoType
	}
	d, known := p.decoders.types[string(typ)]
	if !known {
		d = p.decoders.tables[schemas.OtherEvents]
	}
	r.key = uint32(len(f.keys))
	if known {
		f.keys = p.writer.appendKey(f.keys, d, &f.item)
	} else {
		f.keys = append(f.keys, typ...)
	}
	f.keys = shortened(f.keys, int(r.key))
	r.keyEnd = uint32(len(f.keys))
	if d.alone && r.keyEnd == r.key {
		return schemas.NoID
	}
	at, used, reason := p.occurredAt()
	if reason != "" {
		return reason
	}
	r.at = at
	if known && !f.large {
		f.stow(&r, d, used)
	}
	id := d.table.decl.ID
	f.rows[id] = append(f.rows[id], r)
	return ""
}

// broken tells whether an item is not JSON, or deeper than we read. The feed itself is one level.
func (f *feed) broken(item jsontext.Value) bool {
	return f.reader.Depth() > maxDepth+1 || !f.clean && !utf8.Valid(item.Of(f.text))
}

// itemType returns the type of the present item; false: it has none.
func (p *Projector) itemType() ([]byte, bool) {
	text, ok := p.writer.scalar(p.feed.item.get(typeKey).Val)
	return text, ok && len(text) > 0
}

// occurredAt returns the time of the present item, and the key that it was read from.
func (p *Projector) occurredAt() (ms int64, used uint8, reason schemas.Reason) {
	used = creationKey
	v := p.feed.item.get(creationKey).Val
	if empty(v) {
		used = dateKey
		v = p.feed.item.get(dateKey).Val
	}
	if empty(v) {
		return 0, used, schemas.NoTime
	}
	text, ok := p.writer.scalar(v)
	if !ok {
		return 0, used, schemas.BadTime
	}
	ms, state := value.Time(text, p.writer.location)
	if state != value.OK {
		return 0, used, schemas.BadTime
	}
	return ms, used, ""
}

// empty tells whether a value is absent, null or a text without letters.
func empty(v jsontext.Value) bool {
	return v.Kind <= jsontext.Null || v.Kind == jsontext.String && v.End-v.Start == 2
}

// stow keeps the members of the present item: those that the decoder reads in
// its order, and the others. used is the key of the time; the date that was not
// needed is one of the others, an empty creationDate is nothing.
func (f *feed) stow(r *row, d *decoder, used uint8) {
	r.members = uint32(len(f.members))
	for _, slot := range d.slots {
		f.members = append(f.members, f.item.get(slot))
	}
	r.others = uint32(len(f.others))
	f.others = append(f.others, f.item.others...)
	foreign := f.item.have &^ (d.uses | 1<<typeKey | 1<<creationKey | 1<<used)
	for n := uint8(1); foreign>>n != 0; n++ {
		if foreign>>n&1 == 1 {
			f.others = append(f.others, f.item.known[n])
		}
	}
	r.another = uint32(len(f.others))
}

// stowed returns what stow kept of a row, or of a large feed what it would have kept.
func (f *feed) stowed(words *vocabulary, d *decoder, r *row, w *writer) (members, others []jsontext.Member) {
	if f.large {
		f.members, f.others = f.members[:0], f.others[:0]
		w.open(r.item)
		_ = f.item.read(&w.reader, f.text, words) // it was read before
		used := uint8(creationKey)
		if empty(f.item.get(creationKey).Val) {
			used = dateKey
		}
		f.stow(r, d, used)
	}
	return f.members[r.members:][:len(d.slots)], f.others[r.others:r.another]
}

// longKey is the size from which keys are kept as their hash: what needs them
// whole reads the item once more.
const longKey = 256

// shortened replaces the key that begins at a place, if it is long, by one of
// longKey+1 bytes, which no other key has.
func shortened(keys []byte, at int) []byte {
	if len(keys)-at <= longKey {
		return keys
	}
	sum := sha256.Sum256(keys[at:])
	clear(keys[at : at+longKey+1])
	copy(keys[at:], sum[:])
	return keys[:at+longKey+1]
}

// wholeKey appends the key of a row as it was before it was shortened.
func (p *Projector) wholeKey(dst []byte, d *decoder, r *row) []byte {
	f, w := &p.feed, &p.writer
	if r.keyEnd-r.key <= longKey {
		return append(dst, f.key(r)...)
	}
	w.begin(f.text)
	w.open(r.item)
	_ = f.item.read(&w.reader, f.text, p.decoders.items) // it was read before
	if d.typ == nil {
		typ, _ := p.itemType()
		return append(dst, typ...)
	}
	return w.appendKey(dst, d, &f.item)
}

// appendKey appends what the event_id is made of beside type, client and time,
// after coercion, null as nothing.
func (w *writer) appendKey(dst []byte, d *decoder, item *object) []byte {
	for i := range d.key {
		c := &d.key[i]
		if i > 0 {
			dst = append(dst, separator)
		}
		text, ok := w.scalar(item.get(d.slots[c.slot]).Val)
		if !ok {
			continue
		}
		if c.kind != schemas.Money {
			dst = append(dst, text...)
		} else if cents, ok := value.Money(text); ok {
			dst = value.AppendMoney(dst, cents)
		}
	}
	return dst
}
