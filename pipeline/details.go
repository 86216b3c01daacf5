package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"roistat-etl/extract/mirror"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

// Details are what those who watch want to know of a pipeline beside the report
// of one run. The mirror keeps them with it. What a run has not come to learn is
// carried over from the run before: rows, rejects and feeds left are those that
// still hold.
type Details struct {
	Stages  Stages                   `json:"stages"`
	Rejects map[schemas.Reason]int64 `json:"rejects"` // of the latest projection, by reason
	Rows    map[string]int64         `json:"rows"`    // published, by table
	Left    int64                    `json:"left"`    // feeds that were due and not read

	NeverFetched int64 `json:"never_fetched"` // live clients whose feed was never read

	Calls       CallCounts `json:"calls"`        // of all runs, this one included
	LastSuccess time.Time  `json:"last_success"` // the last end with exit code 0 or 3; zero: none
}

// Stages is how long each stage of a run took.
type Stages struct {
	Extract   time.Duration `json:"extract_ns"`
	Transform time.Duration `json:"transform_ns"`
	Load      time.Duration `json:"load_ns"`
}

// storedReport is a report as the mirror keeps it.
type storedReport struct {
	*Report
	Details *Details `json:"details"`
}

// keep writes the report as the mirror keeps it.
func (r *Report) keep() (string, error) {
	text, err := json.Marshal(storedReport{r.unquoted(), &r.Details})
	if err != nil {
		return "", fmt.Errorf("write the report: %w", err)
	}
	return string(text), nil
}

// readKept reads a report that the mirror kept.
func readKept(run mirror.Run) (*Report, error) {
	r := &Report{}
	if err := json.Unmarshal([]byte(run.Report), &storedReport{r, &r.Details}); err != nil {
		return nil, fmt.Errorf("read the report of run %s: %w", run.Run, err)
	}
	return r, nil
}

// latestBut is the report of the last run that the mirror knows but for one run,
// which may have been entered already, or nil.
func latestBut(ctx context.Context, m *mirror.Reader, run string) (*Report, error) {
	runs, err := m.Runs(ctx, 2)
	for _, r := range runs {
		if r.Run != run {
			return readKept(r)
		}
	}
	return nil, err
}

// recall completes the report of a run that never had its mirror by what the
// mirror says without it. One that can't be read says nothing: that is what the
// run's own error is about.
func (r *Report) recall(ctx context.Context, path string) {
	m, err := mirror.OpenReader(ctx, path)
	if err != nil {
		return
	}
	defer m.Close() //nolint:errcheck // it was only read
	if before, err := latestBut(ctx, m, r.Run); err == nil && before != nil {
		r.carry(before)
		r.Details.NeverFetched = before.Details.NeverFetched
	}
}

// carry completes the details by those of the run before, which may be nil.
func (r *Report) carry(before *Report) {
	if before == nil {
		before = &Report{}
	}
	d, old := &r.Details, before.Details
	d.Calls = old.Calls.plus(r.Calls)
	if d.Rejects == nil {
		d.Rejects = old.Rejects
	}
	if d.Left = r.Feeds.Left; r.Calls.List == 0 && r.Feeds.Due == 0 {
		d.Left = old.Left
	}
	if d.Rows = r.published(); d.Rows == nil {
		d.Rows = old.Rows
	}
	if d.LastSuccess = old.LastSuccess; d.LastSuccess.After(r.FinishedAt) { // by a clock that was ahead: nobody knows when
		d.LastSuccess = time.Time{}
	}
	if r.Outcome == OK || r.Outcome == Partial {
		d.LastSuccess = r.FinishedAt
	}
}

// published counts the rows that are shown after the run; nil: the run doesn't know.
func (r *Report) published() map[string]int64 {
	if len(r.Tables) == 0 {
		return nil
	}
	now := len(r.Destinations) > 0
	for _, d := range r.Destinations {
		now = now && (d.Run == r.Run || d.State == string(load.Unchanged))
	}
	rows := make(map[string]int64, len(r.Tables))
	for name, t := range r.Tables {
		if rows[name] = t.RowsBefore; now {
			rows[name] = t.Rows
		}
	}
	return rows
}

// plus adds counts.
func (c CallCounts) plus(o CallCounts) CallCounts {
	return CallCounts{c.List + o.List, c.Feed + o.Feed, c.Campaign + o.Campaign, c.Retried + o.Retried, c.Refused + o.Refused}
}
