package sim_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"roistat-etl/internal/sim"
	"roistat-etl/internal/sim/world"
)

// BenchmarkFeedCalls is what a plain client of 16 connections gets out of a
// warm server, both on this machine.
func BenchmarkFeedCalls(b *testing.B) {
	const clients = 5000
	a := newAPI(b, func(o *sim.Options) { o.World.Clients, o.Cache, o.NoGzip = clients, true, true }).overPort()
	if err := a.server.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	if tr, ok := a.client.Transport.(*http.Transport); ok {
		tr.MaxIdleConnsPerHost = 16
	}
	var next atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequest(http.MethodGet, a.base+feedPath(next.Add(1)%clients+1), nil)
			if err != nil {
				b.Error(err)
				return
			}
			req.Header = a.headers
			res, err := a.client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			n, err := io.Copy(io.Discard, res.Body)
			if err := res.Body.Close(); err != nil || n == 0 {
				b.Error(n, err)
			}
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkRender is the making and encoding of one feed without a cache.
func BenchmarkRender(b *testing.B) {
	cfg := world.DefaultConfig()
	cfg.Clients, cfg.Whale = 40_000, false
	w, err := world.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	s := w.State()
	var buf []byte
	items, size, id := 0, 0, int64(0)
	for b.Loop() {
		id = id%int64(cfg.Clients) + 1
		f, _ := s.Feed(id)
		buf = world.AppendFeed(buf[:0], f)
		items += len(f.Items)
		size += len(buf)
	}
	b.ReportMetric(float64(items)/float64(b.N), "items/feed")
	b.ReportMetric(float64(size)/float64(b.N), "B/feed")
}
