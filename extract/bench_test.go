package extract

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/extract/api"
	"roistat-etl/internal/sim"
)

// benchWorkers is how many connections both programs of the benchmark use.
const benchWorkers = 16

// BenchmarkFeeds compares feed calls a second of a run, the mirror included, with
// those of a plain loop that reads the same bodies and throws them away.
func BenchmarkFeeds(b *testing.B) {
	const clients = 5000
	s := newSim(b, clients, func(o *sim.Options) { o.Cache = true })
	h := httptest.NewServer(s)
	defer h.Close()
	base := h.URL + "/api/v1"
	plainLoop(b, base, clients) // fills the cache
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			plainLoop(b, base, clients)
		}
		b.ReportMetric(float64(clients*b.N)/b.Elapsed().Seconds(), "feeds/s")
	})
	b.Run("run", func(b *testing.B) {
		c, err := api.New(api.Options{BaseURL: base, Key: "sim-key", Project: "12345", Concurrency: benchWorkers})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		feeds := int64(0)
		for b.Loop() {
			b.StopTimer()
			o := options(openMirror(b, b.TempDir()+"/mirror.db"), c)
			o.Concurrency, o.PerSecond, o.PerHour = benchWorkers, 1e6, 1e9
			r, err := newRun(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			if err := r.list(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if err := r.feeds(b.Context()); err != nil {
				b.Fatal(err)
			}
			r.tally.report(r.result)
			feeds += r.result.Feeds.Fetched
		}
		b.ReportMetric(float64(feeds)/b.Elapsed().Seconds(), "feeds/s")
	})
}

// plainLoop reads all feeds with as many connections.
func plainLoop(b *testing.B, base string, clients int) {
	b.Helper()
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchWorkers}, Timeout: time.Minute}
	defer c.CloseIdleConnections()
	g, ctx := errgroup.WithContext(context.WithoutCancel(b.Context()))
	for w := range benchWorkers {
		g.Go(func() error {
			for id := w + 1; id <= clients; id += benchWorkers {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/project/clients/detail/feed?project=12345&client=%d", base, id), nil)
				if err != nil {
					return err
				}
				req.Header.Set("Api-Key", "sim-key")
				resp, err := c.Do(req)
				if err != nil {
					return err
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					return err
				}
				if err := resp.Body.Close(); err != nil {
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
