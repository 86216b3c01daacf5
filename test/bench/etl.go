package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// place is a folder of one pipeline: its configuration, mirror and tables.
type place struct{ dir string }

func (p place) tables() string { return filepath.Join(p.dir, "tables") }
func (p place) mirror() string { return filepath.Join(p.dir, "mirror") }

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
      - %s
`

// newPlace makes a folder with a pipeline that reads the API at url, as fast as it can.
func (b *bench) newPlace(name, url string) (place, error) {
	p := place{filepath.Join(b.dir, name)}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return p, err
	}
	return p, p.configure("pipelines.yaml", url, "parquet: {path: tables}")
}

// configure writes a configuration of the place's pipeline with this destination.
func (p place) configure(name, url, destination string) error {
	text := fmt.Sprintf(pipelines, project, url, connections, destination)
	return os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600)
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
}

// etlRun measures `roistat-etl run` in the place.
func (b *bench) etlRun(ctx context.Context, p place, flags ...string) (outcome, error) {
	u, err := measure(ctx, p.dir, b.etl, append([]string{"run", "--json", "--progress", "none"}, flags...)...)
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
	return o, nil
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

// extracted is what a run that publishes nothing did.
type extracted struct {
	usage
	calls int64         // for feeds
	stage time.Duration // of the extraction, with the list
}

// etlExtract measures an extraction. How long the stage took stands only in the
// report for people.
func (b *bench) etlExtract(ctx context.Context, p place) (extracted, error) {
	u, err := measure(ctx, p.dir, b.etl, "run", "--no-publish", "--progress", "none")
	if err != nil {
		return extracted{}, err
	}
	e := extracted{usage: u}
	e.calls, e.stage, err = readText(u.out)
	return e, err
}

// readText finds the number of feed calls and the time of the extraction.
func readText(out []byte) (calls int64, stage time.Duration, err error) {
	find := func(pattern string) string {
		if m := regexp.MustCompile(pattern).FindSubmatch(out); m != nil {
			return string(m[1])
		}
		return ""
	}
	calls, err = strconv.ParseInt(strings.ReplaceAll(find(`([0-9,]+) feed,`), ",", ""), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("read the feed calls from the report: %w", err)
	}
	stage, err = time.ParseDuration(find(`extract ([0-9a-zµ.]+),`))
	if err != nil {
		return 0, 0, fmt.Errorf("read the time of the extraction from the report: %w", err)
	}
	return calls, stage, nil
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
