package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"roistat-etl/schemas"
)

// parquetBatch is how many rows of a Parquet file are read at once.
const parquetBatch = 256

// parquetRows reads Parquet.
type parquetRows struct {
	file    *file.Reader
	records pqarrow.RecordReader
	record  arrow.Record // belongs to records; nil: none yet
	at      int          // row of record
	next    int64        // row of the file
	names   []string
}

func openParquet(ctx context.Context, f *File, mem memory.Allocator) (p *parquetRows, err error) {
	defer recovered(&err)
	props := parquet.NewReaderProperties(mem)
	props.BufferedStreamEnabled = true // else a column's whole row group is read at once
	props.BufferSize = textBuffer
	p = &parquetRows{}
	if p.file, err = file.NewParquetReader(io.NewSectionReader(f, 0, f.Size()), file.WithReadProps(props)); err != nil {
		return nil, unreadable(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	reader, err := pqarrow.NewFileReader(p.file, pqarrow.ArrowReadProperties{BatchSize: parquetBatch}, mem)
	if err != nil {
		return p, unreadable(err)
	}
	schema, err := reader.Schema()
	if err != nil {
		return p, unreadable(err)
	}
	for _, field := range schema.Fields() {
		p.names = append(p.names, field.Name)
	}
	if err := checkHeader(p.names, func(int) place { return place{} }); err != nil {
		return p, err
	}
	if p.records, err = reader.GetRecordReader(ctx, nil, nil); err != nil {
		return p, unreadable(err)
	}
	return p, nil
}

// unreadable is what becomes of the library's errors.
func unreadable(err error) error {
	if errors.Is(err, ErrChanged) || errors.Is(err, context.Canceled) {
		return err
	}
	return badFile("the file can't be read as Parquet: %v", err)
}

// recovered turns a panic of the library, which doesn't expect every broken file, into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = unreadable(fmt.Errorf("%v", r))
	}
}

// Next implements rows.
func (p *parquetRows) Next(r *row) (err error) {
	defer recovered(&err)
	for p.record == nil || p.at == int(p.record.NumRows()) {
		if !p.records.Next() {
			if err := p.records.Err(); err != nil && !errors.Is(err, io.EOF) {
				return unreadable(err)
			}
			return p.end()
		}
		p.record, p.at = p.records.Record(), 0
	}
	r.reset(p.next, place{p.next + 1, 1})
	for i, name := range p.names {
		p.value(r, name, p.record.Column(i), place{p.next + 1, int64(i) + 1})
	}
	p.at, p.next = p.at+1, p.next+1
	return nil
}

// end demands as many rows as the footer counts.
func (p *parquetRows) end() error {
	if n := p.file.NumRows(); n != p.next {
		return badFile("the file can't be read as Parquet: its footer counts %d rows, there are %d", n, p.next)
	}
	return io.EOF
}

// value sets the value of a column.
func (p *parquetRows) value(r *row, name string, column arrow.Array, at place) {
	if name == fieldsKey && p.fields(r, column, at) {
		return
	}
	text, whole := parquetText(column, p.at)
	r.set(name, text, at)
	if i, _ := columnOf(name); i >= 0 && !whole {
		r.fault(at, name, schemas.BadValue, "it must be a text")
	}
}

// fields sets the members of a struct or map called fields; false: it is neither.
func (p *parquetRows) fields(r *row, column arrow.Array, at place) bool {
	switch c := column.(type) {
	case *array.Struct:
		for i, f := range c.DataType().(*arrow.StructType).Fields() {
			if c.IsValid(p.at) {
				text, _ := parquetText(c.Field(i), p.at)
				r.setField(f.Name, text, at)
			}
		}
	case *array.Map:
		start, end := c.ValueOffsets(p.at)
		for i := int(start); i < int(end) && c.IsValid(p.at); i++ {
			name, _ := parquetText(c.Keys(), i)
			text, _ := parquetText(c.Items(), i)
			r.setField(name, text, at)
		}
	default:
		return false
	}
	return true
}

// parquetText is a value as a text; null is ”. What is nested is its JSON, for
// which whole is false. A timestamp at midnight is its day.
func parquetText(column arrow.Array, i int) (text string, whole bool) {
	if column.IsNull(i) {
		return "", true
	}
	switch c := column.(type) {
	case *array.String:
		return c.Value(i), true
	case *array.Binary:
		return string(c.Value(i)), true
	case *array.FixedSizeBinary:
		return string(c.Value(i)), true
	case *array.Float64:
		return number(c.Value(i), 64), true
	case *array.Float32:
		return number(float64(c.Value(i)), 32), true
	case *array.Timestamp:
		return instant(c.Value(i).ToTime(c.DataType().(*arrow.TimestampType).Unit)), true
	case *array.Dictionary:
		return parquetText(c.Dictionary(), c.GetValueIndex(i))
	case array.ListLike, *array.Struct:
		return column.ValueStr(i), false
	}
	return column.ValueStr(i), true
}

// number writes whole numbers without exponent: ids and phones come as floats
// from tables that have gaps.
func number(x float64, bits int) string {
	if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		return strconv.FormatFloat(x, 'f', -1, bits)
	}
	return strconv.FormatFloat(x, 'g', -1, bits)
}

func instant(t time.Time) string {
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}

// Close implements rows.
func (p *parquetRows) Close() (err error) {
	defer recovered(&err)
	if p.records != nil {
		p.records.Release()
	}
	return p.file.Close()
}
