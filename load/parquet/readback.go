package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/xitongsys/parquet-go/parquet"
	"github.com/xitongsys/parquet-go/reader"
	"github.com/xitongsys/parquet-go/schema"
	"github.com/xitongsys/parquet-go/source"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// readBack reads a file with parquet-go and adds up its rows. It fails if the
// file can't be read, or is not one of the table's. in must not change meanwhile.
func readBack(ctx context.Context, in io.ReaderAt, size int64, t *schemas.Table) (sum load.Sum, err error) {
	defer recovered("parquet-go", &err) // it panics on what it doesn't expect
	f := &independent{in: in, size: size}
	r := &reader.ParquetReader{NP: 1, PFile: f.section(0, size)}
	if err := r.ReadFooter(); err != nil {
		return sum, fmt.Errorf("read the footer: %w", err)
	}
	if err := checkSchema(r.Footer.Schema, t); err != nil {
		return sum, err
	}
	r.SchemaHandler = schema.NewSchemaHandlerFromSchemaList(r.Footer.Schema)
	r.RenameSchema()
	f.schema, f.table = r.SchemaHandler, t
	for i, group := range r.Footer.RowGroups {
		if err := f.readGroup(ctx, group, &sum); err != nil {
			return sum, fmt.Errorf("row group %d: %w", i, err)
		}
	}
	if n := r.Footer.GetNumRows(); n != sum.Rows {
		return sum, fmt.Errorf("the footer counts %d rows, there are %d", n, sum.Rows)
	}
	return sum, nil
}

// compare reads a file back and compares it with its entry. It returns the rows that are there.
func compare(ctx context.Context, in io.ReaderAt, size int64, t *schemas.Table, f load.ManifestFile) (int64, error) {
	if size != f.Bytes {
		return 0, fmt.Errorf("the file has %d bytes, not %d", size, f.Bytes)
	}
	sum, err := readBack(ctx, in, size, t)
	if err != nil {
		return sum.Rows, fmt.Errorf("the file can't be read: %w", err)
	}
	if sum.Rows != f.Rows {
		return sum.Rows, fmt.Errorf("the file has %d rows, not %d", sum.Rows, f.Rows)
	}
	if got := sum.Digest(); got != f.Digest {
		return sum.Rows, fmt.Errorf("the rows of the file have the digest %s, not %s", got, f.Digest)
	}
	return sum.Rows, nil
}

// checkSchema compares the file's columns with the table's, whose types are
// written down here a second time, independently of the writer.
func checkSchema(got []*parquet.SchemaElement, t *schemas.Table) error {
	if len(got) == 0 {
		return errors.New("the file has no schema")
	}
	var have []string
	for _, e := range got[1:] {
		have = append(have, describe(e))
	}
	want := expected(t)
	if slices.Equal(have, want) && int(got[0].GetNumChildren()) == len(t.Columns) && got[0].GetRepetitionType() == parquet.FieldRepetitionType_REQUIRED {
		return nil
	}
	for i, w := range want {
		if i >= len(have) || have[i] != w {
			return fmt.Errorf("the file has another schema: element %d should be %q, the file has %q", i, w, slices.Concat(have, []string{""})[min(i, len(have))])
		}
	}
	return errors.New("the file has another schema: another root or more columns")
}

func describe(e *parquet.SchemaElement) string {
	text := fmt.Sprintf("%s %s", e.GetName(), e.GetRepetitionType())
	if e.IsSetType() {
		text += " " + e.GetType().String()
	}
	if e.IsSetConvertedType() {
		text += " " + e.GetConvertedType().String()
	}
	if e.IsSetPrecision() && e.GetConvertedType() == parquet.ConvertedType_DECIMAL {
		text += fmt.Sprintf("(%d,%d)", e.GetPrecision(), e.GetScale())
	}
	if e.GetNumChildren() > 0 {
		text += fmt.Sprintf(" of %d", e.GetNumChildren())
	}
	return text
}

// expected lists the elements of the table's schema, as describe words them.
func expected(t *schemas.Table) (out []string) {
	for _, c := range t.Columns {
		rep := "REQUIRED"
		if c.Nullable {
			rep = "OPTIONAL"
		}
		if c.Kind == schemas.Map {
			out = append(out, c.Name+" "+rep+" MAP of 1", "key_value REPEATED of 2",
				"key REQUIRED BYTE_ARRAY UTF8", "value OPTIONAL BYTE_ARRAY UTF8")
			continue
		}
		out = append(out, c.Name+" "+rep+" "+physical(c.Kind))
	}
	return out
}

func physical(k schemas.Kind) string {
	switch k {
	case schemas.Int:
		return "INT64 INT_64"
	case schemas.Money:
		return fmt.Sprintf("INT64 DECIMAL(%d,%d)", schemas.MoneyPrecision, schemas.MoneyScale)
	case schemas.Time:
		return "INT64 TIMESTAMP_MILLIS"
	case schemas.Date:
		return "INT32 DATE"
	case schemas.Bool:
		return "BOOLEAN"
	default:
		return "BYTE_ARRAY UTF8"
	}
}

// independent is a file as parquet-go reads it.
type independent struct {
	in     io.ReaderAt
	size   int64
	schema *schema.SchemaHandler
	table  *schemas.Table
	row    []byte
}

// section is a part of the file that parquet-go takes for a file.
type section struct{ *io.SectionReader }

func (f *independent) section(offset, size int64) section {
	return section{io.NewSectionReader(f.in, offset, size)}
}

var errReadOnly = errors.New("the file is only read")

// Write implements source.ParquetFile.
func (section) Write([]byte) (int, error) { return 0, errReadOnly }

// Close implements source.ParquetFile; the file is another's.
func (section) Close() error { return nil }

// Open implements source.ParquetFile.
func (section) Open(string) (source.ParquetFile, error) { return nil, errReadOnly }

// Create implements source.ParquetFile.
func (section) Create(string) (source.ParquetFile, error) { return nil, errReadOnly }

// readGroup puts the rows of a row group together from its columns, and adds them up.
func (f *independent) readGroup(ctx context.Context, group *parquet.RowGroup, sum *load.Sum) error {
	if n := group.GetNumRows(); n < 0 || n > maxGroupRows {
		return fmt.Errorf("it has %d rows, at most %d are allowed", n, maxGroupRows)
	}
	cols, err := f.columns(group)
	if err != nil {
		return err
	}
	for i := range group.GetNumRows() {
		if i%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f.row = f.row[:0]
		for _, c := range cols {
			if f.row, err = c.append(f.row); err != nil {
				return fmt.Errorf("row %d, column %s: %w", i, c.name, err)
			}
		}
		sum.Add(f.row)
	}
	for _, c := range cols {
		if err := c.end(); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return nil
}
