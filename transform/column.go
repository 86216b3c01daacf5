package transform

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
)

// keep is the most bytes of a buffer that are kept for the next block.
const keep = 4 << 20

// emptied returns a buffer for reuse. One that an unusual block blew up is let go.
func emptied[T any](buffer []T) []T {
	var one T
	if uintptr(cap(buffer))*unsafe.Sizeof(one) > keep {
		return nil
	}
	return buffer[:0]
}

// column collects the values of one column in buffers that are reused; data
// copies them into an Arrow array. Which buffers are used depends on the kind.
type column struct {
	kind     schemas.Kind
	nullable bool
	rows     int
	nulls    int
	valid    []byte  // one bit a row, of nullable columns
	ints     []int64 // Int, Time, Money (cents), Date
	bytes    []byte  // Text, Enum: all texts; Bool: one bit a row
	ends     []int32 // Text, Enum: where each row ends in bytes; Map: in keys
	keys     *column // Map
	values   *column // Map
}

func newColumn(kind schemas.Kind, nullable bool) *column {
	c := &column{kind: kind, nullable: nullable}
	if kind == schemas.Map {
		c.keys, c.values = newColumn(schemas.Text, false), newColumn(schemas.Text, true)
	}
	return c
}

// reset empties the column.
func (c *column) reset() {
	c.rows, c.nulls = 0, 0
	c.valid, c.ints, c.bytes, c.ends = emptied(c.valid), emptied(c.ints), emptied(c.bytes), emptied(c.ends)
	if c.keys != nil {
		c.keys.reset()
		c.values.reset()
	}
}

// row counts a row and notes whether it has a value.
func (c *column) row(valid bool) {
	if c.nullable {
		c.valid = appendBit(c.valid, c.rows, valid)
	}
	if !valid {
		c.nulls++
	}
	c.rows++
}

func appendBit(bits []byte, i int, set bool) []byte {
	if i&7 == 0 {
		bits = append(bits, 0)
	}
	if set {
		bits[i>>3] |= 1 << (i & 7)
	}
	return bits
}

// null appends a row without a value.
func (c *column) null() {
	switch c.kind {
	case schemas.Text, schemas.Enum:
		c.ends = append(c.ends, int32(len(c.bytes)))
	case schemas.Bool:
		c.bytes = appendBit(c.bytes, c.rows, false)
	default:
		c.ints = append(c.ints, 0)
	}
	c.row(false)
}

// text appends to a Text or Enum column.
func (c *column) text(text []byte) {
	c.bytes = append(c.bytes, text...)
	c.ended()
}

// ended makes a row of the bytes behind the last one.
func (c *column) ended() {
	c.ends = append(c.ends, int32(len(c.bytes)))
	c.row(true)
}

// int appends to an Int, Time, Money or Date column.
func (c *column) int(v int64) {
	c.ints = append(c.ints, v)
	c.row(true)
}

// bool appends to a Bool column.
func (c *column) bool(v bool) {
	c.bytes = appendBit(c.bytes, c.rows, v)
	c.row(true)
}

// entries makes a row of a Map column of the entries behind the last one.
func (c *column) entries() {
	c.ends = append(c.ends, int32(c.keys.rows))
	c.row(true)
}

// isValid tells whether a row has a value.
func (c *column) isValid(row int) bool {
	return !c.nullable || c.valid[row>>3]>>(row&7)&1 == 1
}

// value returns the text of a row, on loan.
func (c *column) value(row int) []byte {
	start := int32(0)
	if row > 0 {
		start = c.ends[row-1]
	}
	return c.bytes[start:c.ends[row]]
}

// blank takes the values of all rows of a nullable column of texts.
func (c *column) blank() {
	c.bytes, c.nulls = emptied(c.bytes), c.rows
	clear(c.valid)
	clear(c.ends)
}

// check reports texts that the offsets of one array cannot reach.
func (c *column) check() error {
	if c.keys != nil {
		if err := c.keys.check(); err != nil {
			return err
		}
		return c.values.check()
	}
	if len(c.bytes) > math.MaxInt32 {
		return fmt.Errorf("%d bytes of text in one batch, more than an array holds", len(c.bytes))
	}
	return nil
}

// data copies the column into memory of mem. The caller releases it.
func (c *column) data(mem memory.Allocator, typ arrow.DataType) *array.Data {
	buffers := []*memory.Buffer{c.validity(mem)}
	var children []arrow.ArrayData
	switch c.kind {
	case schemas.Text, schemas.Enum:
		buffers = append(buffers, offsets(mem, c.ends), copied(mem, c.bytes))
	case schemas.Map:
		buffers = append(buffers, offsets(mem, c.ends))
		children = append(children, c.pairs(mem, typ.(*arrow.MapType)))
	case schemas.Bool:
		buffers = append(buffers, copied(mem, c.bytes))
	case schemas.Money:
		buffers = append(buffers, decimals(mem, c.ints))
	case schemas.Date:
		buffers = append(buffers, days(mem, c.ints))
	default:
		buffers = append(buffers, copied(mem, arrow.Int64Traits.CastToBytes(c.ints)))
	}
	return assemble(typ, c.rows, c.nulls, buffers, children)
}

// pairs is the struct array of a map's entries.
func (c *column) pairs(mem memory.Allocator, typ *arrow.MapType) arrow.ArrayData {
	children := []arrow.ArrayData{c.keys.data(mem, typ.KeyType()), c.values.data(mem, typ.ItemType())}
	return assemble(typ.Elem(), c.keys.rows, 0, []*memory.Buffer{nil}, children)
}

// assemble makes array data, which then alone holds its parts.
func assemble(typ arrow.DataType, rows, nulls int, buffers []*memory.Buffer, children []arrow.ArrayData) *array.Data {
	data := array.NewData(typ, rows, buffers, children, nulls, 0)
	for _, b := range buffers {
		if b != nil {
			b.Release()
		}
	}
	for _, child := range children {
		child.Release()
	}
	return data
}

func (c *column) validity(mem memory.Allocator) *memory.Buffer {
	if c.nulls == 0 {
		return nil
	}
	return copied(mem, c.valid)
}

// sized returns a buffer of n bytes.
func sized(mem memory.Allocator, n int) *memory.Buffer {
	b := memory.NewResizableBuffer(mem)
	b.Resize(n)
	return b
}

func copied(mem memory.Allocator, bytes []byte) *memory.Buffer {
	b := sized(mem, len(bytes))
	copy(b.Bytes(), bytes)
	return b
}

// offsets puts the leading zero before the ends.
func offsets(mem memory.Allocator, ends []int32) *memory.Buffer {
	b := sized(mem, arrow.Int32Traits.BytesRequired(len(ends)+1))
	out := arrow.Int32Traits.CastFromBytes(b.Bytes())
	out[0] = 0
	copy(out[1:], ends)
	return b
}

func decimals(mem memory.Allocator, cents []int64) *memory.Buffer {
	b := sized(mem, arrow.Decimal128Traits.BytesRequired(len(cents)))
	out := arrow.Decimal128Traits.CastFromBytes(b.Bytes())
	for i, v := range cents {
		out[i] = decimal128.FromI64(v)
	}
	return b
}

func days(mem memory.Allocator, days []int64) *memory.Buffer {
	b := sized(mem, arrow.Date32Traits.BytesRequired(len(days)))
	out := arrow.Date32Traits.CastFromBytes(b.Bytes())
	for i, v := range days {
		out[i] = arrow.Date32(v)
	}
	return b
}
