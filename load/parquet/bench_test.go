package parquet

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

// benchRows is about a month of visits in a world of 40,000 clients.
const benchRows = 8192

func benchBatch(b *testing.B) (arrow.Record, load.Rows) {
	rec := loadtest.Plain(memory.NewGoAllocator(), schemas.Get(schemas.Visits), seeded(1), benchRows)
	b.Cleanup(rec.Release)
	return rec, func(yield func(arrow.Record, error) bool) {
		rec.Retain()
		yield(rec, nil)
	}
}

// perRow reports the time a row took.
func perRow(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func BenchmarkWrite(b *testing.B) {
	_, rows := benchBatch(b)
	d, err := New(Options{Path: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(d.root, "bench.parquet")
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Create(name)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := newSink().file(context.Background(), f, schemas.Get(schemas.Visits), d.codec, 0, rows); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b)
}

func BenchmarkReadBack(b *testing.B) {
	_, rows := benchBatch(b)
	d, err := New(Options{Path: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(d.root, "bench.parquet")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w, err := newSink().file(context.Background(), f, schemas.Get(schemas.Visits), d.codec, 0, rows)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readBack(context.Background(), f, w.bytes, schemas.Get(schemas.Visits)); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b)
}

// BenchmarkPublish publishes 36 months of the ten event tables, 760,000 rows, from
// the spool on: read back from it, written, read back again, committed.
func BenchmarkPublish(b *testing.B) {
	const months, rows = 36, 2111
	s, err := load.NewSpool(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for id := range schemas.NumEvents {
		for m := range months {
			rec := loadtest.Month(memory.NewGoAllocator(), schemas.Get(schemas.ID(id)), seeded(uint64(m)), rows, m)
			e, err := s.Encode(schemas.ID(id), rec)
			rec.Release()
			if err == nil {
				err = s.Append(e)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	n, err := s.Seal()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		d, err := New(Options{Path: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := load.Publish(context.Background(), []load.Destination{d}, run(1), n, 2); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(schemas.NumEvents*months*rows), "ns/row")
}
