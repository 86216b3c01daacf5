package row

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
)

// sample is a row of a table with every nullable column set or null.
func sample(t *schemas.Table, full bool) []byte { return sampleWith(t, full, "", nil) }

// sampleWith is a sample in which one column has another value.
func sampleWith(t *schemas.Table, full bool, column string, value []byte) (dst []byte) {
	for _, c := range t.Columns {
		if c.Name == column {
			dst = append(dst, value...)
			continue
		}
		if c.Nullable && !full {
			dst = AppendNull(dst)
			continue
		}
		if c.Nullable {
			dst = AppendPresent(dst)
		}
		switch c.Kind {
		case schemas.Text, schemas.Enum:
			dst = AppendText(dst, c.Name)
		case schemas.Bool:
			dst = AppendBool(dst, full)
		case schemas.Map:
			dst = AppendCount(dst, 2)
			for _, s := range []string{"a", "1", "b", ""} {
				dst = AppendText(dst, s)
			}
		default:
			dst = AppendInt(dst, 5)
		}
	}
	return dst
}

// FuzzRow decodes what may be a row of a table. One that is taken is encoded to
// the same bytes; one that is not has a reason.
func FuzzRow(f *testing.F) {
	for _, t := range schemas.Tables() {
		f.Add(uint8(t.ID), sample(t, true))
		f.Add(uint8(t.ID), sample(t, false))
	}
	f.Fuzz(func(t *testing.T, id uint8, text []byte) {
		if int(id) >= schemas.NumTables {
			return
		}
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		defer mem.AssertSize(t, 0)
		table := schemas.Get(schemas.ID(id))
		d := NewDecoder(mem, table)
		defer d.Release()
		if err := d.Append(text); err != nil {
			if err.Error() == "" {
				t.Error("it failed without a reason")
			}
			return
		}
		rec := d.Record()
		defer rec.Release()
		var e Encoder
		if err := e.Bind(table, rec); err != nil {
			t.Fatal(err)
		}
		again, err := e.Append(nil, 0)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%s: %v\n%x became\n%x", table.Name, err, text, again)
		}
	})
}

func TestOnlyWhatCanBeWrittenIsRead(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	try := func(id schemas.ID, column string, value []byte) error {
		d := NewDecoder(mem, schemas.Get(id))
		defer d.Release()
		return d.Append(sampleWith(schemas.Get(id), true, column, value))
	}
	given := func(value []byte) []byte { return append(AppendPresent(nil), value...) }
	two := func(a, b string) (dst []byte) {
		dst = AppendCount(dst, 2)
		for _, s := range []string{a, "", b, ""} {
			dst = AppendText(dst, s)
		}
		return dst
	}
	for name, c := range map[string]struct {
		table  schemas.ID
		column string
		value  []byte
		ok     bool
	}{
		"true":                 {schemas.Visits, "is_mobile", given([]byte{1}), true},
		"neither true nor not": {schemas.Visits, "is_mobile", given([]byte{2}), false},
		"neither null nor not": {schemas.Visits, "is_mobile", []byte{2, 1}, false},
		"the last day":         {schemas.Clients, "birth_date", given(AppendInt(nil, 1<<31-1)), true},
		"a day too many":       {schemas.Clients, "birth_date", given(AppendInt(nil, 1<<31)), false},
		"the largest amount":   {schemas.Orders, "revenue", given(AppendInt(nil, maxMoney-1)), true},
		"a cent too many":      {schemas.Orders, "revenue", given(AppendInt(nil, maxMoney)), false},
		"keys in order":        {schemas.Orders, "fields", two("a", "b"), true},
		"keys out of order":    {schemas.Orders, "fields", two("b", "a"), false},
		"a key twice":          {schemas.Orders, "fields", two("a", "a"), false},
		"a byte too many":      {schemas.Rejects, "raw", append(AppendNull(nil), 0), false},
		"a byte too few":       {schemas.Rejects, "raw", given(AppendText(nil, "a")[:4]), false},
		"nothing":              {schemas.Rejects, "raw", nil, false},
	} {
		if err := try(c.table, c.column, c.value); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
