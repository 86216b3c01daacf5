package loadtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
)

// Hostile texts: of other scripts, with bytes that end strings elsewhere, empty.
func hostile() []string {
	return []string{
		"", " ", "plain", "Заявка с сайта", "日本語", "\x00", "a\x00b", "😀", "'; DROP TABLE visits; --",
		"line\nbreak\r\n\ttab", `{"ключ":"значение","n":1.50}`, "\u2028", "null", "NULL", `\N`, "\ufeffBOM",
	}
}

// Batch makes a record batch of the table with the given number of rows, which
// the caller releases: nulls, extreme values, hostile texts, empty maps, all
// chosen by rng. Months of events are those of 2025, and now and then the first
// and the last possible one.
func Batch(mem memory.Allocator, t *schemas.Table, rng *rand.Rand, rows int) arrow.Record {
	b := array.NewRecordBuilder(mem, t.Arrow())
	defer b.Release()
	for range rows {
		for i, c := range t.Columns {
			if c.Nullable && rng.IntN(4) == 0 {
				b.Field(i).AppendNull()
				continue
			}
			fill(b.Field(i), c, rng)
		}
	}
	return b.NewRecord()
}

func fill(b array.Builder, c schemas.Column, rng *rand.Rand) {
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(text(c, rng))
	case *array.Int64Builder:
		b.Append(pick(rng, rng.Int64N(1000), -1, 0, 1<<63-1, -1<<63))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(instant(rng)))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(pick(rng, rng.Int64N(1e7), -1, 0, 1e18-1, 1-1e18)))
	case *array.Date32Builder:
		b.Append(arrow.Date32(pick(rng, rng.Int64N(20000), -25567, 0, 120529))) // 1900-01-01, 2299-12-31
	case *array.BooleanBuilder:
		b.Append(rng.IntN(2) == 0)
	case *array.MapBuilder:
		fillMap(b, rng)
	default:
		panic(fmt.Sprintf("loadtest: no values for %s", c.Type()))
	}
}

func fillMap(b *array.MapBuilder, rng *rand.Rand) {
	b.Append(true)
	keys := hostile()
	rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	keys = keys[:rng.IntN(4)]
	slices.Sort(keys)
	for _, k := range keys {
		b.KeyBuilder().(*array.StringBuilder).Append(k)
		b.ItemBuilder().(*array.StringBuilder).Append(pick(rng, hostile()...))
	}
}

// text is long once in a while, but for enums, which have few values.
func text(c schemas.Column, rng *rand.Rand) string {
	if c.Kind == schemas.Text && rng.IntN(200) == 0 {
		return strings.Repeat("длинно", rng.IntN(1<<14))
	}
	if c.Kind == schemas.Text && rng.IntN(2) == 0 {
		return fmt.Sprintf("%016x", rng.Uint64())
	}
	return pick(rng, hostile()...)
}

func instant(rng *rand.Rand) int64 {
	first := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	last := time.Date(2099, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()
	if rng.IntN(50) == 0 {
		return pick(rng, 0, last)
	}
	return first + rng.Int64N(365*24*3600*1000)
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// Plain makes a record batch as it comes from an ordinary project: short texts,
// few different enums, times of January 2025 in ascending order. The caller
// releases it.
func Plain(mem memory.Allocator, t *schemas.Table, rng *rand.Rand, rows int) arrow.Record {
	return Month(mem, t, rng, rows, 0)
}

// Month makes a batch like Plain does, of the given month after January 2025.
func Month(mem memory.Allocator, t *schemas.Table, rng *rand.Rand, rows, month int) arrow.Record {
	b := array.NewRecordBuilder(mem, t.Arrow())
	defer b.Release()
	start := time.Date(2025, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for n := range rows {
		for i, c := range t.Columns {
			if c.Nullable && (c.Name == "extra" || rng.IntN(10) == 0) {
				b.Field(i).AppendNull()
				continue
			}
			plain(b.Field(i), c, rng, start+int64(n)*1000)
		}
	}
	return b.NewRecord()
}

func plain(b array.Builder, c schemas.Column, rng *rand.Rand, at int64) {
	switch b := b.(type) {
	case *array.StringBuilder:
		switch {
		case c.Name == "event_id":
			b.Append(fmt.Sprintf("%08x%016x", rng.Uint32(), rng.Uint64()))
		case c.Kind == schemas.Enum:
			b.Append(fmt.Sprintf("%s %d", c.Name, rng.IntN(12)))
		default:
			b.Append(fmt.Sprint(rng.IntN(1e7)))
		}
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(at))
	case *array.MapBuilder:
		b.Append(true)
		b.KeyBuilder().(*array.StringBuilder).Append("Город")
		b.ItemBuilder().(*array.StringBuilder).Append("Москва")
	default:
		fill(b, c, rng)
	}
}
