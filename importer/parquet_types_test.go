package importer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// physicalTypes and logicalTypes are all that Parquet has, for values that are no groups.
var physicalTypes = []parquet.Type{parquet.Types.Boolean, parquet.Types.Int32, parquet.Types.Int64, parquet.Types.Int96,
	parquet.Types.Float, parquet.Types.Double, parquet.Types.ByteArray, parquet.Types.FixedLenByteArray}

func logicalTypes() []schema.LogicalType {
	list := []schema.LogicalType{schema.NoLogicalType{}, schema.StringLogicalType{}, schema.EnumLogicalType{}, schema.JSONLogicalType{}, schema.BSONLogicalType{},
		schema.UUIDLogicalType{}, schema.IntervalLogicalType{}, schema.Float16LogicalType{}, schema.DateLogicalType{}, schema.NullLogicalType{}, schema.NewDecimalLogicalType(6, 2)}
	for _, unit := range []schema.TimeUnitType{schema.TimeUnitMillis, schema.TimeUnitMicros, schema.TimeUnitNanos} {
		list = append(list, schema.NewTimeLogicalType(false, unit), schema.NewTimestampLogicalType(false, unit), schema.NewTimestampLogicalType(true, unit))
	}
	for _, width := range []int8{8, 16, 32, 64} {
		list = append(list, schema.NewIntLogicalType(width, true), schema.NewIntLogicalType(width, false))
	}
	return list
}

// storedWant is what becomes of the value -5, or of what is put instead of it, by
// physical and logical type; "!" begins a fault.
var storedWant = map[string]string{
	"BOOLEAN None": "true", "INT32 None": "-5", "INT64 None": "-5", "INT96 None": "0001-01-01", "FLOAT None": "-5", "DOUBLE None": "-5", "BYTE_ARRAY None": "ab", "FIXED_LEN_BYTE_ARRAY None": "abcd",
	"BYTE_ARRAY String": "ab", "BYTE_ARRAY Enum": "ab", "BYTE_ARRAY JSON": "ab", "BYTE_ARRAY BSON": "!BSON has no text",
	"FIXED_LEN_BYTE_ARRAY UUID": "20202020-2020-2020-2020-202020202020", "FIXED_LEN_BYTE_ARRAY Interval": "!interval has no text", "FIXED_LEN_BYTE_ARRAY Float16": "1.5",
	"INT32 Date": "1969-12-27", "INT32 Decimal(precision=6, scale=2)": "-0.05", "INT64 Decimal(precision=6, scale=2)": "-0.05",
	"BYTE_ARRAY Decimal(precision=6, scale=2)": "-12.34", "FIXED_LEN_BYTE_ARRAY Decimal(precision=6, scale=2)": "-12.34",
	"INT32 Time(isAdjustedToUTC=false, timeUnit=milliseconds)": "!no time of a day", "INT64 Time(isAdjustedToUTC=false, timeUnit=microseconds)": "!no time of a day", "INT64 Time(isAdjustedToUTC=false, timeUnit=nanoseconds)": "!no time of a day",
	"INT64 Timestamp(isAdjustedToUTC=false, timeUnit=milliseconds, is_from_converted_type=false, force_set_converted_type=false)": "1969-12-31T23:59:59.995",
	"INT64 Timestamp(isAdjustedToUTC=true, timeUnit=milliseconds, is_from_converted_type=false, force_set_converted_type=false)":  "1969-12-31T23:59:59.995Z",
	"INT64 Timestamp(isAdjustedToUTC=false, timeUnit=microseconds, is_from_converted_type=false, force_set_converted_type=false)": "1969-12-31T23:59:59.999995",
	"INT64 Timestamp(isAdjustedToUTC=true, timeUnit=microseconds, is_from_converted_type=false, force_set_converted_type=false)":  "1969-12-31T23:59:59.999995Z",
	"INT64 Timestamp(isAdjustedToUTC=false, timeUnit=nanoseconds, is_from_converted_type=false, force_set_converted_type=false)":  "1969-12-31T23:59:59.999999995",
	"INT64 Timestamp(isAdjustedToUTC=true, timeUnit=nanoseconds, is_from_converted_type=false, force_set_converted_type=false)":   "1969-12-31T23:59:59.999999995Z",
	"INT32 Int(bitWidth=8, isSigned=true)": "-5", "INT32 Int(bitWidth=16, isSigned=true)": "-5", "INT32 Int(bitWidth=32, isSigned=true)": "-5", "INT64 Int(bitWidth=64, isSigned=true)": "-5",
	"INT32 Int(bitWidth=8, isSigned=false)": "251", "INT32 Int(bitWidth=16, isSigned=false)": "65531", "INT32 Int(bitWidth=32, isSigned=false)": "4294967291", "INT64 Int(bitWidth=64, isSigned=false)": "18446744073709551611",
	"INT32 Null": "!unknown has no text", "INT64 Null": "!unknown has no text", "FLOAT Null": "!unknown has no text", "DOUBLE Null": "!unknown has no text", "BYTE_ARRAY Null": "!unknown has no text", "FIXED_LEN_BYTE_ARRAY Null": "!unknown has no text",
	"BOOLEAN Null": "true", "INT96 Null": "0001-01-01",
}

// TestEveryParquetTypeHasItsTextOrIsRefused writes a value and a null of every type
// that Parquet allows.
func TestEveryParquetTypeHasItsTextOrIsRefused(t *testing.T) {
	tried := 0
	for _, physical := range physicalTypes {
		for _, logical := range logicalTypes() {
			length := map[string]int{"UUID": 16, "Interval": 12, "Float16": 2, "None": 4, "Null": 4}[logical.String()]
			if length == 0 {
				length = 3
			}
			leaf, err := schema.NewPrimitiveNodeLogical("x", parquet.Repetitions.Optional, logical, physical, length, -1)
			if err != nil {
				continue // Parquet has no such type
			}
			tried++
			name := physical.String() + " " + logical.String()
			t.Run(name, func(t *testing.T) {
				want, known := storedWant[name]
				if !known {
					t.Fatal("nobody says what becomes of it")
				}
				tryParquet(t, leaf, want)
			})
		}
	}
	if tried != len(storedWant) {
		t.Errorf("%d types, %d are known", tried, len(storedWant))
	}
}

func tryParquet(t *testing.T, leaf *schema.PrimitiveNode, want string) {
	r, faults, err := checked(t, write(t, "a.parquet", typedFile(t, leaf)))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[bool]string{true: "", false: fmt.Sprintf(`,"fields":{"x":%q}`, want)}
	first, refused := `{"id":"1","name":"A"%s}`, strings.HasPrefix(want, "!")
	if refused {
		if len(faults) != 1 || faults[0].Field != "fields.x" || faults[0].Line != 1 || !strings.Contains(faults[0].Text, want[1:]) {
			t.Errorf("%+v, want a fault like %s", faults, want)
		}
		first = `{"id":"2","name":"B"%s}`
	} else if len(faults) > 0 {
		t.Errorf("%+v", faults)
	}
	if len(r.First) == 0 || r.First[0] != fmt.Sprintf(first, fields[refused]) || r.First[len(r.First)-1] != `{"id":"2","name":"B"}` {
		t.Errorf("%q, want %q", r.First, want)
	}
}

// typedFile is a Parquet file of the clients 1 and 2, of whom 1 has a value in a
// column of its own type, and 2 null.
func typedFile(t *testing.T, leaf *schema.PrimitiveNode) string {
	t.Helper()
	text := func(name string) schema.Node {
		node, err := schema.NewPrimitiveNodeLogical(name, parquet.Repetitions.Required, schema.StringLogicalType{}, parquet.Types.ByteArray, -1, -1)
		if err != nil {
			t.Fatal(err)
		}
		return node
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{text("id"), text("name"), leaf}, -1)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := file.NewParquetWriter(&b, root)
	group := w.AppendRowGroup()
	for column := range 3 {
		c, err := group.NextColumn()
		if err != nil {
			t.Fatal(err)
		}
		if column < 2 {
			_, err = c.(*file.ByteArrayColumnChunkWriter).WriteBatch([][]parquet.ByteArray{{[]byte("1"), []byte("2")}, {[]byte("A"), []byte("B")}}[column], nil, nil)
		} else {
			err = writeStored(c, leaf)
		}
		if err := errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(group.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// writeStored writes a value and a null.
func writeStored(c file.ColumnChunkWriter, leaf *schema.PrimitiveNode) (err error) {
	levels := []int16{1, 0}
	_, decimal := leaf.LogicalType().(*schema.DecimalLogicalType)
	text := map[string]string{"UUID": strings.Repeat(" ", 16), "Interval": "abcdefghijkl", "Float16": "\x00\x3e"}[leaf.LogicalType().String()]
	switch {
	case decimal:
		text = "\xff\xfb\x2e"
	case text == "" && leaf.PhysicalType() == parquet.Types.FixedLenByteArray:
		text = "abcd"
	case text == "":
		text = "ab"
	}
	switch c := c.(type) {
	case *file.BooleanColumnChunkWriter:
		_, err = c.WriteBatch([]bool{true}, levels, nil)
	case *file.Int32ColumnChunkWriter:
		_, err = c.WriteBatch([]int32{-5}, levels, nil)
	case *file.Int64ColumnChunkWriter:
		_, err = c.WriteBatch([]int64{-5}, levels, nil)
	case *file.Int96ColumnChunkWriter:
		var x parquet.Int96
		binary.LittleEndian.PutUint32(x[8:], 1721426)
		_, err = c.WriteBatch([]parquet.Int96{x}, levels, nil)
	case *file.Float32ColumnChunkWriter:
		_, err = c.WriteBatch([]float32{-5}, levels, nil)
	case *file.Float64ColumnChunkWriter:
		_, err = c.WriteBatch([]float64{-5}, levels, nil)
	case *file.ByteArrayColumnChunkWriter:
		_, err = c.WriteBatch([]parquet.ByteArray{[]byte(text)}, levels, nil)
	case *file.FixedLenByteArrayColumnChunkWriter:
		_, err = c.WriteBatch([]parquet.FixedLenByteArray{[]byte(text)}, levels, nil)
	}
	return err
}
