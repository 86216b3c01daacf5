package parquet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/xitongsys/parquet-go/layout"
	"github.com/xitongsys/parquet-go/parquet"

	"roistat-etl/load/internal/row"
	"roistat-etl/schemas"
)

// column gives the values of a table's column, one row after the other.
type column struct {
	name     string
	nullable bool
	isMap    bool
	leaf     *leaf // of a map: its keys
	values   *leaf // of a map
}

// leaf is a column chunk, of which one page at a time is decoded.
type leaf struct {
	page  func() (*layout.Page, error)
	left  int64 // values not yet decoded
	dict  []any
	table *layout.Table // the page
	coded bool          // the page holds positions in dict
	at    int           // in the page
}

// columns opens the column chunks of a row group.
func (f *independent) columns(group *parquet.RowGroup) ([]*column, error) {
	var out []*column
	chunks := group.Columns
	for _, c := range f.table.Columns {
		need := 1
		if c.Kind == schemas.Map {
			need = 2
		}
		if len(chunks) < need {
			return nil, errors.New("it lacks columns")
		}
		col := &column{name: c.Name, nullable: c.Nullable, isMap: c.Kind == schemas.Map, leaf: f.leaf(chunks[0])}
		if col.isMap {
			col.values = f.leaf(chunks[1])
		}
		out, chunks = append(out, col), chunks[need:]
	}
	return out, nil
}

// pageBuffer is how much of a chunk is read at once.
const pageBuffer = 32 << 10

func (f *independent) leaf(chunk *parquet.ColumnChunk) *leaf {
	m := chunk.MetaData
	start := m.GetDataPageOffset()
	if m.IsSetDictionaryPageOffset() {
		start = min(start, m.GetDictionaryPageOffset())
	}
	size := m.GetTotalCompressedSize()
	buffer := bufio.NewReaderSize(f.section(start, size), int(min(size, pageBuffer)))
	in := &thrift.TBufferedTransport{ReadWriter: bufio.ReadWriter{Reader: buffer}} // its constructor would make three buffers more
	return &leaf{left: m.GetNumValues(), page: func() (*layout.Page, error) {
		p, _, _, err := layout.ReadPage(in, f.schema, m)
		return p, err
	}}
}

// load decodes the next data page, and the dictionary before it.
func (l *leaf) load() error {
	for l.table == nil || l.at == len(l.table.DefinitionLevels) {
		if l.left <= 0 {
			return io.ErrUnexpectedEOF
		}
		p, err := l.page()
		if err != nil {
			return err
		}
		if p.Header.GetType() == parquet.PageType_DICTIONARY_PAGE {
			l.dict = p.DataTable.Values
			continue
		}
		if p.Header.GetType() != parquet.PageType_DATA_PAGE {
			return fmt.Errorf("a page is of type %s", p.Header.GetType())
		}
		encoding := p.Header.DataPageHeader.GetEncoding()
		l.coded = encoding == parquet.Encoding_RLE_DICTIONARY || encoding == parquet.Encoding_PLAIN_DICTIONARY
		l.table, l.at = p.DataTable, 0
		l.left -= int64(len(l.table.DefinitionLevels))
	}
	return nil
}

// next takes the next value; nil is a null. The levels are those of Parquet.
func (l *leaf) next() (v any, rep, def int32, err error) {
	if l.table == nil || l.at == len(l.table.DefinitionLevels) {
		if err := l.load(); err != nil {
			return nil, 0, 0, err
		}
	}
	t, i := l.table, l.at
	l.at++
	v = t.Values[i]
	if l.coded && v != nil {
		n, ok := v.(int64)
		if !ok || n < 0 || n >= int64(len(l.dict)) {
			return nil, 0, 0, fmt.Errorf("the position %v is not in the dictionary", v)
		}
		v = l.dict[n]
	}
	return v, t.RepetitionLevels[i], t.DefinitionLevels[i], nil
}

// more tells whether the next value belongs to the row of the last one.
func (l *leaf) more() (bool, error) {
	if l.table == nil || l.at == len(l.table.DefinitionLevels) {
		if l.left <= 0 {
			return false, nil
		}
		if err := l.load(); err != nil {
			return false, err
		}
	}
	return l.table.RepetitionLevels[l.at] > 0, nil
}

func (l *leaf) end() error {
	if l.left > 0 || (l.table != nil && l.at != len(l.table.DefinitionLevels)) {
		return errors.New("it has more values than there are rows")
	}
	return nil
}

func (c *column) end() error {
	if c.isMap {
		if err := c.values.end(); err != nil {
			return err
		}
	}
	return c.leaf.end()
}

// append appends the column's value in the next row in the row encoding.
func (c *column) append(dst []byte) ([]byte, error) {
	if c.isMap {
		return c.appendMap(dst)
	}
	v, _, _, err := c.leaf.next()
	if err != nil {
		return dst, err
	}
	if c.nullable {
		if v == nil {
			return row.AppendNull(dst), nil
		}
		dst = row.AppendPresent(dst)
	}
	switch v := v.(type) {
	case string:
		return row.AppendText(dst, v), nil
	case int64:
		return row.AppendInt(dst, v), nil
	case int32:
		return row.AppendInt(dst, int64(v)), nil
	case bool:
		return row.AppendBool(dst, v), nil
	default:
		return dst, fmt.Errorf("the value %v of type %T can't be here", v, v)
	}
}

// appendMap counts the entries afterwards, since Parquet tells their end by the next row's beginning.
func (c *column) appendMap(dst []byte) ([]byte, error) {
	start, n := len(dst), 0
	dst = row.AppendCount(dst, 0)
	for more := true; more; {
		key, _, def, err := c.leaf.next()
		if err != nil {
			return dst, err
		}
		value, _, _, err := c.values.next()
		if err != nil {
			return dst, err
		}
		if def > 0 {
			k, ok := key.(string)
			v, okay := value.(string)
			if !ok || !okay {
				return dst, fmt.Errorf("a map holds %T by %T", value, key)
			}
			dst = row.AppendText(row.AppendText(dst, k), v)
			n++
		}
		if more, err = c.leaf.more(); err != nil {
			return dst, err
		}
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(n))
	return dst, nil
}
