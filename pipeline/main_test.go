package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roistat-etl/internal/sim"
	"roistat-etl/load/parquet/parquettest"
	"roistat-etl/pipeline/config"
)

func TestMain(m *testing.M) {
	parquettest.Warm()
	goleak.VerifyTestMain(m)
}

// stand is a pipeline in a temporary folder against a stand-in API in process.
type stand struct {
	sim      *sim.Server
	pipeline *config.Pipeline
	options  Options
}

func newStand(t testing.TB, clients int, change func(*sim.Options)) *stand {
	t.Helper()
	o := sim.DefaultOptions()
	o.World.Clients, o.World.Months, o.World.Whale = clients, 6, false
	if change != nil {
		change(&o)
	}
	server, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return &stand{
		sim: server,
		pipeline: &config.Pipeline{
			Name: "demo", Project: "12345", Mirror: filepath.Join(dir, "mirror", "mirror.db"),
			API: config.API{
				BaseURL: "http://127.0.0.1:1/api/v1", Key: config.NewSecret("sim-key"), PerSecond: 10, PerHour: 5000,
				Concurrency: 8, Timeout: time.Minute, MaxAttempts: 6, MaxResponse: 64 << 20,
			},
			Extract: config.Extract{
				PageSize: 1000, Refresh: config.Refresh{MaxAge: 2160 * time.Hour, MinAge: 20 * time.Hour},
				Campaigns: []config.Campaign{{ID: 2, Metrics: []string{"sent", "opened"}}},
			},
			Transform: config.Transform{Timezone: time.UTC, ReportTimezone: time.UTC, GoneClients: config.GoneDrop, RetainGone: 720 * time.Hour},
			Gates:     config.Gates{MaxFailedClients: 0.01, MaxClientDrop: 0.2, MaxRowDrop: 0.2, MaxRejects: 0.01},
			Load:      []config.Destination{{Parquet: &config.Parquet{Path: filepath.Join(dir, "tables"), Compression: "zstd", Keep: 3}}},
		},
		options: Options{
			Log: slog.New(slog.DiscardHandler), ExitCode: func(c Class) int { return int(c) }, Transport: sim.Transport(server),
		},
	}
}

// run runs the pipeline and checks what holds for every report.
func (s *stand) run(t testing.TB, change func(*Options)) *Report {
	t.Helper()
	o := s.options
	if change != nil {
		change(&o)
	}
	r := Run(context.Background(), s.pipeline, o)
	if r.Feeds.Due != r.Feeds.Fetched+r.Feeds.Failed+r.Feeds.Left {
		t.Errorf("feeds don't add up: %+v", r.Feeds)
	}
	if r.FinishedAt.Before(r.StartedAt) || (r.Error == nil) != (r.Outcome == OK || r.Outcome == Partial) {
		t.Errorf("the report contradicts itself: %s", text(t, r))
	}
	return r
}

func text(t testing.TB, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// want fails unless the report has the outcome.
func (r *Report) want(t testing.TB, o Outcome) *Report {
	t.Helper()
	if r.Outcome != o {
		b, _ := json.Marshal(r) // a report always marshals
		t.Fatalf("outcome %s, want %s\n%s\n%s", r.Outcome, o, text(t, r), b)
	}
	return r
}
