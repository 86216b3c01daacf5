package importer

import (
	"context"
	"errors"
	"fmt"
	"io"

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

// parquetRows reads Parquet. The library reads what lies within structs and maps
// in goroutines of its own, where a panic over a broken file can't be caught. So
// scouts read each of these leaves first, by the same steps: what the library
// can't bear happens to them.
type parquetRows struct {
	file    *file.Reader
	mem     memory.Allocator
	scouts  []*pqarrow.ColumnReader
	readers []*pqarrow.ColumnReader
	batch   []arrow.Array // a column each
	rows    int           // of batch
	at      int           // row of batch
	next    int64         // row of the file
	names   []string
}

func openParquet(ctx context.Context, f *File, mem memory.Allocator) (p *parquetRows, err error) {
	defer recovered(&err, "")
	props := parquet.NewReaderProperties(mem)
	props.BufferedStreamEnabled = true // else a column's whole row group is read at once
	props.BufferSize = textBuffer
	p = &parquetRows{mem: mem}
	if p.file, err = file.NewParquetReader(io.NewSectionReader(f, 0, f.Size()), file.WithReadProps(props)); err != nil {
		return nil, unreadable(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	reader, err := p.openColumns(mem)
	if err != nil {
		return p, err
	}
	for _, field := range reader.Manifest.Fields {
		p.names = append(p.names, field.Field.Name)
	}
	if err := checkHeader(p.names, func(int) place { return place{} }); err != nil {
		return p, err
	}
	return p, p.begin(ctx, reader)
}

// openColumns decides what the values of each column are. The Arrow schema that
// some writers keep in the file says nothing of them that matters here but where
// numbers are durations; it may be of a later version of Arrow, and is left out.
func (p *parquetRows) openColumns(mem memory.Allocator) (*pqarrow.FileReader, error) {
	meta := p.file.MetaData()
	if err := checkEncodings(p.file); err != nil {
		return nil, err
	}
	stored := storedTypes(p.file)
	meta.FileMetaData.KeyValueMetadata = nil
	reader, err := pqarrow.NewFileReader(p.file, pqarrow.ArrowReadProperties{}, mem)
	if err != nil {
		return nil, unreadable(err)
	}
	for i := range reader.Manifest.Fields {
		var origin arrow.DataType
		if i < len(stored) {
			origin = stored[i].Type
		}
		declareTypes(&reader.Manifest.Fields[i], origin, meta.Schema)
	}
	return reader, nil
}

// storedTypes are the columns by the Arrow schema in the file; none if it can't be read.
func storedTypes(f *file.Reader) (fields []arrow.Field) {
	defer func() {
		if recover() != nil {
			fields = nil
		}
	}()
	manifest, err := pqarrow.NewSchemaManifest(f.MetaData().Schema, f.MetaData().KeyValueMetadata(), nil)
	if err != nil || manifest.OriginSchema == nil {
		return nil
	}
	return manifest.OriginSchema.Fields()
}

// begin makes the readers of the columns, and before them their scouts.
func (p *parquetRows) begin(ctx context.Context, reader *pqarrow.FileReader) (err error) {
	fields := reader.Manifest.Fields
	var nested []pqarrow.SchemaField
	for _, field := range fields {
		if len(field.Children) > 0 {
			nested = leaves(nested, field)
		}
	}
	reader.Manifest.Fields = nested
	if p.scouts, err = p.columns(ctx, reader); err != nil {
		return err
	}
	reader.Manifest.Fields = fields
	p.readers, err = p.columns(ctx, reader)
	return err
}

// leaves appends the leaves of a field.
func leaves(list []pqarrow.SchemaField, field pqarrow.SchemaField) []pqarrow.SchemaField {
	if len(field.Children) == 0 {
		return append(list, field)
	}
	for _, child := range field.Children {
		list = leaves(list, child)
	}
	return list
}

// columns makes a reader for each field of the manifest, over all row groups. Those
// that it made before an error come with it.
func (p *parquetRows) columns(ctx context.Context, reader *pqarrow.FileReader) (list []*pqarrow.ColumnReader, err error) {
	all := map[int]bool{}
	for i := range p.file.MetaData().Schema.NumColumns() {
		all[i] = true
	}
	groups := make([]int, p.file.NumRowGroups())
	for i := range groups {
		groups[i] = i
	}
	for i, field := range reader.Manifest.Fields {
		c, err := reader.GetFieldReader(ctx, i, all, groups)
		if err == nil && c == nil {
			err = fmt.Errorf("column %s has no values", field.Field.Name)
		}
		if err != nil {
			return list, unreadable(err)
		}
		list = append(list, c)
	}
	return list, nil
}

// unreadable is what becomes of the library's errors.
func unreadable(err error) error {
	var bad *BadFileError
	if errors.Is(err, ErrChanged) || errors.Is(err, context.Canceled) || errors.As(err, &bad) {
		return err
	}
	return badFile("the file can't be read as Parquet: %v", err)
}

// recovered turns a panic of the library, which doesn't expect every broken file, and
// stumbles over some whole ones, into an error. The column may be unknown.
func recovered(err *error, column string) {
	r := recover()
	if r == nil {
		return
	}
	if column != "" {
		column = fmt.Sprintf("column %q: ", cut(column))
	}
	*err = badFile("the file can't be read as Parquet: %sit is damaged, or written in a way that this program doesn't know (%v): write it anew with dictionaries or plain values", column, r)
}

// Next implements rows.
func (p *parquetRows) Next(r *row) (err error) {
	defer recovered(&err, "")
	if p.at == p.rows {
		if err := p.fill(); err != nil {
			return err
		}
		if p.rows == 0 {
			return p.end()
		}
	}
	r.reset(p.next, place{p.next + 1, 1})
	for i, name := range p.names {
		p.value(r, name, p.batch[i], place{p.next + 1, int64(i) + 1})
	}
	p.at, p.next = p.at+1, p.next+1
	return nil
}

// fill reads the next rows; none at the end of the file.
func (p *parquetRows) fill() error {
	p.release()
	for _, scout := range p.scouts {
		found, err := p.read(scout)
		if err != nil {
			return unreadable(err)
		}
		found.Release()
	}
	for i, reader := range p.readers {
		column, err := p.read(reader)
		if err != nil {
			return unreadable(err)
		}
		p.batch = append(p.batch, column)
		if i > 0 && column.Len() != p.batch[0].Len() {
			short := i
			if column.Len() > p.batch[0].Len() {
				short = 0
			}
			return p.ended(short)
		}
	}
	p.rows = p.batch[0].Len()
	return nil
}

// read reads the next values of a column, as one array.
func (p *parquetRows) read(reader *pqarrow.ColumnReader) (_ arrow.Array, err error) {
	defer recovered(&err, reader.Field().Name)
	found, err := reader.NextBatch(parquetBatch)
	if err != nil {
		return nil, err
	}
	defer found.Release()
	switch chunks := found.Chunks(); len(chunks) {
	case 0:
		return array.MakeArrayOfNull(p.mem, found.DataType(), 0), nil
	case 1:
		chunks[0].Retain()
		return chunks[0], nil
	default:
		return array.Concatenate(chunks, p.mem)
	}
}

// release gives the batch back.
func (p *parquetRows) release() {
	for _, column := range p.batch {
		column.Release()
	}
	p.batch, p.rows, p.at = p.batch[:0], 0, 0
}

// end demands as many rows as the footer counts.
func (p *parquetRows) end() error {
	if n := p.file.NumRows(); n != p.next {
		return badFile("the file can't be read as Parquet: its footer counts %d rows, there are %d", n, p.next)
	}
	return io.EOF
}

// ended says that a column ends before the others. The library keeps to itself why.
func (p *parquetRows) ended(column int) error {
	return badFile("the file can't be read as Parquet: the values of column %q end at row %d of %d: it is damaged, or written in a way that this program doesn't know",
		cut(p.names[column]), p.next+int64(p.batch[column].Len()), p.file.NumRows())
}

// value sets the value of a column.
func (p *parquetRows) value(r *row, name string, column arrow.Array, at place) {
	if name == fieldsKey {
		p.fields(r, column, at)
		return
	}
	r.set(name, arrowValue(column, p.at), at)
}

// fields sets the members of a struct or map called fields.
func (p *parquetRows) fields(r *row, column arrow.Array, at place) {
	if arrowValue(column, p.at).null {
		return
	}
	switch c := column.(type) {
	case *array.Struct:
		for i, f := range c.DataType().(*arrow.StructType).Fields() {
			r.setField(f.Name, arrowValue(c.Field(i), p.at), at)
		}
	case *array.Map:
		start, end := c.ValueOffsets(p.at)
		for i := int(start); i < int(end); i++ {
			name := arrowValue(c.Keys(), i)
			if name.fault != "" || name.null {
				r.fault(at, fieldsKey, schemas.BadValue, "a name in it is no text")
				continue
			}
			r.setField(name.text, arrowValue(c.Items(), i), at)
		}
	default:
		r.fault(at, fieldsKey, schemas.BadValue, "it must be an object")
	}
}

// Close implements rows.
func (p *parquetRows) Close() (err error) {
	defer recovered(&err, "")
	p.release()
	for _, list := range [][]*pqarrow.ColumnReader{p.scouts, p.readers} {
		for _, c := range list {
			c.Release()
		}
	}
	return p.file.Close()
}
