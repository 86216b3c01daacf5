package world

// Kind says what the truth of a cell is.
type Kind uint8

// The kinds of truth. Literal is a JSON number or bool whose truth is its own
// text; Object and List nest.
const (
	Text Kind = iota
	Money
	Int
	Bool
	Time
	Literal
	Object
	List
)

// Form says how a cell is spelt in JSON. What it means depends on the kind; the
// zero form is the plain one.
type Form uint8

// The forms shared by all kinds, then those of each kind.
const (
	Plain  Form = iota
	Null        // null
	Empty       // "", and [] for an object
	Quoted      // a number or bool as a string
	Bare        // a text of digits as a number

	DotZero   // 5.0
	NoiseUp   // 0.30000000000000004
	NoiseDown // 1999.9899999999998
	TwoPlaces // 12.50
	QuotedTwo // "12.50"
	ZeroOne   // 0 and 1 for a bool
	QuotedBit // "0" and "1" for a bool
	ZeroDate  // 0000-00-00 in place of nothing
	DateOnly  // 2021-11-10
	Moscow    // +0300
	MoscowISO // +03:00
	West      // -0500
	Zoneless  // 2021-11-10 14:05:12, UTC
	Zulu      // Z
	Millis    // .123+0000
	Micros    // .123456Z
)

// Reason says why a field or an item cannot be used; the empty reason means it
// can.
type Reason string

// The reasons a feed, a client row or a contact can be rejected for.
const (
	NotObject Reason = "not_object"
	NoType    Reason = "no_type"
	NoID      Reason = "no_id"
	NoTime    Reason = "no_time"
	BadTime   Reason = "bad_time"
	BadValue  Reason = "bad_value"
	BadMoney  Reason = "bad_money"
	Duplicate Reason = "duplicate"
)

// Cell is one value of the world: its truth and the form it is spelt in.
type Cell struct {
	Kind   Kind
	Form   Form
	Reason Reason  // why it is unusable; Text is then its JSON
	Text   string  // the truth of Text and Literal
	Num    int64   // cents, a whole number, 0 or 1, or Unix milliseconds
	Sub    []Field // of Object, and of List (without keys)
}

// Field is a cell under its API name.
type Field struct {
	Key string
	Cell
}

// IsNull reports whether a table holds null for the cell.
func (c *Cell) IsNull() bool {
	if c.Reason != "" || c.Form == Null || c.Form == ZeroDate {
		return true
	}
	return c.Form == Empty && c.Kind != Text
}

// fault returns the reason of the cell or of what is nested in it.
func (c *Cell) fault() Reason {
	if c.Reason != "" {
		return c.Reason
	}
	for i := range c.Sub {
		if r := c.Sub[i].fault(); r != "" {
			return r
		}
	}
	return ""
}

func textCell(s string) Cell           { return Cell{Kind: Text, Text: s} }
func literal(s string) Cell            { return Cell{Kind: Literal, Text: s} }
func badCell(r Reason, js string) Cell { return Cell{Kind: Literal, Reason: r, Text: js} }
func object(f ...Field) Cell           { return Cell{Kind: Object, Sub: f} }
func list(cells ...Cell) Cell {
	c := Cell{Kind: List, Sub: make([]Field, len(cells))}
	for i := range cells {
		c.Sub[i].Cell = cells[i]
	}
	return c
}
