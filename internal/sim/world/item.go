package world

// Item is one entry of a feed, in the order the wire has its keys.
type Item struct {
	Type   string  // the API's text; empty if it has none
	Broken Reason  // why the whole item is unusable; duplicates are found later
	Raw    string  // its JSON, if it is not an object
	At     int64   // occurred at, Unix milliseconds
	Fields []Field // type and time included
}

// Feed is one client's answer.
type Feed struct {
	Client  int64
	Escaped bool // letters and slashes escaped, as PHP does by default
	Items   []Item
}

// find returns the field of that name, or nil.
func (it *Item) find(key string) *Field {
	for i := range it.Fields {
		if it.Fields[i].Key == key {
			return &it.Fields[i]
		}
	}
	return nil
}

// set replaces the field's cell, or adds the field at the end.
func (it *Item) set(key string, c Cell) {
	if f := it.find(key); f != nil {
		f.Cell = c
		return
	}
	it.Fields = append(it.Fields, Field{key, c})
}

// drop removes the field of that name.
func (it *Item) drop(key string) {
	for i := range it.Fields {
		if it.Fields[i].Key == key {
			it.Fields = append(it.Fields[:i:i], it.Fields[i+1:]...)
			return
		}
	}
}

// clone returns an item whose fields can be changed without touching it.
func (it *Item) clone() Item {
	c := *it
	c.Fields = append([]Field(nil), it.Fields...)
	return c
}

// timeKey is the name under which the type has its time by default.
func timeKey(typ string) string {
	switch typ {
	case "visit", "order", "event":
		return "creationDate"
	default:
		return "date"
	}
}

// idKey is the name of the id that a type can't do without, or "".
func idKey(typ string) string {
	switch typ {
	case "visit":
		return "visitId"
	case "order":
		return "id"
	default:
		return ""
	}
}
