package row

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
)

var (
	errShort = errors.New("the row ends too early")
	errMoney = errors.New("the amount has more than 18 digits")
	errOrder = errors.New("the keys of the map are not in ascending order")
)

// Decoder collects rows and gives them as record batches. Release it once, when
// no more batches are wanted.
type Decoder struct {
	table   *schemas.Table
	builder *array.RecordBuilder
	cols    []target
	rows    int
}

// target is where the values of a column go; the builder of its kind is set.
type target struct {
	kind     schemas.Kind
	nullable bool
	any      array.Builder
	texts    *array.BinaryBuilder
	ints     *array.Int64Builder
	times    *array.TimestampBuilder
	amounts  *array.Decimal128Builder
	days     *array.Date32Builder
	truths   *array.BooleanBuilder
	maps     *array.MapBuilder
	keys     *array.BinaryBuilder
	values   *array.BinaryBuilder
}

// NewDecoder makes a decoder for rows of the table; the batches' memory comes from mem.
func NewDecoder(mem memory.Allocator, t *schemas.Table) *Decoder {
	d := &Decoder{table: t, builder: array.NewRecordBuilder(mem, t.Arrow())}
	for i, c := range t.Columns {
		d.cols = append(d.cols, newTarget(c, d.builder.Field(i)))
	}
	return d
}

func newTarget(c schemas.Column, b array.Builder) target {
	t := target{kind: c.Kind, nullable: c.Nullable, any: b}
	switch b := b.(type) {
	case *array.StringBuilder:
		t.texts = b.BinaryBuilder
	case *array.Int64Builder:
		t.ints = b
	case *array.TimestampBuilder:
		t.times = b
	case *array.Decimal128Builder:
		t.amounts = b
	case *array.Date32Builder:
		t.days = b
	case *array.BooleanBuilder:
		t.truths = b
	case *array.MapBuilder:
		t.maps = b
		t.keys = b.KeyBuilder().(*array.StringBuilder).BinaryBuilder
		t.values = b.ItemBuilder().(*array.StringBuilder).BinaryBuilder
	}
	return t
}

// Reserve makes room for n rows.
func (d *Decoder) Reserve(n int) { d.builder.Reserve(n) }

// Rows returns the number of rows since the last batch.
func (d *Decoder) Rows() int { return d.rows }

// Append adds a row, which it copies. It takes what an [Encoder] can write and
// nothing else. After an error the decoder can only be released.
func (d *Decoder) Append(row []byte) error {
	for i := range d.cols {
		var err error
		if row, err = d.cols[i].take(row); err != nil {
			return fmt.Errorf("%s.%s: %w", d.table.Name, d.table.Columns[i].Name, err)
		}
	}
	if len(row) != 0 {
		return fmt.Errorf("%s: %d bytes too many in a row", d.table.Name, len(row))
	}
	d.rows++
	return nil
}

// Record gives the rows since the last batch as a batch, which the caller releases.
func (d *Decoder) Record() arrow.Record {
	d.rows = 0
	return d.builder.NewRecord()
}

// Release lets go of the memory.
func (d *Decoder) Release() { d.builder.Release() }

// take adds the column's value at the start of row, and returns what follows it.
func (t *target) take(row []byte) ([]byte, error) {
	if t.nullable {
		if len(row) == 0 {
			return nil, errShort
		}
		mark := row[0]
		row = row[1:]
		if mark == absent {
			t.any.AppendNull()
			return row, nil
		}
		if mark != present {
			return nil, fmt.Errorf("a nullable value starts with %d", mark)
		}
	}
	switch t.kind {
	case schemas.Text, schemas.Enum:
		return takeText(row, t.texts)
	case schemas.Bool:
		return t.takeBool(row)
	case schemas.Map:
		return t.takeMap(row)
	default:
		return t.takeInt(row)
	}
}

func takeText(row []byte, to *array.BinaryBuilder) ([]byte, error) {
	n, row, err := takeCount(row)
	if err != nil || n > len(row) {
		return nil, errShort
	}
	to.Append(row[:n])
	return row[n:], nil
}

func takeCount(row []byte) (int, []byte, error) {
	if len(row) < 4 {
		return 0, nil, errShort
	}
	return int(binary.LittleEndian.Uint32(row)), row[4:], nil
}

func (t *target) takeInt(row []byte) ([]byte, error) {
	if len(row) < 8 {
		return nil, errShort
	}
	v := int64(binary.LittleEndian.Uint64(row))
	switch t.kind {
	case schemas.Int:
		t.ints.Append(v)
	case schemas.Time:
		t.times.Append(arrow.Timestamp(v))
	case schemas.Money:
		if v <= -maxMoney || v >= maxMoney {
			return nil, errMoney
		}
		t.amounts.Append(decimal128.FromI64(v))
	default:
		if v != int64(int32(v)) {
			return nil, fmt.Errorf("%d is no day", v)
		}
		t.days.Append(arrow.Date32(v))
	}
	return row[8:], nil
}

func (t *target) takeBool(row []byte) ([]byte, error) {
	if len(row) == 0 {
		return nil, errShort
	}
	if row[0] > 1 {
		return nil, fmt.Errorf("%d is no truth value", row[0])
	}
	t.truths.Append(row[0] == 1)
	return row[1:], nil
}

func (t *target) takeMap(row []byte) ([]byte, error) {
	n, row, err := takeCount(row)
	if err != nil {
		return nil, err
	}
	t.maps.Append(true)
	var last []byte
	for i := range n {
		key := row
		if row, err = takeText(row, t.keys); err != nil {
			return nil, err
		}
		key = key[4 : len(key)-len(row)]
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return nil, errOrder
		}
		last = key
		if row, err = takeText(row, t.values); err != nil {
			return nil, err
		}
	}
	return row, nil
}
