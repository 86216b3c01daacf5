package clickhouse

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"roistat-etl/schemas"
)

// column is a column of a block, encoded as the server reads it: see the Native
// format of ClickHouse. It implements [proto.ColInput] and [proto.StateEncoder].
type column struct {
	typ    string // as the server calls it
	kind   schemas.Kind
	rows   int
	nulls  []byte // of a nullable column: 1 where there is no value
	values []byte
	low    *lowCardinality // of an enum, and the keys of a map
	ends   []byte          // of a map: where its entries end, as UInt64
	null   bool            // the column is nullable
}

func newColumn(c schemas.Column) *column {
	col := &column{typ: c.ClickHouseType(), kind: c.Kind, null: c.Nullable}
	if c.Kind == schemas.Enum || c.Kind == schemas.Map {
		col.low = newLowCardinality(c.Nullable)
	}
	return col
}

// Type implements proto.ColInput.
func (c *column) Type() proto.ColumnType { return proto.ColumnType(c.typ) }

// Rows implements proto.ColInput.
func (c *column) Rows() int { return c.rows }

// EncodeState implements proto.StateEncoder.
func (c *column) EncodeState(b *proto.Buffer) {
	if c.low != nil {
		c.low.state(b)
	}
}

// EncodeColumn implements proto.ColInput.
func (c *column) EncodeColumn(b *proto.Buffer) { c.each(b.PutRaw) }

// WriteColumn implements proto.ColInput. The bytes are not copied.
func (c *column) WriteColumn(w *proto.Writer) { c.each(w.ChainWrite) }

// each gives the parts of the encoding in their order.
func (c *column) each(put func([]byte)) {
	switch c.kind {
	case schemas.Enum:
		c.low.each(put)
	case schemas.Map:
		put(c.ends)
		c.low.each(put)
		put(c.values)
	default:
		put(c.nulls)
		put(c.values)
	}
}

// reset forgets the rows and keeps the memory.
func (c *column) reset() {
	c.rows, c.nulls, c.values, c.ends = 0, c.nulls[:0], c.values[:0], c.ends[:0]
	if c.low != nil {
		c.low.reset()
	}
}

// size is how many bytes the column has so far.
func (c *column) size() int {
	n := len(c.nulls) + len(c.values) + len(c.ends)
	if c.low != nil {
		n += len(c.low.values) + 4*len(c.low.keys)
	}
	return n
}

// add appends the rows of an Arrow array. Lists of fixed-width values are copied
// as they lie in memory, which is how the server wants them on a little-endian
// machine; others are written out.
func (c *column) add(a arrow.Array) error {
	c.rows += a.Len()
	if c.null && c.low == nil {
		c.addNulls(a)
	}
	switch v := a.(type) {
	case *array.String:
		c.addTexts(v)
	case *array.Int64, *array.Timestamp:
		c.addFixed(a, 8)
	case *array.Date32:
		c.addFixed(a, 4)
	case *array.Decimal128:
		for i := range v.Len() {
			c.addAmount(v, i)
		}
	case *array.Boolean:
		for i := range v.Len() {
			c.values = append(c.values, truth(!v.IsNull(i) && v.Value(i)))
		}
	case *array.Map:
		return c.addMaps(v)
	default:
		return fmt.Errorf("no column can be made of %s", a.DataType())
	}
	return nil
}

// join appends the rows of another column of the same kind.
func (c *column) join(o *column) {
	if c.kind == schemas.Map { // entries are counted from the block's first on
		before := uint64(len(c.low.keys))
		for at := 0; at < len(o.ends); at += 8 {
			c.ends = binary.LittleEndian.AppendUint64(c.ends, before+binary.LittleEndian.Uint64(o.ends[at:]))
		}
	}
	if c.low != nil {
		c.low.join(o.low)
	}
	c.rows += o.rows
	c.nulls = append(c.nulls, o.nulls...)
	c.values = append(c.values, o.values...)
}

// addFixed appends values of a fixed width. What lies under a null is zero.
func (c *column) addFixed(a arrow.Array, width int) {
	d := a.Data()
	from := len(c.values)
	c.values = append(c.values, d.Buffers()[1].Bytes()[d.Offset()*width:(d.Offset()+d.Len())*width]...)
	if a.NullN() == 0 {
		return
	}
	for i := range a.Len() {
		if a.IsNull(i) {
			clear(c.values[from+i*width : from+(i+1)*width])
		}
	}
}

func truth(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func (c *column) addNulls(a arrow.Array) {
	if a.NullN() == 0 {
		c.nulls = append(c.nulls, make([]byte, a.Len())...)
		return
	}
	for i := range a.Len() {
		c.nulls = append(c.nulls, truth(a.IsNull(i)))
	}
}

// addAmount appends hundredths, which have 18 digits at most.
func (c *column) addAmount(v *array.Decimal128, i int) {
	var n uint64
	if !v.IsNull(i) {
		n = v.Value(i).LowBits()
	}
	c.values = binary.LittleEndian.AppendUint64(c.values, n)
}

func (c *column) addTexts(v *array.String) {
	for i := range v.Len() {
		switch {
		case c.low != nil && v.IsNull(i):
			c.low.addNull()
		case c.low != nil:
			c.low.add(v.Value(i))
		case v.IsNull(i):
			c.values = append(c.values, 0)
		default:
			c.values = appendText(c.values, v.Value(i))
		}
	}
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func (c *column) addMaps(m *array.Map) error {
	keys, ok := m.Keys().(*array.String)
	values, ok2 := m.Items().(*array.String)
	if !ok || !ok2 {
		return fmt.Errorf("no map can be made of %s", m.DataType())
	}
	for i := range m.Len() {
		from, to := m.ValueOffsets(i)
		for j := int(from); j < int(to); j++ {
			c.low.add(keys.Value(j))
			c.values = appendText(c.values, values.Value(j))
		}
		c.ends = binary.LittleEndian.AppendUint64(c.ends, uint64(len(c.low.keys)))
	}
	return nil
}

// lowCardinality is a dictionary of texts, and for each row its place there.
type lowCardinality struct {
	null   bool // entry 0 stands for null
	places map[string]uint32
	texts  []string // of the entries
	at     uint32   // the last text's place: they come in runs
	values []byte   // the texts as they are sent
	keys   []uint32
	coded  []byte // what is sent of the keys
}

func newLowCardinality(null bool) *lowCardinality {
	l := &lowCardinality{null: null, places: map[string]uint32{}}
	l.reset()
	return l
}

func (l *lowCardinality) reset() {
	clear(l.places)
	l.texts, l.values, l.keys, l.at = l.texts[:0], l.values[:0], l.keys[:0], 0
	if l.null {
		l.texts, l.values = append(l.texts, ""), append(l.values, 0)
	}
}

func (l *lowCardinality) addNull() { l.keys = append(l.keys, 0) }

func (l *lowCardinality) add(s string) {
	if s == "" || int(l.at) >= len(l.texts) || s != l.texts[l.at] {
		l.at = l.place(s)
	}
	l.keys = append(l.keys, l.at)
}

// place returns a text's place, adding it the first time.
func (l *lowCardinality) place(s string) uint32 {
	at, ok := l.places[s]
	if !ok {
		at, s = uint32(len(l.texts)), strings.Clone(s) // the array's memory is given back
		l.places[s] = at
		l.texts, l.values = append(l.texts, s), appendText(l.values, s)
	}
	return at
}

// join appends the keys of another dictionary, by their places in this one.
func (l *lowCardinality) join(o *lowCardinality) {
	places := make([]uint32, len(o.texts))
	for i, s := range o.texts {
		if i > 0 || !o.null { // null has the same place in both
			places[i] = l.place(s)
		}
	}
	for _, k := range o.keys {
		l.keys = append(l.keys, places[k])
	}
}

// The serialization of LowCardinality: a version before all blocks, then for
// each block flags and width of the keys, the dictionary, and the keys.
const (
	lowVersion    = 1      // dictionaries come with their blocks
	lowDictionary = 3 << 9 // this block's dictionary follows, and it is all of it
)

func (l *lowCardinality) state(b *proto.Buffer) { b.PutInt64(lowVersion) }

func (l *lowCardinality) each(put func([]byte)) {
	if len(l.keys) == 0 {
		return
	}
	width := l.code()
	head := binary.LittleEndian.AppendUint64(nil, lowDictionary|width)
	put(binary.LittleEndian.AppendUint64(head, uint64(len(l.texts))))
	put(l.values)
	put(binary.LittleEndian.AppendUint64(nil, uint64(len(l.keys))))
	put(l.coded)
}

// code writes the keys as narrow as they fit, and returns the code of their width.
func (l *lowCardinality) code() (width uint64) {
	l.coded = l.coded[:0]
	switch {
	case len(l.texts) <= 1<<8:
		for _, k := range l.keys {
			l.coded = append(l.coded, byte(k))
		}
		return 0
	case len(l.texts) <= 1<<16:
		for _, k := range l.keys {
			l.coded = binary.LittleEndian.AppendUint16(l.coded, uint16(k))
		}
		return 1
	}
	for _, k := range l.keys {
		l.coded = binary.LittleEndian.AppendUint32(l.coded, k)
	}
	return 2
}
