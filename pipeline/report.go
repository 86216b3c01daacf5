package pipeline

import (
	"encoding/json"
	"fmt"
	"time"
)

// Outcome says in a word how a run ended.
type Outcome string

// The outcomes of a run.
const (
	OK          Outcome = "ok"          // published; all that was due was fetched
	Partial     Outcome = "partial"     // published, but not everything that was due
	Failed      Outcome = "failed"      // nothing more was published
	Refused     Outcome = "refused"     // the API refuses for good
	Gated       Outcome = "gated"       // a gate stopped the publishing
	Interrupted Outcome = "interrupted" // by a signal; the next run goes on
)

// Report is what a run says of itself: the line of --json, and what the mirror
// keeps of the run. Times are UTC. Field order is the order of the JSON.
type Report struct {
	Schema        int                    `json:"schema"`
	Run           string                 `json:"run"`
	Pipeline      string                 `json:"pipeline"`
	Project       string                 `json:"project"`
	ExitCode      int                    `json:"exit_code"`
	Outcome       Outcome                `json:"outcome"`
	Reasons       []string               `json:"reasons"`
	StartedAt     time.Time              `json:"started_at"`
	FinishedAt    time.Time              `json:"finished_at"`
	Calls         CallCounts             `json:"calls"`
	Clients       ClientCounts           `json:"clients"`
	Feeds         FeedCounts             `json:"feeds"`
	FailedClients []FailedClient         `json:"failed_clients"`
	Tables        map[string]TableCounts `json:"tables"`
	Rejects       RejectCounts           `json:"rejects"`
	Gates         []Gate                 `json:"gates"`
	Destinations  []DestinationState     `json:"destinations"`
	Error         *string                `json:"error"`

	Details Details `json:"-"` // what the mirror keeps beside it
}

// CallCounts counts the calls of a run by kind. Retried and Refused are of all kinds.
type CallCounts struct {
	List     int64 `json:"list"`
	Feed     int64 `json:"feed"`
	Campaign int64 `json:"campaign"`
	Retried  int64 `json:"retried"`
	Refused  int64 `json:"refused"`
}

// ClientCounts counts what the list of clients told.
type ClientCounts struct {
	Listed       int64 `json:"listed"` // distinct ids
	Total        int64 `json:"total"`  // what the API said there are
	ListComplete bool  `json:"list_complete"`
	New          int64 `json:"new"`
	Changed      int64 `json:"changed"`
	Gone         int64 `json:"gone"`
}

// FeedCounts counts the feeds of a run: Due = Fetched + Failed + Left.
type FeedCounts struct {
	Due          int64      `json:"due"`
	Fetched      int64      `json:"fetched"`
	Failed       int64      `json:"failed"`
	Left         int64      `json:"left"`
	NeverFetched int64      `json:"never_fetched"`
	OldestAt     *time.Time `json:"oldest_at"`
}

// FailedClient is a client whose feed could not be read in this run.
type FailedClient struct {
	ClientID int64  `json:"client_id"`
	Code     string `json:"code"`
	Error    string `json:"error"`
}

// TableCounts counts a table's rows now and in what was published before, its
// partitions, and those of them that changed.
type TableCounts struct {
	Rows       int64 `json:"rows"`
	RowsBefore int64 `json:"rows_before"`
	Partitions int64 `json:"partitions"`
	Changed    int64 `json:"changed"`
}

// RejectCounts counts the rejects of whole items and of single fields.
type RejectCounts struct {
	Items  int64 `json:"items"`
	Fields int64 `json:"fields"`
}

// Gate is one check of plausibility before the publishing.
type Gate struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"` // a share: 0.01 is 1%
	Limit    float64 `json:"limit"`
	Passed   bool    `json:"passed"`
	Accepted bool    `json:"-"` // let through by --accept; a reason says so
	Detail   string  `json:"-"` // the value in words, for the text
}

// DestinationState says what a destination shows after the run.
type DestinationState struct {
	Kind   string `json:"kind"`
	Target string `json:"target"`
	State  string `json:"state"` // published, unchanged, failed or skipped
	Run    string `json:"run"`   // the run that it shows; empty: none
}

// newReport starts the report of a run; its lists are empty, not null.
func newReport(run, pipeline, project string, start time.Time) *Report {
	return &Report{
		Schema: 1, Run: run, Pipeline: pipeline, Project: project, StartedAt: start.UTC().Truncate(time.Millisecond),
		Reasons: []string{}, FailedClients: []FailedClient{}, Tables: map[string]TableCounts{},
		Gates: []Gate{}, Destinations: []DestinationState{},
	}
}

// encode writes the report as the destinations keep it.
func (r *Report) encode() (string, error) {
	text, err := json.Marshal(r.unquoted())
	if err != nil {
		return "", fmt.Errorf("write the report: %w", err)
	}
	return string(text), nil
}
