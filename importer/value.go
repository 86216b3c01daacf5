package importer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/go-faster/jx"
)

// value is what a file holds at one place.
type value struct {
	text   string // that is sent; of an unusable value what a reject shows
	null   bool   // there is none
	nested bool   // text is the JSON of a list or an object
	bare   bool   // text is written without quotes within JSON: a number or a bool
	fault  string // why it can't be sent
}

// unusable is a value that has no text of its own.
func unusable(shown, format string, args ...any) value {
	return value{text: shown, fault: fmt.Sprintf(format, args...)}
}

// textValue is a text, if it is one.
func textValue(s string) value {
	if !utf8.ValidString(s) {
		return unusable("0x"+hex.EncodeToString([]byte(s)), "it is not UTF-8")
	}
	return value{text: s}
}

// bytesValue is what bytes say that are not declared to be a text: the text that
// they are. A control character shows that they are something else.
func bytesValue(b []byte) value {
	isControl := func(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' }
	if !utf8.Valid(b) || bytes.ContainsFunc(b, isControl) {
		return unusable("0x"+hex.EncodeToString(b), "its bytes are no text")
	}
	return value{text: string(b)}
}

// floatValue writes whole numbers without exponent: ids and phones come as floats
// from tables that have gaps.
func floatValue(x float64, bits int) value {
	switch {
	case math.IsNaN(x), math.IsInf(x, 0):
		return unusable(fmt.Sprint(x), "it is %v, which is no number", x)
	case x == math.Trunc(x) && math.Abs(x) < 1<<53:
		return value{text: strconv.FormatFloat(x, 'f', -1, bits), bare: true}
	}
	return value{text: strconv.FormatFloat(x, 'g', -1, bits), bare: true}
}

// timeValue writes a time as layout says; years that no calendar of four digits
// has are what other programs write for infinity.
func timeValue(t time.Time, layout string) value {
	if t.Year() < 1 || t.Year() > 9999 {
		return unusable(t.Format(layout), "its year is not between 1 and 9999")
	}
	return value{text: t.Format(layout)}
}

// instantValue writes a timestamp. At midnight it is its day; without a zone it is
// written without one.
func instantValue(t time.Time, zone bool) value {
	switch {
	case t.Equal(t.Truncate(24 * time.Hour)):
		return timeValue(t, time.DateOnly)
	case zone:
		return timeValue(t, time.RFC3339Nano)
	}
	return timeValue(t, "2006-01-02T15:04:05.999999999")
}

// clockValue writes a time of the day. 24:00 ends it.
func clockValue(units int64, unit arrow.TimeUnit) value {
	day := int64(24 * time.Hour / unit.Multiplier())
	switch {
	case units < 0, units > day:
		return unusable(fmt.Sprintf("%d %s", units, unit), "it is no time of a day")
	case units == day:
		return value{text: "24:00:00"}
	}
	return value{text: time.Time{}.Add(time.Duration(units) * unit.Multiplier()).Format("15:04:05.999999999")}
}

// decimalValue writes a decimal number with all the digits of its scale.
func decimalValue(unscaled *big.Int, scale int32) value {
	digits := new(big.Int).Abs(unscaled).String()
	switch point := int(scale); {
	case point > 0:
		digits = strings.Repeat("0", max(point+1-len(digits), 0)) + digits
		digits = digits[:len(digits)-point] + "." + digits[len(digits)-point:]
	case unscaled.Sign() != 0:
		digits += strings.Repeat("0", -point)
	}
	if unscaled.Sign() < 0 {
		digits = "-" + digits
	}
	return value{text: digits}
}

// jsonValue is the text of a JSON value: of a number or bool as it is written, of
// a list or object its JSON without spaces.
func jsonValue(raw jx.Raw) (value, error) {
	if half := halfOfPair(raw); half != "" {
		return unusable(string(bytes.TrimSpace(raw)), "%s", half), nil
	}
	switch raw.Type() {
	case jx.String:
		text, err := jx.DecodeBytes(raw).Str()
		return value{text: text}, err
	case jx.Null:
		return value{null: true}, nil
	case jx.Object, jx.Array:
		var compact bytes.Buffer
		err := json.Compact(&compact, raw)
		return value{text: compact.String(), nested: true}, err
	default:
		return value{text: string(bytes.TrimSpace(raw)), bare: true}, nil
	}
}

// halfOfPair says what is wrong with an escape of JSON that is half of a surrogate
// pair: it is no letter, and decoders replace it.
func halfOfPair(raw []byte) string {
	for i := bytes.IndexByte(raw, '\\'); i >= 0 && i+1 < len(raw); {
		step := 2
		if first := escapedUnit(raw[i:]); isSurrogate(first) {
			if second := escapedUnit(raw[i+6:]); first >= 0xdc00 || second < 0xdc00 || second > 0xdfff {
				return fmt.Sprintf("it holds %s, half of a letter", raw[i:i+6])
			}
			step = 12
		}
		next := bytes.IndexByte(raw[i+step:], '\\')
		if next < 0 {
			break
		}
		i += step + next
	}
	return ""
}

func isSurrogate(unit int) bool { return unit >= 0xd800 && unit <= 0xdfff }

// escapedUnit is the number of the escape \uDXXX that a text begins with, or -1.
func escapedUnit(b []byte) int {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' || b[2]|0x20 != 'd' {
		return -1
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// arrowValue is the text of a value of any Arrow type, or what keeps it from being
// sent. A null of any type is null.
func arrowValue(column arrow.Array, i int) value {
	if column.IsNull(i) || column.DataType().ID() == arrow.NULL { // of which IsNull says no
		return value{null: true}
	}
	switch c := column.(type) {
	case *array.Boolean:
		return value{text: strconv.FormatBool(c.Value(i)), bare: true}
	case *array.String:
		return textValue(c.Value(i))
	case *array.LargeString:
		return textValue(c.Value(i))
	case *array.StringView:
		return textValue(c.Value(i))
	case *array.Binary:
		return bytesValue(c.Value(i))
	case *array.LargeBinary:
		return bytesValue(c.Value(i))
	case *array.BinaryView:
		return bytesValue(c.Value(i))
	case *array.FixedSizeBinary:
		return bytesValue(c.Value(i))
	case *array.Float16:
		return floatValue(float64(c.Value(i).Float32()), 32)
	case *array.Float32:
		return floatValue(float64(c.Value(i)), 32)
	case *array.Float64:
		return floatValue(c.Value(i), 64)
	case *array.Decimal128:
		return decimalValue(c.Value(i).BigInt(), c.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Decimal256:
		return decimalValue(c.Value(i).BigInt(), c.DataType().(*arrow.Decimal256Type).Scale)
	case *array.Date32:
		return timeValue(c.Value(i).ToTime(), time.DateOnly)
	case *array.Date64:
		return timeValue(c.Value(i).ToTime(), time.DateOnly)
	case *array.Time32:
		return clockValue(int64(c.Value(i)), c.DataType().(*arrow.Time32Type).Unit)
	case *array.Time64:
		return clockValue(int64(c.Value(i)), c.DataType().(*arrow.Time64Type).Unit)
	case *array.Timestamp:
		t := c.DataType().(*arrow.TimestampType)
		return instantValue(c.Value(i).ToTime(t.Unit), t.TimeZone != "")
	}
	return wholeValue(column, i)
}

// wholeValue is arrowValue for integers and for what holds other values.
func wholeValue(column arrow.Array, i int) value {
	switch c := column.(type) {
	case *array.Int8, *array.Int16, *array.Int32, *array.Int64, *array.Uint8, *array.Uint16, *array.Uint32, *array.Uint64:
		return value{text: column.ValueStr(i), bare: true}
	case *array.Dictionary:
		return arrowValue(c.Dictionary(), c.GetValueIndex(i))
	case *array.RunEndEncoded:
		return arrowValue(c.Values(), c.GetPhysicalIndex(i))
	case *array.SparseUnion:
		return arrowValue(c.Field(c.ChildID(i)), i)
	case *array.DenseUnion:
		return arrowValue(c.Field(c.ChildID(i)), int(c.ValueOffset(i)))
	case array.ExtensionArray:
		if t, ours := c.ExtensionType().(*logicalType); ours {
			return t.value(c.Storage(), i)
		}
		return arrowValue(c.Storage(), i)
	case *array.Struct:
		return structValue(c, i)
	case array.ListLike:
		return listValue(c, i)
	}
	return unusable(column.ValueStr(i), "a value of the type %s has no text", column.DataType())
}

// structValue is the JSON object of a struct.
func structValue(c *array.Struct, i int) value {
	var e jx.Encoder
	e.ObjStart()
	for n, field := range c.DataType().(*arrow.StructType).Fields() {
		member := arrowValue(c.Field(n), i)
		if !utf8.ValidString(field.Name) {
			member = textValue(field.Name)
		}
		if member.fault != "" {
			return member
		}
		e.FieldStart(field.Name)
		member.encode(&e)
	}
	e.ObjEnd()
	return value{text: e.String(), nested: true}
}

// listValue is the JSON list of a list, and of a map the list of its pairs.
func listValue(c array.ListLike, i int) value {
	var e jx.Encoder
	e.ArrStart()
	for start, end := c.ValueOffsets(i); start < end; start++ {
		element := arrowValue(c.ListValues(), int(start))
		if element.fault != "" {
			return element
		}
		element.encode(&e)
	}
	e.ArrEnd()
	return value{text: e.String(), nested: true}
}

// encode writes the value into the JSON of what holds it.
func (v value) encode(e *jx.Encoder) {
	switch {
	case v.nested, v.bare:
		e.Raw([]byte(v.text))
	case v.null:
		e.Null()
	default:
		e.Str(v.text)
	}
}
