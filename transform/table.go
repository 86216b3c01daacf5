package transform

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
)

// table collects the rows of one table for the present batch.
type table struct {
	decl    *schemas.Table
	columns []*column
}

func newTable(decl *schemas.Table) *table {
	t := &table{decl: decl}
	for _, c := range decl.Columns {
		t.columns = append(t.columns, newColumn(c.Kind, c.Nullable))
	}
	return t
}

// column returns the collector of a column that the declaration has.
func (t *table) column(name string) *column { return t.columns[t.decl.Column(name)] }

func (t *table) rows() int { return t.columns[0].rows }

func (t *table) reset() {
	for _, c := range t.columns {
		c.reset()
	}
}

func (t *table) check() error {
	for i, c := range t.columns {
		if err := c.check(); err != nil {
			return fmt.Errorf("%s.%s: %w", t.decl.Name, t.decl.Columns[i].Name, err)
		}
	}
	return nil
}

// record copies the rows into a record batch, nil if there are none. The caller releases it.
func (t *table) record(mem memory.Allocator) arrow.Record {
	if t.rows() == 0 {
		return nil
	}
	schema := t.decl.Arrow()
	arrays := make([]arrow.Array, len(t.columns))
	for i, c := range t.columns {
		data := c.data(mem, schema.Field(i).Type)
		arrays[i] = array.MakeFromData(data)
		data.Release()
	}
	record := array.NewRecord(schema, arrays, int64(t.rows()))
	for _, a := range arrays {
		a.Release()
	}
	return record
}
