package load_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

const benchRows = 8192

func perRow(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

// BenchmarkEncode encodes and appends visits.
func BenchmarkEncode(b *testing.B) {
	batch := loadtest.Plain(memory.NewGoAllocator(), schemas.Get(schemas.Visits), rand.New(rand.NewPCG(1, 0)), benchRows)
	defer batch.Release()
	s, err := load.NewSpool(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		e, err := s.Encode(schemas.Visits, batch)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Append(e); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b)
}

// BenchmarkRecords reads visits back as record batches.
func BenchmarkRecords(b *testing.B) {
	mem := memory.NewGoAllocator()
	batch := loadtest.Plain(mem, schemas.Get(schemas.Visits), rand.New(rand.NewPCG(1, 0)), benchRows)
	defer batch.Release()
	s, n := spill(b, b.TempDir(), schemas.Visits, batch)
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		for rec, err := range n.Records(context.Background(), mem, n.Partitions()[0]) {
			if err != nil {
				b.Fatal(err)
			}
			rec.Release()
		}
	}
	perRow(b)
}
