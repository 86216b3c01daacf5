package pipeline

import (
	"context"
	"errors"
	"fmt"
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
	Forgotten    int64           `json:"forgotten,omitempty"` // clients that were erased
	Erasing      bool            `json:"erasing,omitempty"`   // some of them may be shown or on the disk still

	Project string  `json:"-"`
	Ages    []int64 `json:"-"` // of the feeds of live clients, by AgeLimits, as mirror.Reader.Ages has them
	Hour    int64   `json:"-"` // calls in the last hour
	PerHour int     `json:"-"` // calls that an hour allows
}

// AgeLimits are the ages by which feeds are counted.
func AgeLimits() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{day, 7 * day, 30 * day, 90 * day}
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

	Months   map[string]map[string]int64 `json:"-"` // rows by table and month
	Unlinked string                      `json:"-"` // why readers are not led to the run; "" if they are

	Error   string `json:"error,omitempty"`
	Refused string `json:"refused,omitempty"` // why a run would not publish there
}

// StatusOptions say how much of a status is wanted.
type StatusOptions struct {
	Runs int  // past runs
	Use  bool // the age of each feed, and the calls of the last hour, too
}

// ReadStatus reads a pipeline's status from its mirror and destinations. A mirror
// that isn't there yet gives an empty status.
func ReadStatus(ctx context.Context, p *config.Pipeline, o StatusOptions) (_ *Status, err error) {
	s := &Status{Pipeline: p.Name, Runs: []Report{}, Destinations: []PublishedInfo{}, Project: p.Project, PerHour: p.API.PerHour}
	m, err := readIfAny(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := s.readMirror(ctx, m, o); err != nil {
		return nil, err
	}
	l, err := lineageOf(ctx, p, m.Reader)
	if err != nil {
		return nil, err
	}
	destinations, err := openDestinations(p)
	if err != nil {
		return nil, err
	}
	for _, d := range destinations {
		s.Destinations = append(s.Destinations, publishedInfo(ctx, d, l))
	}
	return s, closeDestinations(destinations)
}

func (s *Status) readMirror(ctx context.Context, m *reading, o StatusOptions) error {
	if m.Reader == nil {
		return nil
	}
	now := time.Now()
	stats, err := m.Stats(ctx, now)
	if err != nil {
		return err
	}
	if o.Use {
		if err := s.readUse(ctx, m.Reader, now); err != nil {
			return err
		}
	}
	if s.Forgotten = stats.Forgotten; stats.Forgotten > 0 {
		if s.Erasing, err = erasing(ctx, m.Reader); err != nil {
			return err
		}
	}
	s.Feeds = FeedAges{Live: stats.Live, NeverFetched: stats.NeverFetched}
	if !stats.Oldest.IsZero() {
		s.Feeds.P50AgeS, s.Feeds.P95AgeS = seconds(stats.P50), seconds(stats.P95)
	}
	runs, err := m.Runs(ctx, o.Runs)
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

// readUse counts the feeds by their age, and the calls of the last hour.
func (s *Status) readUse(ctx context.Context, m *mirror.Reader, now time.Time) (err error) {
	if s.Ages, err = m.Ages(ctx, now, AgeLimits()); err != nil {
		return err
	}
	calls, err := m.Journal(ctx, now.Add(-time.Hour))
	for _, c := range calls {
		s.Hour += c.N
	}
	return err
}

// erasing tells whether an erasure has not come to its end.
func erasing(ctx context.Context, m *mirror.Reader) (bool, error) {
	dirty, err := m.Unclean(ctx)
	if err != nil || dirty {
		return dirty, err
	}
	text, err := m.Meta(ctx, metaErasing)
	return text != "", err
}

func seconds(d time.Duration) *int64 {
	n := int64(d / time.Second)
	return &n
}

// publishedInfo asks a destination; one that is away is said so and stops nothing.
func publishedInfo(ctx context.Context, d destination, l lineage) PublishedInfo {
	info := PublishedInfo{Kind: d.kind, Target: d.target}
	m, err := d.Published(ctx)
	switch {
	case err != nil:
		info.Error = err.Error()
	case m != nil:
		info.Unlinked, info.Refused = m.Unlinked, l.refuses(ctx, d, m)
		info.Run, info.Rows, info.Months = m.Run, map[string]int64{}, map[string]map[string]int64{}
		for name, t := range m.Tables {
			info.Rows[name], info.Months[name] = t.Rows, map[string]int64{}
			for _, f := range t.Files {
				info.Months[name][f.Partition] += f.Rows
			}
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
	text := fmt.Sprintf("shows run %s, %d rows", p.Run, rows)
	if p.Unlinked != "" {
		text = fmt.Sprintf("has run %s, %d rows, but readers are not led to it: %s", p.Run, rows, p.Unlinked)
	}
	if p.Refused != "" {
		text += "; a run would not publish there: " + p.Refused
	}
	return text
}
