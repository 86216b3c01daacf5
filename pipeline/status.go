package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"roistat-etl/extract/mirror"
	"roistat-etl/pipeline/config"
)

// Status is what is known of a pipeline without asking the API.
type Status struct {
	Pipeline     string          `json:"pipeline"`
	Runs         []Report        `json:"runs"` // the latest first
	Feeds        FeedAges        `json:"feeds"`
	Destinations []PublishedInfo `json:"destinations"`
}

// FeedAges tells how old the feeds of the live clients are; ages are null while none was read.
type FeedAges struct {
	Live         int64  `json:"live"`
	NeverFetched int64  `json:"never_fetched"`
	P50AgeS      *int64 `json:"p50_age_s"`
	P95AgeS      *int64 `json:"p95_age_s"`
}

// PublishedInfo is what a destination shows. Error says why that can't be told.
type PublishedInfo struct {
	Kind   string           `json:"kind"`
	Target string           `json:"target"`
	Run    string           `json:"run"` // empty: nothing
	Rows   map[string]int64 `json:"rows,omitempty"`
	Error  string           `json:"error,omitempty"`
}

// statusRuns is how many past runs a status shows.
const statusRuns = 10

// ReadStatus reads a pipeline's status from its mirror and destinations. A
// mirror that isn't there yet gives an empty status.
func ReadStatus(ctx context.Context, p *config.Pipeline) (*Status, error) {
	s := &Status{Pipeline: p.Name, Runs: []Report{}, Destinations: []PublishedInfo{}}
	if err := s.readMirror(ctx, p.Mirror); err != nil {
		return nil, err
	}
	destinations, err := openDestinations(p)
	if err != nil {
		return nil, err
	}
	for _, d := range destinations {
		s.Destinations = append(s.Destinations, publishedInfo(ctx, d))
	}
	return s, closeDestinations(destinations)
}

func (s *Status) readMirror(ctx context.Context, path string) (err error) {
	m, err := mirror.OpenReader(ctx, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, mirror.ErrEmpty) {
		return nil
	}
	if err != nil {
		return mirrorError(ctx, err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	stats, err := m.Stats(ctx, time.Now())
	if err != nil {
		return err
	}
	s.Feeds = FeedAges{Live: stats.Live, NeverFetched: stats.NeverFetched}
	if !stats.Oldest.IsZero() {
		s.Feeds.P50AgeS, s.Feeds.P95AgeS = seconds(stats.P50), seconds(stats.P95)
	}
	runs, err := m.Runs(ctx, statusRuns)
	if err != nil {
		return err
	}
	for _, r := range runs {
		report, err := readKept(r)
		if err != nil {
			return err
		}
		s.Runs = append(s.Runs, *report)
	}
	return nil
}

func seconds(d time.Duration) *int64 {
	n := int64(d / time.Second)
	return &n
}

// publishedInfo asks a destination; one that is away is said so and stops nothing.
func publishedInfo(ctx context.Context, d destination) PublishedInfo {
	info := PublishedInfo{Kind: d.kind, Target: d.target}
	m, err := d.Published(ctx)
	switch {
	case err != nil:
		info.Error = err.Error()
	case m != nil:
		info.Run, info.Rows = m.Run, map[string]int64{}
		for name, t := range m.Tables {
			info.Rows[name] = t.Rows
		}
	}
	return info
}

// Summary says in a line what the destination shows.
func (p PublishedInfo) Summary() string {
	switch {
	case p.Error != "":
		return "can't be read: " + p.Error
	case p.Run == "":
		return "shows nothing yet"
	}
	rows := int64(0)
	for _, n := range p.Rows {
		rows += n
	}
	return fmt.Sprintf("shows run %s, %d rows", p.Run, rows)
}
