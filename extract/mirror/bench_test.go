package mirror

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func filled(b *testing.B, n int64) *Mirror {
	m := open(b)
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	list(b, m, true, ids...)
	fill(b, m, n)
	return m
}

// fill stores n feeds of 5.7 KB from 16 workers, each with the entry of its next call.
func fill(b *testing.B, m *Mirror, n int64) {
	b.Helper()
	next := make(chan int64)
	g, ctx := errgroup.WithContext(context.WithoutCancel(b.Context()))
	g.Go(func() error {
		defer close(next)
		for i := range n {
			next <- i + 1
		}
		return nil
	})
	for range 16 {
		g.Go(func() error {
			p := NewPacker()
			for id := range next {
				a := &Answer{Client: id, At: time.Now(), Items: 19}
				if err := p.Pack(a, feedText(id, 19)); err != nil {
					return err
				}
				if err := m.Enter(ctx, a, 1); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkEnter(b *testing.B) {
	m := open(b)
	ids := make([]int64, b.N)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	list(b, m, true, ids...)
	b.ResetTimer()
	fill(b, m, int64(b.N))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

func BenchmarkScan(b *testing.B) {
	const n = 40_000
	m := filled(b, n)
	for b.Loop() {
		seen := 0
		for block, err := range m.Scan(b.Context(), 256) {
			if err != nil {
				b.Fatal(err)
			}
			seen += len(block)
		}
		if seen != n {
			b.Fatalf("%d clients", seen)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
