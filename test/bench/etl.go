package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// place is a folder of one pipeline: its configuration, mirror and tables.
type place struct{ dir string }

func (p place) tables() string  { return filepath.Join(p.dir, "tables") }
func (p place) mirror() string  { return filepath.Join(p.dir, "mirror") }
func (p place) metrics() string { return filepath.Join(p.dir, "metrics.txt") }

const pipelines = `version: 1
pipelines:
  - name: bench
    project: "%s"
    api:
      base_url: %s/api/v1
      key: ${ROISTAT_API_KEY}
      per_second: 1000000
      per_hour: 100000000
      concurrency: %d
    mirror: mirror/mirror.db
    load:
      - parquet: {path: tables}
`

// newPlace makes a folder with a pipeline that reads the API at url, as fast as it can.
func (b *bench) newPlace(name, url string) (place, error) {
	p := place{filepath.Join(b.dir, name)}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return p, err
	}
	text := fmt.Sprintf(pipelines, project, url, connections)
	return p, os.WriteFile(filepath.Join(p.dir, "pipelines.yaml"), []byte(text), 0o600)
}

// report is what the measurements need of a run's report.
type report struct {
	Outcome string `json:"outcome"`
	Calls   struct {
		Feed    int64 `json:"feed"`
		Retried int64 `json:"retried"`
	} `json:"calls"`
	Feeds struct {
		Fetched int64 `json:"fetched"`
	} `json:"feeds"`
	Tables map[string]struct {
		Rows       int64 `json:"rows"`
		Partitions int64 `json:"partitions"`
		Changed    int64 `json:"changed"`
	} `json:"tables"`
}

// events is the number of rows of all tables but those without events.
func (r report) events() (n int64) {
	for name, t := range r.Tables {
		switch name {
		case "clients", "campaign_contacts", "rejects":
		default:
			n += t.Rows
		}
	}
	return n
}

// outcome is a measured run of roistat-etl.
type outcome struct {
	usage
	report report
	stages map[string]time.Duration // extract, transform, load
}

// etlRun measures `roistat-etl run` in the place.
func (b *bench) etlRun(ctx context.Context, p place, flags ...string) (outcome, error) {
	args := append([]string{"run", "--json", "--progress", "none", "--metrics-file", p.metrics()}, flags...)
	u, err := measure(ctx, p.dir, b.etl, args...)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{usage: u}
	if o.report, err = lastReport(u.out); err != nil {
		return o, err
	}
	if o.report.Outcome != "ok" || o.report.Calls.Retried > 0 {
		return o, fmt.Errorf("a run that is %q with %d retries has no figures", o.report.Outcome, o.report.Calls.Retried)
	}
	o.stages, err = readStages(p.metrics())
	return o, err
}

// lastReport reads the report, the last line of the output.
func lastReport(out []byte) (r report, err error) {
	out = bytes.TrimRight(out, "\n")
	last := out[bytes.LastIndexByte(out, '\n')+1:]
	if err := json.Unmarshal(last, &r); err != nil {
		return r, fmt.Errorf("read the report %q: %w", tail(last), err)
	}
	return r, nil
}

// readStages reads how long each stage took from the metrics file.
func readStages(path string) (map[string]time.Duration, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	stages := map[string]time.Duration{}
	for l := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(l), "} ")
		if !ok || !strings.HasPrefix(name, "roistat_etl_duration_seconds{") {
			continue
		}
		_, stage, _ := strings.Cut(name, `stage="`)
		stage, _, _ = strings.Cut(stage, `"`)
		s, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("read the metrics of %s: %w", stage, err)
		}
		stages[stage] = time.Duration(s * float64(time.Second))
	}
	return stages, nil
}

// forget empties what the place has of a kind, so that the next run starts anew.
func forget(paths ...string) error {
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}
