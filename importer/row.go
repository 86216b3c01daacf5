package importer

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"roistat-etl/schemas"
)

// Fault is what keeps a row from being sent.
type Fault struct {
	Row          int64 // from 0
	Line, Column int64 // from 1; of Parquet: the row and the place of its column
	Field        string
	Reason       schemas.Reason
	Text         string // names no value of the row
}

// The known columns, in the order in which they are sent.
const (
	idColumn = iota
	nameColumn
	phoneColumn
	emailColumn
	companyColumn
	birthColumn
	known
)

var columnTable = [known]string{"id", "name", "phone", "email", "company", "birth_date"}

// fieldsKey is the object of the columns that aren't known.
const fieldsKey = "fields"

// maxRow is the most bytes of JSON that a row is sent with.
const maxRow = 1 << 20

// place is where something stands in the file.
type place struct{ line, column int64 }

// cell is a value of a row; ” is null.
type cell struct {
	text string
	at   place
	have bool
}

// extra is a value of fields.
type extra struct {
	name string
	cell
}

// row is a row of the file. It is used again for the next one.
type row struct {
	ordinal int64
	at      place
	cells   [known]cell
	extras  []extra
	names   map[string]int // places in extras
	faults  []Fault
	raw     []byte // of a row that is no row: what stands there
}

// reset makes it an empty row.
func (r *row) reset(ordinal int64, at place) {
	r.ordinal, r.at, r.raw = ordinal, at, nil
	r.cells = [known]cell{}
	clear(r.extras)
	clear(r.faults)
	r.extras, r.faults = r.extras[:0], r.faults[:0]
	if r.names == nil {
		r.names = map[string]int{}
	}
	clear(r.names)
}

// columnOf tells where the values of a column go: a known one, or the name in fields.
func columnOf(name string) (knownColumn int, field string) {
	for i, k := range columnTable {
		if name == k {
			return i, ""
		}
	}
	return -1, strings.TrimPrefix(name, fieldsKey+".")
}

// set sets a value; of equal names the last counts.
func (r *row) set(name string, v value, at place) {
	i, field := columnOf(name)
	if i < 0 {
		r.setField(field, v, at)
		return
	}
	r.cells[i] = cell{v.text, at, true}
	switch {
	case v.fault != "":
		r.fault(at, name, schemas.BadValue, "%s", v.fault)
	case v.nested:
		r.fault(at, name, schemas.BadValue, "it must be a text")
	}
}

// setField sets a value of fields.
func (r *row) setField(name string, v value, at place) {
	if v.fault != "" {
		r.fault(at, fieldsKey+"."+name, schemas.BadValue, "%s", v.fault)
	}
	if i, have := r.names[name]; have {
		r.extras[i].cell = cell{v.text, at, true}
		return
	}
	r.names[name] = len(r.extras)
	r.extras = append(r.extras, extra{name, cell{v.text, at, true}})
}

// fault notes why the row can't be sent.
func (r *row) fault(at place, field string, reason schemas.Reason, format string, args ...any) {
	r.faults = append(r.faults, Fault{Row: r.ordinal, Line: at.line, Column: at.column, Field: field, Reason: reason, Text: fmt.Sprintf(format, args...)})
}

// judge finds what the API can't take.
func (r *row) judge() {
	if r.raw != nil {
		return // it has its fault
	}
	for i := range r.extras {
		if x := &r.extras[i]; !utf8.ValidString(x.name) {
			r.fault(x.at, "", schemas.BadValue, "the name of a field is not UTF-8")
		}
	}
	id, name, birth := r.cells[idColumn], r.cells[nameColumn], r.cells[birthColumn]
	if strings.TrimSpace(id.text) == "" {
		r.fault(r.where(id), "", schemas.NoID, "the id is empty")
	} else if blank := hiddenBlank(id.text); blank != 0 {
		r.fault(id.at, "id", schemas.BadValue, "it begins or ends with %U, which nobody sees: take it away", blank)
	}
	if name.text == "" {
		r.fault(r.where(name), "name", schemas.BadValue, "the name is empty")
	}
	if birth.text != "" && !isDate(birth.text) {
		r.fault(birth.at, "birth_date", schemas.BadValue, "there is no such day; a birth date is written as 1980-01-31")
	}
}

// hiddenBlank is a blank beyond ASCII, or a mark without width, with which a text
// begins or ends, or 0. Copied tables bring them, and an id with one is another
// client's.
func hiddenBlank(text string) rune {
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	for _, r := range []rune{first, last} {
		if r > unicode.MaxASCII && (unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)) {
			return r
		}
	}
	return 0
}

// where is the place of a cell, or of the row that lacks it.
func (r *row) where(c cell) place {
	if c.have {
		return c.at
	}
	return r.at
}

// largest is the place of the longest value.
func (r *row) largest() place {
	longest, at := 0, r.at
	for i := range r.cells {
		if c := &r.cells[i]; len(c.text) > longest {
			longest, at = len(c.text), c.at
		}
	}
	for i := range r.extras {
		if x := &r.extras[i]; len(x.text) > longest {
			longest, at = len(x.text), x.at
		}
	}
	return at
}

// isDate tells whether a text is a day of the calendar.
func isDate(text string) bool {
	day, err := time.Parse(time.DateOnly, text)
	return err == nil && day.Year() > 0
}

// encode writes the row as the API takes it.
func (r *row) encode(e *jx.Encoder) {
	e.ObjStart()
	for i := range r.cells {
		if c := &r.cells[i]; c.have {
			e.FieldStart(columnTable[i])
			if c.text == "" {
				e.Null()
			} else {
				e.Str(c.text)
			}
		}
	}
	started := false
	for i := range r.extras {
		x := &r.extras[i]
		if x.text == "" {
			continue
		}
		if !started {
			started = true
			e.FieldStart(fieldsKey)
			e.ObjStart()
		}
		e.FieldStart(x.name)
		e.Str(x.text)
	}
	if started {
		e.ObjEnd()
	}
	e.ObjEnd()
}
