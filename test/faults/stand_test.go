package faults

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim"
	"roistat-etl/internal/sim/world"
	"roistat-etl/load"
	"roistat-etl/load/parquet"
	"roistat-etl/load/parquet/parquettest"
	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
	"roistat-etl/test/exits"
)

func TestMain(m *testing.M) {
	parquettest.Warm()
	debug.SetGCPercent(400) // many short runs, each of little memory
	goleak.VerifyTestMain(m)
}

const (
	attempts    = 3
	maxResponse = 1 << 20
)

// stand is a pipeline in a folder of its own against a stand-in API in process.
type stand struct {
	sim      *sim.Server
	pipeline *config.Pipeline
	night    *world.State // that the feeds before this night are of
}

func newStand(t *testing.T, clients int) *stand {
	t.Helper()
	o := sim.DefaultOptions()
	o.World.Clients, o.World.Months, o.World.Whale, o.World.Plain = clients, 1, false, true
	server, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := scratch(t)
	return &stand{sim: server, pipeline: &config.Pipeline{
		Name: "faults", Project: "12345", Mirror: filepath.Join(dir, "mirror", "mirror.db"),
		API: config.API{
			BaseURL: "http://127.0.0.1:1/api/v1", Key: config.NewSecret("sim-key"), PerSecond: 10, PerHour: 5000,
			Concurrency: 8, Timeout: time.Minute, MaxAttempts: attempts, MaxResponse: maxResponse,
		},
		Extract: config.Extract{
			PageSize: 1000, Refresh: config.Refresh{MaxAge: 2160 * time.Hour, MinAge: 20 * time.Hour},
			Campaigns: []config.Campaign{{ID: 2, Metrics: []string{"sent", "opened"}}},
		},
		Transform: config.Transform{Timezone: time.UTC, ReportTimezone: time.UTC, GoneClients: config.GoneDrop, RetainGone: 720 * time.Hour},
		Gates:     config.Gates{MaxFailedClients: 0.01, MaxClientDrop: 0.2, MaxRowDrop: 0.2, MaxRejects: 0.01},
		Load:      []config.Destination{{Parquet: &config.Parquet{Path: filepath.Join(dir, "tables"), Compression: "zstd", Keep: 3}}},
	}}
}

// scratch is a folder in memory, where that is to be had.
func scratch(t *testing.T) string {
	if s, err := os.Stat("/dev/shm"); err != nil || !s.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "faults-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// run lets a day pass in which some clients change, and runs the pipeline
// against an API with the faults.
func (s *stand) run(t *testing.T, faults ...sim.Fault) *pipeline.Report {
	t.Helper()
	time.Sleep(24 * time.Hour)
	s.night = s.sim.State()
	s.sim.Night(1, touched)
	if err := s.sim.SetFaults(faults); err != nil {
		t.Fatal(err)
	}
	return s.repeat()
}

// repeat runs the pipeline on the same day.
func (s *stand) repeat() *pipeline.Report {
	o := pipeline.Options{Log: slog.New(slog.DiscardHandler), ExitCode: exits.Code, Transport: sim.Transport(s.sim), Workers: 1}
	return pipeline.Run(context.Background(), s.pipeline, o)
}

// published is what readers see.
func (s *stand) published(t *testing.T) *load.Manifest {
	t.Helper()
	d, err := parquet.New(parquet.Options{Path: s.pipeline.Load[0].Parquet.Path})
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Published(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// audit verifies what is published. Where the last run published, it must be what
// the mirror projects to.
func (s *stand) audit(t *testing.T, whole bool) {
	t.Helper()
	err := pipeline.Verify(context.Background(), s.pipeline, func(v pipeline.Verified) error {
		if !v.OK || whole && v.Detail != "as the manifest says and as the mirror projects" {
			t.Errorf("verify: %s %s: %s", v.Table, v.Partition, v.Detail)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// age says of whom the mirror's feed of a client is.
type age string

const (
	tonight age = "of tonight"
	before  age = "of the night before"
	both    age = "unchanged tonight"
	neither age = "of no night"
)

// touched is the share of the clients that a night changes.
const touched = 0.3

// feeds says of each client that was there yesterday how old its feed is.
func (s *stand) feeds(t *testing.T) map[int64]age {
	t.Helper()
	out := map[int64]age{}
	m, err := mirror.OpenReader(context.Background(), s.pipeline.Mirror)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, id := range s.night.Clients() {
		if !s.sim.State().Has(id) {
			continue
		}
		c, known, err := m.Client(context.Background(), id)
		if err != nil || !known {
			t.Fatalf("client %d: %v, %v", id, known, err)
		}
		got := slices.Concat([]byte(`{"feed":`), c.Feed, []byte(`,"status":"success"}`))
		switch was, is := bytes.Equal(got, answer(s.night, id)), bytes.Equal(got, answer(s.sim.State(), id)); {
		case was && is:
			out[id] = both
		case was:
			out[id] = before
		case is:
			out[id] = tonight
		default:
			out[id] = neither
		}
	}
	return out
}

// answer is what a feed call brings in a night.
func answer(state *world.State, id int64) []byte {
	f, ok := state.Feed(id)
	if !ok {
		return nil
	}
	return world.AppendFeed(nil, f)
}
