package extract

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childMirror); path != "" {
		os.Exit(child(path, os.Getenv(childURL)))
	}
	goleak.VerifyTestMain(m)
}

// openMirror opens a mirror that is closed when the test ends.
func openMirror(t testing.TB, path string) *mirror.Mirror {
	t.Helper()
	m, err := mirror.Open(context.WithoutCancel(t.Context()), path, mirror.Options{Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

func newMirror(t testing.TB) *mirror.Mirror {
	t.Helper()
	return openMirror(t, filepath.Join(memoryFolder(t), "mirror.db"))
}

// newSim makes a stand-in API with its defaults, changed by change.
func newSim(t testing.TB, clients int, change func(*sim.Options)) *sim.Server {
	t.Helper()
	o := sim.DefaultOptions()
	o.World.Clients = clients
	if change != nil {
		change(&o)
	}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client asks a stand-in API in process.
func client(t testing.TB, s *sim.Server) *api.Client {
	t.Helper()
	c, err := api.New(api.Options{BaseURL: "http://127.0.0.1/api/v1", Key: "sim-key", Project: "12345", Transport: sim.Transport(s)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// options are those of a run without quota to speak of.
func options(m *mirror.Mirror, s Source) Options {
	return Options{
		Mirror: m, Source: s, Concurrency: 8, MaxAttempts: 3, PerSecond: 1e6,
		Refresh: Refresh{MaxAge: 2160 * time.Hour, MinAge: 20 * time.Hour},
	}
}

// extract runs and fails the test if that fails.
func extract(t testing.TB, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return r
}
