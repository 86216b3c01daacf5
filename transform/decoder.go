package transform

import (
	"strings"

	"roistat-etl/schemas"
)

// eventType says which table an API type goes to, and what its event_id is made
// of: an id alone, or the time and the named fields.
type eventType struct {
	name  string
	table schemas.ID
	id    string
	key   []string
}

func eventTypes() []eventType {
	return []eventType{
		{name: "visit", table: schemas.Visits, id: "visitId"},
		{name: "order", table: schemas.Orders, id: "id"},
		{name: "event", table: schemas.SiteEvents, key: []string{"metaId"}},
		{name: "lead_hunter_appearance", table: schemas.LeadHunterAppearances},
		{name: "lead_hunter_caught", table: schemas.LeadHunterLeads},
		{name: "orderStatusChange", table: schemas.OrderStatusChanges, key: []string{"order_id", "status"}},
		{name: "orderCostChange", table: schemas.OrderCostChanges, key: []string{"order_id", "cost"}},
		{name: "orderPriceChange", table: schemas.OrderPriceChanges, key: []string{"order_id", "price"}},
		{name: "call", table: schemas.Calls},
	}
}

// Numbers of the keys that every item has, in the vocabulary of items.
const (
	typeKey     = 1
	creationKey = 2
	dateKey     = 3
)

// decoder knows what an object of one kind is made of.
type decoder struct {
	typ    []byte
	table  *table
	slots  []uint8 // the keys it reads, by their numbers
	uses   uint64  // the same as bits
	cells  []cell  // what goes straight into a column
	key    []cell  // what goes into the event_id
	alone  bool    // key is an id: neither time nor n tell its items apart
	nested *nested // an object with columns of its own, or nil
	fields *cell   // the map, or nil
	extra  *column
}

// cell is a column and the value it is filled from.
type cell struct {
	column  *column
	kind    schemas.Kind
	slot    int  // place of the value
	lenient bool // whatever does not fit is null, and no reject
}

// nested is an object inside an object whose members have columns.
type nested struct {
	slot  int
	words *vocabulary
	cells []cell // slot is the number of the key
}

// decoders are those of all types, and of the objects that are no events.
type decoders struct {
	items   *vocabulary
	types   map[string]*decoder
	tables  [schemas.NumEvents]*decoder
	row     *vocabulary // of a row of clients
	clients *decoder
}

func newDecoders(tables *[schemas.NumTables]*table) *decoders {
	d := &decoders{types: map[string]*decoder{}}
	keys := []string{"type", "creationDate", "date"}
	for _, e := range eventTypes() {
		keys = append(keys, apiKeys(tables[e.table].decl)...)
	}
	d.items = newVocabulary(keys...)
	for _, e := range eventTypes() {
		decoder := newDecoder(tables[e.table], d.items)
		decoder.identify(e, d.items)
		d.types[e.name], d.tables[e.table] = decoder, decoder
	}
	d.tables[schemas.OtherEvents] = &decoder{table: tables[schemas.OtherEvents]}
	d.row = newVocabulary(apiKeys(tables[schemas.Clients].decl)...)
	d.clients = newDecoder(tables[schemas.Clients], d.row)
	return d
}

// origin splits where a column comes from into the API's name and the name
// inside that; false: from nothing that the object itself has.
func origin(from string) (key, inner string, ok bool) {
	switch from {
	case "configuration", "computed", "mirror":
		return "", "", false
	}
	if strings.ContainsAny(from, " –") { // said in words
		return "", "", false
	}
	key, inner, _ = strings.Cut(from, ".")
	return key, inner, true
}

// apiKeys lists the keys of the objects that a table is made from.
func apiKeys(t *schemas.Table) (keys []string) {
	for _, c := range t.Columns {
		if key, _, ok := origin(c.From); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// newDecoder reads the declaration of a table.
func newDecoder(t *table, words *vocabulary) *decoder {
	d := &decoder{table: t, extra: t.column("extra")}
	for i, c := range t.decl.Columns {
		key, inner, ok := origin(c.From)
		if !ok {
			continue
		}
		slot := d.slot(words.numbers[key])
		column := cell{column: t.columns[i], kind: c.Kind, slot: slot, lenient: c.Name == "is_sent"}
		switch {
		case c.Name == "client_id": // the caller knows it
		case inner != "":
			d.nest(slot, inner, column)
		case c.Kind == schemas.Map:
			d.fields = &column
		default:
			d.cells = append(d.cells, column)
		}
	}
	return d
}

// slot returns the place of a key's value, a new one for a new key.
func (d *decoder) slot(number uint8) int {
	for i, n := range d.slots {
		if n == number {
			return i
		}
	}
	d.slots = append(d.slots, number)
	d.uses |= 1 << number
	return len(d.slots) - 1
}

// nest adds a column that is filled from inside the object in slot.
func (d *decoder) nest(slot int, inner string, c cell) {
	if d.nested == nil {
		d.nested = &nested{slot: slot, words: newVocabulary()}
	}
	n := d.nested
	n.words = newVocabulary(append(n.words.names[1:], inner)...)
	c.slot = int(n.words.numbers[inner])
	n.cells = append(n.cells, c)
}

// identify says what the event_id is made of.
func (d *decoder) identify(e eventType, words *vocabulary) {
	d.typ, d.alone = []byte(e.name), e.id != ""
	keys := e.key
	if d.alone {
		keys = []string{e.id}
	}
	for _, key := range keys {
		slot := d.slot(words.numbers[key])
		for _, c := range d.cells {
			if c.slot == slot {
				d.key = append(d.key, c)
			}
		}
	}
}
