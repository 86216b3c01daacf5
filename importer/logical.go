package importer

import (
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"reflect"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/google/uuid"
)

// logicalType is a type of Parquet that the library doesn't hand on, or not rightly:
// it gives a UUID as bare bytes, turns some negative decimal numbers into others, and
// days before 1677 that are written as INT96 into later ones. Its storage holds the
// bytes as they are in the file.
type logicalType struct {
	arrow.ExtensionBase
	name string
	text func(stored []byte) value
}

// logicalArray is what the library makes of a logicalType.
type logicalArray struct{ array.ExtensionArrayBase }

// ArrayType implements arrow.ExtensionType.
func (*logicalType) ArrayType() reflect.Type { return reflect.TypeFor[logicalArray]() }

// ExtensionName implements arrow.ExtensionType.
func (t *logicalType) ExtensionName() string { return "roistat-etl." + t.name }

// Serialize implements arrow.ExtensionType.
func (*logicalType) Serialize() string { return "" }

// Deserialize implements arrow.ExtensionType.
func (t *logicalType) Deserialize(arrow.DataType, string) (arrow.ExtensionType, error) { return t, nil }

// ExtensionEquals implements arrow.ExtensionType.
func (t *logicalType) ExtensionEquals(other arrow.ExtensionType) bool {
	return t.ExtensionName() == other.ExtensionName() && arrow.TypeEqual(t.StorageType(), other.StorageType())
}

// value is the text of a stored value that is not null. A duration, which Parquet
// stores as any number, has none.
func (t *logicalType) value(storage arrow.Array, i int) value {
	if t.text == nil {
		return unusable(storage.ValueStr(i), "a value of the type %s has no text", t.name)
	}
	switch c := storage.(type) {
	case *array.FixedSizeBinary:
		return t.text(c.Value(i))
	case *array.Binary:
		return t.text(c.Value(i))
	case *array.Int32: // whose values are as long as those of the file
		from := (c.Data().Offset() + i) * parquet.Int96SizeBytes
		return t.text(c.Data().Buffers()[1].Bytes()[from : from+parquet.Int96SizeBytes])
	}
	return unusable(storage.ValueStr(i), "a value of the type %s is not stored as %s", t.name, storage.DataType())
}

// logicalOf is the type of a leaf's values where the library's won't do; else nil.
func logicalOf(leaf *schema.Column) arrow.DataType {
	fixed := &arrow.FixedSizeBinaryType{ByteWidth: leaf.TypeLength()}
	physical := leaf.PhysicalType()
	is := func(storage arrow.DataType, name string, text func([]byte) value) arrow.DataType {
		return &logicalType{ExtensionBase: arrow.ExtensionBase{Storage: storage}, name: name, text: text}
	}
	if physical == parquet.Types.Int96 {
		return is(arrow.PrimitiveTypes.Int32, "int96", int96Value)
	}
	if !leaf.LogicalType().IsValid() || leaf.LogicalType().Equals(schema.NullLogicalType{}) {
		return undeclared(physical, fixed)
	}
	switch logical := leaf.LogicalType().(type) {
	case schema.UUIDLogicalType:
		return is(fixed, "uuid", uuidValue)
	case schema.IntervalLogicalType:
		return is(fixed, "interval", noText("an interval has no text"))
	case schema.BSONLogicalType:
		return is(arrow.BinaryTypes.Binary, "bson", noText("BSON has no text"))
	case schema.EnumLogicalType, schema.JSONLogicalType:
		return arrow.BinaryTypes.String
	case *schema.DecimalLogicalType:
		text := func(b []byte) value { return decimalValue(bigEndian(b), logical.Scale()) }
		switch physical {
		case parquet.Types.FixedLenByteArray:
			return is(fixed, "decimal", text)
		case parquet.Types.ByteArray:
			return is(arrow.BinaryTypes.Binary, "decimal", text)
		}
	}
	return nil
}

// undeclared is the type of a column that should hold nulls alone, or whose type the
// library doesn't know: it takes every value of these for null.
func undeclared(physical parquet.Type, fixed arrow.DataType) arrow.DataType {
	storage := map[parquet.Type]arrow.DataType{
		parquet.Types.Int32: arrow.PrimitiveTypes.Int32, parquet.Types.Int64: arrow.PrimitiveTypes.Int64,
		parquet.Types.Float: arrow.PrimitiveTypes.Float32, parquet.Types.Double: arrow.PrimitiveTypes.Float64,
		parquet.Types.ByteArray: arrow.BinaryTypes.Binary, parquet.Types.FixedLenByteArray: fixed,
	}[physical]
	if storage == nil {
		return arrow.FixedWidthTypes.Boolean
	}
	return &logicalType{ExtensionBase: arrow.ExtensionBase{Storage: storage}, name: "unknown"}
}

// noText refuses values that are no text.
func noText(why string) func([]byte) value {
	return func(b []byte) value { return unusable("0x"+hex.EncodeToString(b), "%s", why) }
}

func uuidValue(b []byte) value {
	id, err := uuid.FromBytes(b)
	if err != nil {
		return noText("it is no UUID")(b)
	}
	return value{text: id.String()}
}

// bigEndian reads a number in two's complement, as Parquet stores decimals.
func bigEndian(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// int96Value reads nanoseconds of a day and the Julian number of the day.
func int96Value(b []byte) value {
	const epoch = 2440588 // 1970-01-01
	nanos, day := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint32(b[8:]))
	if nanos >= uint64(24*time.Hour) {
		return noText("it is no time")(b)
	}
	return instantValue(time.Unix((day-epoch)*24*60*60, int64(nanos)).UTC(), true)
}

// declareTypes gives the leaves of a field their types, and what holds them its own.
// stored is the type that Arrow's schema within the file names, or nil.
func declareTypes(field *pqarrow.SchemaField, stored arrow.DataType, file *schema.Schema) {
	if len(field.Children) == 0 {
		leaf := file.Column(field.ColIndex)
		if t := logicalOf(leaf); t != nil {
			field.Field.Type = t
		}
		if stored != nil && stored.ID() == arrow.DURATION && leaf.PhysicalType() == parquet.Types.Int64 {
			field.Field.Type = &logicalType{ExtensionBase: arrow.ExtensionBase{Storage: arrow.PrimitiveTypes.Int64}, name: "duration"}
		}
		return
	}
	for i := range field.Children {
		declareTypes(&field.Children[i], childOf(stored, i), file)
	}
	child := func(i int) arrow.Field { return *field.Children[i].Field }
	switch t := field.Field.Type.(type) {
	case *arrow.StructType:
		fields := make([]arrow.Field, len(field.Children))
		for i := range fields {
			fields[i] = child(i)
		}
		field.Field.Type = arrow.StructOf(fields...)
	case *arrow.MapType:
		pair := child(0).Type.(*arrow.StructType)
		field.Field.Type = arrow.MapOf(pair.Field(0).Type, pair.Field(1).Type)
	case *arrow.ListType:
		element := t.ElemField()
		element.Type = child(0).Type
		field.Field.Type = arrow.ListOfField(element)
	}
}

// childOf is the type of a part of a stored type.
func childOf(stored arrow.DataType, i int) arrow.DataType {
	switch t := stored.(type) {
	case *arrow.StructType:
		if i < t.NumFields() {
			return t.Field(i).Type
		}
	case *arrow.MapType:
		return t.Elem()
	case arrow.ListLikeType:
		return t.Elem()
	}
	return nil
}
