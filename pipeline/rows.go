package pipeline

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"roistat-etl/schemas"
)

// Row is one row of a table, for showing: its values stand in the order of the
// table's columns, as nil, string, int64, bool or a map of texts. Times and
// amounts are texts: 2021-11-10T14:05:12.000Z, 12.50.
type Row struct {
	Table  *schemas.Table
	Values []any
}

// Get returns the value of a column, nil if it is null or not there.
func (r Row) Get(column string) any {
	if i := r.Table.Column(column); i >= 0 {
		return r.Values[i]
	}
	return nil
}

// MarshalJSON writes the row as an object whose keys stand in column order.
func (r Row) MarshalJSON() ([]byte, error) { return r.object("") }

// Tagged is the row as JSON with the table's name first, for output that mixes tables.
func (r Row) Tagged() ([]byte, error) { return r.object(r.Table.Name) }

func (r Row) object(tag string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if tag != "" {
		b.WriteString(`"table":` + strconv.Quote(tag) + ",")
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i, c := range r.Table.Columns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(c.Name) + ":")
		if err := e.Encode(r.Values[i]); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // Encode ends with a line feed
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// rowsOf reads the rows out of a record batch, which stays the caller's. The
// texts are copies.
func rowsOf(t *schemas.Table, record arrow.Record) []Row {
	rows := make([]Row, record.NumRows())
	for i := range rows {
		rows[i] = Row{Table: t, Values: make([]any, len(t.Columns))}
	}
	for j, c := range t.Columns {
		column := record.Column(j)
		for i := range rows {
			if !column.IsNull(i) {
				rows[i].Values[j] = valueOf(c.Kind, column, i)
			}
		}
	}
	return rows
}

// TimeLayout writes instants with milliseconds, in UTC.
const TimeLayout = "2006-01-02T15:04:05.000Z"

func valueOf(k schemas.Kind, column arrow.Array, i int) any {
	switch k {
	case schemas.Int:
		return column.(*array.Int64).Value(i)
	case schemas.Bool:
		return column.(*array.Boolean).Value(i)
	case schemas.Money:
		return column.(*array.Decimal128).Value(i).ToString(schemas.MoneyScale)
	case schemas.Time:
		return time.UnixMilli(int64(column.(*array.Timestamp).Value(i))).UTC().Format(TimeLayout)
	case schemas.Date:
		return column.(*array.Date32).Value(i).ToTime().Format(time.DateOnly)
	case schemas.Map:
		return mapOf(column.(*array.Map), i)
	default:
		return string([]byte(column.(*array.String).Value(i)))
	}
}

func mapOf(m *array.Map, i int) map[string]string {
	keys, items := m.Keys().(*array.String), m.Items().(*array.String)
	start, end := m.ValueOffsets(i)
	out := make(map[string]string, end-start)
	for j := int(start); j < int(end); j++ {
		out[string([]byte(keys.Value(j)))] = string([]byte(items.Value(j)))
	}
	return out
}
