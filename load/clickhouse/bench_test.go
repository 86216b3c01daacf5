package clickhouse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

const (
	benchBatches = 16
	benchRows    = 16 << 10 // of a batch, as a snapshot gives them
)

// BenchmarkInsert inserts the same visits of one month into a fresh table, by
// this package and by clickhouse-go's own columns. The server runs on the same
// machine, so that wall time holds its work too.
func BenchmarkInsert(b *testing.B) {
	server := clickhousetest.Shared(b)
	d := open(b, "clickhouse://etl@"+server.Direct+"/"+server.Database(b), "")
	if err := d.create(b.Context()); err != nil {
		b.Fatal(err)
	}
	visits := benchVisits(b)
	t := schemas.Get(schemas.Visits)
	for name, insert := range map[string]func(ctx context.Context, into string) error{
		"arrow": func(ctx context.Context, into string) error {
			_, err := newLoader(ctx, d).insert(ctx, t, into, load.Partition{Table: t.ID, Month: "2025-06"}, each(visits))
			return err
		},
		"columns": func(ctx context.Context, into string) error { return d.insertColumns(ctx, into, visits) },
	} {
		b.Run(name, func(b *testing.B) {
			run := 0
			for b.Loop() {
				b.StopTimer()
				run++
				into := fmt.Sprintf("bench_%s_%d", name, run)
				if err := d.exec(b.Context(), t.DDL(into, "[bench]")); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := insert(b.Context(), into); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := d.drop(b.Context(), into); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.N)*benchBatches*benchRows/b.Elapsed().Seconds()/1000, "krows/s")
		})
	}
}

// BenchmarkEncode makes blocks of record batches without sending them.
func BenchmarkEncode(b *testing.B) {
	visits := benchVisits(b)
	block := newBlock(schemas.Get(schemas.Visits))
	b.ReportAllocs()
	for b.Loop() {
		block.reset()
		for _, rec := range visits {
			if err := block.add(rec); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*benchBatches*benchRows/b.Elapsed().Seconds()/1000, "krows/s")
}

// each gives the batches once more; the receiver releases what it gets.
func each(list []arrow.Record) load.Rows {
	return func(yield func(arrow.Record, error) bool) {
		for _, rec := range list {
			rec.Retain()
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func benchVisits(b *testing.B) (out []arrow.Record) {
	rng := rand.New(rand.NewPCG(1, 1))
	t := schemas.Get(schemas.Visits)
	for n := range benchBatches {
		rb := array.NewRecordBuilder(memory.NewGoAllocator(), t.Arrow())
		for i := range benchRows {
			for j, c := range t.Columns {
				benchValue(rb.Field(j), c, n*benchRows+i, rng)
			}
		}
		rec := rb.NewRecord()
		rb.Release()
		b.Cleanup(rec.Release)
		out = append(out, rec)
	}
	return out
}

func benchValue(f array.Builder, c schemas.Column, row int, rng *rand.Rand) {
	switch f := f.(type) {
	case *array.StringBuilder:
		switch {
		case c.Name == "project":
			f.Append("12345")
		case c.Name == "extra":
			f.AppendNull()
		case c.Kind == schemas.Enum:
			f.Append(fmt.Sprintf("%s value %d of some length", c.Name, rng.IntN(40)))
		default:
			f.Append(fmt.Sprintf("%024x", rng.Uint64()))
		}
	case *array.Int64Builder:
		f.Append(int64(row / 7))
	case *array.TimestampBuilder:
		f.Append(arrow.Timestamp(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli() + rng.Int64N(30*86_400_000)))
	case *array.BooleanBuilder:
		f.Append(rng.IntN(2) == 0)
	default:
		panic(fmt.Sprintf("no values for %s", c.Name))
	}
}

// insertColumns inserts visits the way clickhouse-go's documentation shows it:
// slices for columns, one block for what fits into one.
func (d *Destination) insertColumns(ctx context.Context, into string, list []arrow.Record) error {
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	for from := 0; from < len(list); from += 4 {
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+schemas.Ident(into))
		if err != nil {
			return err
		}
		for _, rec := range list[from:min(from+4, len(list))] {
			for i := range int(rec.NumCols()) {
				if err := batch.Column(i).Append(slice(rec.Column(i), schemas.Get(schemas.Visits).Columns[i].Nullable)); err != nil {
					return err
				}
			}
		}
		if err := batch.Send(); err != nil {
			return err
		}
	}
	return nil
}

// slice makes what clickhouse-go takes for a column.
func slice(a arrow.Array, nullable bool) any {
	switch a := a.(type) {
	case *array.Int64:
		return a.Int64Values()
	case *array.Timestamp:
		out := make([]time.Time, a.Len())
		for i := range out {
			out[i] = time.UnixMilli(int64(a.Value(i)))
		}
		return out
	case *array.Boolean:
		out := make([]*bool, a.Len())
		for i := range out {
			v := a.Value(i)
			out[i] = &v
		}
		return out
	}
	texts := a.(*array.String)
	if !nullable {
		out := make([]string, a.Len())
		for i := range out {
			out[i] = texts.Value(i)
		}
		return out
	}
	out := make([]*string, a.Len())
	for i := range out {
		if !texts.IsNull(i) {
			v := texts.Value(i)
			out[i] = &v
		}
	}
	return out
}
