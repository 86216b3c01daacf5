package row

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"roistat-etl/schemas"
)

// maxMoney is the first amount, in hundredths, that has too many digits.
const maxMoney = 1_000_000_000_000_000_000

// Encoder encodes the rows of one record batch after the other.
type Encoder struct {
	table *schemas.Table
	cols  []column
}

// column is one column of the batch, its buffers laid bare. Only those of its
// kind are set; all positions count from the column's first row.
type column struct {
	kind     schemas.Kind
	nullable bool
	valid    bits // empty: no nulls
	truths   bits
	ints     []int64
	days     []arrow.Date32
	amounts  []decimal128.Num
	texts    texts
	entries  []int32 // of a map: where its entries begin in keys and values
	keys     texts
	values   texts
}

// texts is a column of texts: offsets has one more element than there are texts.
type texts struct {
	offsets []int32
	data    []byte
}

// bits is a bitmap that starts at any bit.
type bits struct {
	data  []byte
	start int
}

func (t texts) at(i int) []byte { return t.data[t.offsets[i]:t.offsets[i+1]] }
func (b bits) at(i int) bool    { return bitutil.BitIsSet(b.data, b.start+i) }

// Bind takes the batch whose rows are encoded next. It borrows the batch until
// the next Bind or Unbind, and refuses one that is not of the table or holds a
// null where the table has none.
func (e *Encoder) Bind(t *schemas.Table, rec arrow.Record) error {
	if rec.Schema() != t.Arrow() && !rec.Schema().Equal(t.Arrow()) {
		return fmt.Errorf("%s: the batch has another schema: %s", t.Name, rec.Schema())
	}
	e.table, e.cols = t, e.cols[:0]
	for i, c := range t.Columns {
		col, err := bind(c, rec.Column(i))
		if err != nil {
			return fmt.Errorf("%s.%s: %w", t.Name, c.Name, err)
		}
		e.cols = append(e.cols, col)
	}
	return nil
}

// Unbind lets go of the batch.
func (e *Encoder) Unbind() {
	clear(e.cols)
	e.cols = e.cols[:0]
}

// Int returns an int or time of the batch, as a number.
func (e *Encoder) Int(col, i int) int64 { return e.cols[col].ints[i] }

// Append appends the row's encoding to dst.
func (e *Encoder) Append(dst []byte, i int) ([]byte, error) {
	for j := range e.cols {
		var err error
		if dst, err = e.cols[j].append(dst, i); err != nil {
			return dst, fmt.Errorf("%s.%s, row %d: %w", e.table.Name, e.table.Columns[j].Name, i, err)
		}
	}
	return dst, nil
}

func bind(c schemas.Column, a arrow.Array) (column, error) {
	col := column{kind: c.Kind, nullable: c.Nullable}
	if a.NullN() > 0 {
		if !c.Nullable {
			return col, errors.New("the column is never null, but the batch has a null")
		}
		col.valid = bits{a.NullBitmapBytes(), a.Data().Offset()}
	}
	switch a := a.(type) {
	case *array.Int64:
		col.ints = a.Int64Values()
	case *array.Timestamp:
		if v := a.TimestampValues(); len(v) > 0 {
			col.ints = arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(v))
		}
	case *array.Date32:
		col.days = a.Date32Values()
	case *array.Decimal128:
		col.amounts = a.Values()
	case *array.Boolean:
		if b := a.Data().Buffers()[1]; b != nil {
			col.truths = bits{b.Bytes(), a.Data().Offset()}
		}
	case *array.String:
		col.texts = textsOf(a)
	case *array.Map:
		return col, col.bindMap(a)
	default:
		return col, fmt.Errorf("no encoding for %s", a.DataType())
	}
	return col, nil
}

func (c *column) bindMap(a *array.Map) error {
	keys, ok := a.Keys().(*array.String)
	values, okay := a.Items().(*array.String)
	if !ok || !okay {
		return fmt.Errorf("no encoding for %s", a.DataType())
	}
	if keys.NullN() > 0 || values.NullN() > 0 {
		return errors.New("a key or value of the map is null")
	}
	if a.Len() > 0 {
		c.entries = a.Offsets()[a.Data().Offset() : a.Data().Offset()+a.Len()+1]
	}
	c.keys, c.values = textsOf(keys), textsOf(values)
	return nil
}

func textsOf(a *array.String) texts {
	t := texts{offsets: a.ValueOffsets()}
	if b := a.Data().Buffers()[2]; b != nil {
		t.data = b.Bytes()
	}
	return t
}

func (c *column) append(dst []byte, i int) ([]byte, error) {
	if c.nullable {
		if c.valid.data != nil && !c.valid.at(i) {
			return AppendNull(dst), nil
		}
		dst = AppendPresent(dst)
	}
	switch c.kind {
	case schemas.Text, schemas.Enum:
		return AppendText(dst, c.texts.at(i)), nil
	case schemas.Int, schemas.Time:
		return AppendInt(dst, c.ints[i]), nil
	case schemas.Money:
		return appendMoney(dst, c.amounts[i])
	case schemas.Date:
		return AppendInt(dst, int64(c.days[i])), nil
	case schemas.Bool:
		return AppendBool(dst, c.truths.at(i)), nil
	default:
		return c.appendMap(dst, i)
	}
}

func appendMoney(dst []byte, n decimal128.Num) ([]byte, error) {
	v := int64(n.LowBits())
	if n.HighBits() != v>>63 || v <= -maxMoney || v >= maxMoney {
		return dst, errMoney
	}
	return AppendInt(dst, v), nil
}

func (c *column) appendMap(dst []byte, i int) ([]byte, error) {
	from, to := int(c.entries[i]), int(c.entries[i+1])
	dst = AppendCount(dst, to-from)
	for j := from; j < to; j++ {
		key := c.keys.at(j)
		if j > from && bytes.Compare(c.keys.at(j-1), key) >= 0 {
			return dst, errOrder
		}
		dst = AppendText(dst, key)
		dst = AppendText(dst, c.values.at(j))
	}
	return dst, nil
}
