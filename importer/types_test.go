package importer

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/decimal256"
	"github.com/apache/arrow/go/v17/arrow/float16"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// arrowTypes is every type that the library knows.
func arrowTypes() (list []arrow.Type) {
	for t := arrow.Type(0); !strings.HasPrefix(t.String(), "Type("); t++ {
		list = append(list, t)
	}
	return list
}

// sample is a value of a type and what becomes of it: a text, or "!" and the fault.
type sample struct {
	typ    arrow.DataType
	append func(array.Builder)
	want   string
}

func samples() map[arrow.Type][]sample {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	text := arrow.BinaryTypes.String
	appendText := func(s string) func(array.Builder) {
		return func(b array.Builder) {
			if err := b.AppendValueFromString(s); err != nil {
				panic(err)
			}
		}
	}
	bytes := func(b string) func(array.Builder) {
		return func(builder array.Builder) { builder.(interface{ Append([]byte) }).Append([]byte(b)) }
	}
	number := func(typ arrow.DataType, s string) []sample { return []sample{{typ, appendText(s), s}} }
	inner := func(b array.Builder) { b.(*array.StringBuilder).Append("я") }
	list := func(b array.Builder) {
		b.(array.ListLikeBuilder).Append(true)
		inner(b.(array.ListLikeBuilder).ValueBuilder())
		b.(array.ListLikeBuilder).ValueBuilder().AppendNull()
	}
	nan := func(b array.Builder) {
		b.(array.ListLikeBuilder).Append(true)
		b.(array.ListLikeBuilder).ValueBuilder().(*array.Float64Builder).Append(math.NaN())
	}
	float := func(x float64) func(array.Builder) {
		return func(b array.Builder) {
			switch b := b.(type) {
			case *array.Float16Builder:
				b.Append(float16.New(float32(x)))
			case *array.Float32Builder:
				b.Append(float32(x))
			case *array.Float64Builder:
				b.Append(x)
			}
		}
	}
	floats := func(typ arrow.DataType) []sample {
		return []sample{{typ, float(1.5), "1.5"}, {typ, float(-1024), "-1024"}, {typ, float(math.NaN()), "!no number"}, {typ, float(math.Inf(-1)), "!no number"}, {typ, float(math.Inf(1)), "!no number"}}
	}
	d128, d256 := &arrow.Decimal128Type{Precision: 10, Scale: 2}, &arrow.Decimal256Type{Precision: 50, Scale: 3}
	union := []arrow.Field{nullable("a", text), nullable("b", arrow.PrimitiveTypes.Float64)}
	return map[arrow.Type][]sample{
		arrow.NULL: {{arrow.Null, func(b array.Builder) { b.AppendNull() }, ""}},
		arrow.BOOL: number(arrow.FixedWidthTypes.Boolean, "true"),
		arrow.INT8: number(arrow.PrimitiveTypes.Int8, "-128"), arrow.UINT8: number(arrow.PrimitiveTypes.Uint8, "255"),
		arrow.INT16: number(arrow.PrimitiveTypes.Int16, "-32768"), arrow.UINT16: number(arrow.PrimitiveTypes.Uint16, "65535"),
		arrow.INT32: number(arrow.PrimitiveTypes.Int32, "-2147483648"), arrow.UINT32: number(arrow.PrimitiveTypes.Uint32, "4294967295"),
		arrow.INT64: number(arrow.PrimitiveTypes.Int64, "-9223372036854775808"), arrow.UINT64: number(arrow.PrimitiveTypes.Uint64, "18446744073709551615"),
		arrow.FLOAT16: floats(arrow.FixedWidthTypes.Float16), arrow.FLOAT32: floats(arrow.PrimitiveTypes.Float32),
		arrow.FLOAT64:      append(floats(arrow.PrimitiveTypes.Float64), sample{arrow.PrimitiveTypes.Float64, float(79161234567), "79161234567"}),
		arrow.STRING:       {{text, appendText("Боб"), "Боб"}, {text, appendText("a\xff"), "!not UTF-8"}},
		arrow.LARGE_STRING: {{arrow.BinaryTypes.LargeString, appendText("Боб"), "Боб"}, {arrow.BinaryTypes.LargeString, appendText("\xff"), "!not UTF-8"}},
		arrow.STRING_VIEW:  {{arrow.BinaryTypes.StringView, func(b array.Builder) { b.(*array.StringViewBuilder).Append("Боб, который длиннее") }, "Боб, который длиннее"}},
		arrow.BINARY:       {{arrow.BinaryTypes.Binary, bytes("Боб\t"), "Боб\t"}, {arrow.BinaryTypes.Binary, bytes("a\xff"), "!no text"}, {arrow.BinaryTypes.Binary, bytes("a\x00"), "!no text"}},
		arrow.LARGE_BINARY: {{arrow.BinaryTypes.LargeBinary, bytes("Боб"), "Боб"}, {arrow.BinaryTypes.LargeBinary, bytes("\x1b"), "!no text"}},
		arrow.BINARY_VIEW:  {{arrow.BinaryTypes.BinaryView, bytes("Боб"), "Боб"}, {arrow.BinaryTypes.BinaryView, bytes("\xc2\x85"), "!no text"}},
		arrow.FIXED_SIZE_BINARY: {{&arrow.FixedSizeBinaryType{ByteWidth: 3}, bytes("abc"), "abc"}, {&arrow.FixedSizeBinaryType{ByteWidth: 3}, bytes("ab\x00"), "!no text"},
			{&arrow.FixedSizeBinaryType{ByteWidth: 16}, bytes(strings.Repeat("\x00", 16)), "!no text"}},
		arrow.DATE32: {{arrow.FixedWidthTypes.Date32, func(b array.Builder) { b.(*array.Date32Builder).Append(arrow.Date32FromTime(day)) }, "2026-01-02"},
			{arrow.FixedWidthTypes.Date32, func(b array.Builder) { b.(*array.Date32Builder).Append(math.MaxInt32) }, "!between 1 and 9999"}},
		arrow.DATE64: {{arrow.FixedWidthTypes.Date64, func(b array.Builder) { b.(*array.Date64Builder).Append(arrow.Date64FromTime(day)) }, "2026-01-02"}},
		arrow.TIMESTAMP: {{arrow.FixedWidthTypes.Timestamp_ms, func(b array.Builder) { b.(*array.TimestampBuilder).Append(arrow.Timestamp(day.UnixMilli())) }, "2026-01-02"},
			{arrow.FixedWidthTypes.Timestamp_us, func(b array.Builder) { b.(*array.TimestampBuilder).Append(arrow.Timestamp(day.UnixMicro() + 1)) }, "2026-01-02T00:00:00.000001Z"},
			{&arrow.TimestampType{Unit: arrow.Nanosecond}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(arrow.Timestamp(day.UnixNano() + 1)) }, "2026-01-02T00:00:00.000000001"},
			{&arrow.TimestampType{Unit: arrow.Second}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(math.MaxInt64 / 1000) }, "!between 1 and 9999"}},
		arrow.TIME32: {{arrow.FixedWidthTypes.Time32ms, func(b array.Builder) { b.(*array.Time32Builder).Append(3723004) }, "01:02:03.004"},
			{arrow.FixedWidthTypes.Time32s, func(b array.Builder) { b.(*array.Time32Builder).Append(86400) }, "24:00:00"}, {arrow.FixedWidthTypes.Time32s, func(b array.Builder) { b.(*array.Time32Builder).Append(-1) }, "!no time of a day"}},
		arrow.TIME64: {{arrow.FixedWidthTypes.Time64us, func(b array.Builder) { b.(*array.Time64Builder).Append(3723000004) }, "01:02:03.000004"},
			{arrow.FixedWidthTypes.Time64ns, func(b array.Builder) { b.(*array.Time64Builder).Append(math.MaxInt64) }, "!no time of a day"}},
		arrow.DURATION:          {{arrow.FixedWidthTypes.Duration_s, func(b array.Builder) { b.(*array.DurationBuilder).Append(5) }, "!duration[s] has no text"}},
		arrow.INTERVAL_MONTHS:   {{arrow.FixedWidthTypes.MonthInterval, func(b array.Builder) { b.(*array.MonthIntervalBuilder).Append(5) }, "!has no text"}},
		arrow.INTERVAL_DAY_TIME: {{arrow.FixedWidthTypes.DayTimeInterval, func(b array.Builder) { b.(*array.DayTimeIntervalBuilder).Append(arrow.DayTimeInterval{Days: 1}) }, "!has no text"}},
		arrow.INTERVAL_MONTH_DAY_NANO: {{arrow.FixedWidthTypes.MonthDayNanoInterval, func(b array.Builder) {
			b.(*array.MonthDayNanoIntervalBuilder).Append(arrow.MonthDayNanoInterval{Days: 1})
		}, "!has no text"}},
		arrow.DECIMAL128: {{d128, func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(1250)) }, "12.50"}, {d128, func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(-5)) }, "-0.05"},
			{&arrow.Decimal128Type{Precision: 10, Scale: -2}, func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(-5)) }, "-500"}},
		arrow.DECIMAL256: {{d256, func(b array.Builder) { b.(*array.Decimal256Builder).Append(decimal256.FromI64(-1)) }, "-0.001"}},
		arrow.LIST:       {{arrow.ListOf(text), list, `["я",null]`}, {arrow.ListOf(arrow.PrimitiveTypes.Float64), nan, "!no number"}},
		arrow.LARGE_LIST: {{arrow.LargeListOf(text), list, `["я",null]`}, {arrow.LargeListOf(arrow.PrimitiveTypes.Float64), nan, "!no number"}},
		arrow.LIST_VIEW: {{arrow.ListViewOf(text), func(b array.Builder) {
			b.(*array.ListViewBuilder).AppendWithSize(true, 2)
			inner(b.(*array.ListViewBuilder).ValueBuilder())
			b.(*array.ListViewBuilder).ValueBuilder().AppendNull()
		}, `["я",null]`}},
		arrow.LARGE_LIST_VIEW: {{arrow.LargeListViewOf(text), func(b array.Builder) {
			b.(*array.LargeListViewBuilder).AppendWithSize(true, 1)
			inner(b.(*array.LargeListViewBuilder).ValueBuilder())
		}, `["я"]`}},
		arrow.FIXED_SIZE_LIST: {{arrow.FixedSizeListOf(2, text), list, `["я",null]`}},
		arrow.STRUCT: {{arrow.StructOf(nullable("a", text), nullable("b", arrow.PrimitiveTypes.Int8), nullable("c", arrow.Null)), func(b array.Builder) {
			s := b.(*array.StructBuilder)
			s.Append(true)
			s.FieldBuilder(0).(*array.StringBuilder).Append("")
			s.FieldBuilder(1).(*array.Int8Builder).Append(7)
			s.FieldBuilder(2).AppendNull()
		}, `{"a":"","b":7,"c":null}`}, {arrow.StructOf(nullable("a", arrow.PrimitiveTypes.Float64)), func(b array.Builder) {
			b.(*array.StructBuilder).Append(true)
			float(math.Inf(1))(b.(*array.StructBuilder).FieldBuilder(0))
		}, "!no number"}},
		arrow.MAP: {{arrow.MapOf(text, arrow.PrimitiveTypes.Float64), func(b array.Builder) {
			m := b.(*array.MapBuilder)
			m.Append(true)
			inner(m.KeyBuilder())
			float(1.5)(m.ItemBuilder())
		}, `[{"key":"я","value":1.5}]`}, {arrow.MapOf(text, arrow.PrimitiveTypes.Float64), func(b array.Builder) {
			m := b.(*array.MapBuilder)
			m.Append(true)
			inner(m.KeyBuilder())
			float(math.NaN())(m.ItemBuilder())
		}, "!no number"}},
		arrow.SPARSE_UNION: {{arrow.SparseUnionOf(union, []arrow.UnionTypeCode{0, 1}), func(b array.Builder) {
			u := b.(*array.SparseUnionBuilder)
			u.Append(1)
			u.Child(0).AppendEmptyValue()
			float(2.5)(u.Child(1))
		}, "2.5"}},
		arrow.DENSE_UNION: {{arrow.DenseUnionOf(union, []arrow.UnionTypeCode{0, 1}), func(b array.Builder) {
			u := b.(*array.DenseUnionBuilder)
			u.Append(1)
			float(math.NaN())(u.Child(1))
		}, "!no number"}},
		arrow.DICTIONARY: {{&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: text}, func(b array.Builder) {
			if err := b.(*array.BinaryDictionaryBuilder).AppendString("я"); err != nil {
				panic(err)
			}
		}, "я"}},
		arrow.RUN_END_ENCODED: {{arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int32, text), func(b array.Builder) {
			r := b.(*array.RunEndEncodedBuilder)
			r.Append(1)
			inner(r.ValueBuilder())
		}, "я"}},
		arrow.EXTENSION: {
			{logicalOf(leafOf(schema.UUIDLogicalType{}, parquet.Types.FixedLenByteArray, 16)), func(b array.Builder) {
				b.(*array.ExtensionBuilder).StorageBuilder().(*array.FixedSizeBinaryBuilder).Append([]byte(strings.Repeat(" ", 16)))
			}, "20202020-2020-2020-2020-202020202020"},
			{logicalOf(leafOf(schema.IntervalLogicalType{}, parquet.Types.FixedLenByteArray, 12)), func(b array.Builder) {
				b.(*array.ExtensionBuilder).StorageBuilder().(*array.FixedSizeBinaryBuilder).Append([]byte("abcdefghijkl"))
			}, "!interval has no text"},
		},
	}
}

// leafOf is a column of Parquet with a logical type.
func leafOf(logical schema.LogicalType, physical parquet.Type, length int) *schema.Column {
	node, err := schema.NewPrimitiveNodeLogical("x", parquet.Repetitions.Optional, logical, physical, length, -1)
	if err != nil {
		panic(err)
	}
	return schema.NewColumn(node, 1, 0)
}

// TestEveryArrowTypeHasItsTextOrIsRefused goes over all the types that the library
// knows: a value of each has its text or a fault, also within a list, and a null of
// each is null.
func TestEveryArrowTypeHasItsTextOrIsRefused(t *testing.T) {
	all := samples()
	for _, typ := range arrowTypes() {
		if len(all[typ]) == 0 {
			t.Errorf("no value of the type %s is tried", typ)
		}
		for i, s := range all[typ] {
			t.Run(fmt.Sprint(typ, i), func(t *testing.T) { tryArrow(t, s) })
		}
	}
	if n := len(arrowTypes()); n != len(all) || n < 40 {
		t.Errorf("%d types, %d with values", n, len(all))
	}
}

func tryArrow(t *testing.T, s sample) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	b := array.NewBuilder(mem, s.typ)
	defer b.Release()
	s.append(b)
	b.AppendNull()
	column := b.NewArray()
	defer column.Release()
	v := arrowValue(column, 0)
	if fault, refused := strings.CutPrefix(s.want, "!"); refused {
		if v.text == "" || fault == "" || !strings.Contains(v.fault, fault) {
			t.Errorf("%+v, want a fault like %q", v, fault)
		}
	} else if v.fault != "" || v.text != s.want || v.null != (s.typ.ID() == arrow.NULL) {
		t.Errorf("%+v, want %q", v, s.want)
	}
	if v := arrowValue(column, 1); !v.null || v.text != "" || v.fault != "" {
		t.Errorf("null is %+v", v)
	}
}

// TestEveryJSONTypeHasItsTextOrIsRefused does so for what a line of NDJSON may hold.
func TestEveryJSONTypeHasItsTextOrIsRefused(t *testing.T) {
	for raw, want := range map[string]string{
		`null`: "", `true`: "true", `false`: "false", `-1.50`: "-1.50", `1E+15`: "1E+15", `""`: "", `"Боб\n"`: "Боб\n",
		`"\ud83d\ude00"`: "😀", `"\\ud83d"`: `\ud83d`, `"\uFFFD"`: "\ufffd", `{"a" : [1, null]}`: `{"a":[1,null]}`, `[ ]`: `[]`, `"\\\ud83d\ude00"`: "\\😀",
		`"a\ud83d"`: "!half of a letter", `"\ude00"`: "!half of a letter", `"\uD83Dx\uDE00"`: "!half of a letter", `"\\\ud83d"`: "!half of a letter",
		`["\ud83d"]`: "!half of a letter", `{"\uDE00":1}`: "!half of a letter", `"\ud83d\ud83d\ude00"`: "!half of a letter",
	} {
		v, err := jsonValue([]byte(raw))
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		if fault, refused := strings.CutPrefix(want, "!"); refused {
			if !strings.Contains(v.fault, fault) {
				t.Errorf("%s: %+v, want a fault", raw, v)
			}
		} else if v.text != want || v.fault != "" || v.null != (raw == "null") {
			t.Errorf("%s: %+v, want %q", raw, v, want)
		}
	}
}
