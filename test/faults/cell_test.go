package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roistat-etl/load"
	"roistat-etl/pipeline"
)

// cell is what a night must come to.
type cell struct {
	exit     int
	code     string   // of the failed clients
	failed   int      // clients
	streak   bool     // there may be more of them: those that were in flight when it ended
	left     int64    // feeds; compared where the run published
	reasons  []string // how each begins
	err      []string // what the error says
	gate     string   // that stopped it
	short    bool     // the list is not complete
	rejects  int64    // items
	retried  int64    // calls; anyNumber: not compared
	struck   age      // the feeds of the clients that the fault strikes; "": not compared
	others   age      // the feeds of all others
	idle     bool     // nothing has changed that could be published
	campaign string   // why it failed, for the document; its former contacts stay
}

func (c cell) outcome() pipeline.Outcome {
	return map[int]pipeline.Outcome{0: pipeline.OK, 1: pipeline.Failed, 3: pipeline.Partial, 4: pipeline.Refused, 5: pipeline.Gated}[c.exit]
}

func (c cell) publishes() bool { return c.exit == 0 || c.exit == 3 }

// check compares a report with all that the cell says.
func (c cell) check(t *testing.T, r *pipeline.Report, struck []int64) {
	t.Helper()
	same(t, "exit code", r.ExitCode, c.exit)
	same(t, "outcome", r.Outcome, c.outcome())
	same(t, "list complete", r.Clients.ListComplete, !c.short)
	same(t, "rejected items", r.Rejects.Items, c.rejects)
	if c.retried != anyNumber {
		same(t, "calls retried", r.Calls.Retried, c.retried)
	}
	if c.publishes() {
		same(t, "feeds left", r.Feeds.Left, c.left)
	}
	c.checkFailures(t, r, struck)
	c.checkWords(t, r)
	c.checkState(t, r)
}

func (c cell) checkFailures(t *testing.T, r *pipeline.Report, struck []int64) {
	t.Helper()
	if c.streak && int(r.Feeds.Failed) > c.failed {
		c.failed = int(r.Feeds.Failed)
	}
	same(t, "feeds failed", int(r.Feeds.Failed), c.failed)
	same(t, "failed clients", len(r.FailedClients), c.failed)
	for _, f := range r.FailedClients {
		same(t, fmt.Sprintf("code of client %d", f.ClientID), f.Code, c.code)
		if struck != nil && !slices.Contains(struck, f.ClientID) {
			t.Errorf("client %d failed, whom the fault doesn't strike", f.ClientID)
		}
	}
}

func (c cell) checkWords(t *testing.T, r *pipeline.Report) {
	t.Helper()
	if len(r.Reasons) != len(c.reasons) {
		t.Errorf("reasons %q, want %q", r.Reasons, c.reasons)
		return
	}
	for i, reason := range r.Reasons {
		if !strings.HasPrefix(reason, c.reasons[i]) {
			t.Errorf("reason %q, want %q", reason, c.reasons[i])
		}
	}
	if (r.Error != nil) == c.publishes() {
		t.Errorf("error %v with exit code %d", r.Error, c.exit)
		return
	}
	for _, part := range c.err {
		if !strings.Contains(*r.Error, part) {
			t.Errorf("the error doesn't say %q: %s", part, *r.Error)
		}
	}
}

func (c cell) checkState(t *testing.T, r *pipeline.Report) {
	t.Helper()
	for _, g := range r.Gates {
		same(t, "gate "+g.Name, g.Passed, g.Name != c.gate)
	}
	state := load.Published
	switch {
	case !c.publishes():
		state = load.Skipped
	case c.idle:
		state = load.Unchanged
	}
	same(t, "destinations", len(r.Destinations), 1)
	same(t, "destination", r.Destinations[0].State, string(state))
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// String is the cell as the document has it.
func (c cell) String() string {
	var parts []string
	switch {
	case c.gate != "":
		parts = append(parts, "gate `"+c.gate+"`")
	case c.streak:
		parts = append(parts, fmt.Sprintf("%d clients in a row failed: `%s`", c.failed, c.code))
	case c.failed > 0:
		parts = append(parts, fmt.Sprintf("%d clients failed: `%s`", c.failed, c.code))
	}
	if c.short && c.publishes() {
		parts = append(parts, "the list is incomplete")
	}
	if c.campaign != "" {
		parts = append(parts, "the campaign failed: `"+c.campaign+"`")
	}
	switch {
	case c.left == everyDue:
		parts = append(parts, "every feed is left")
	case c.left > 0:
		parts = append(parts, fmt.Sprintf("%d feeds are left", c.left))
	}
	if c.rejects > 0 {
		parts = append(parts, fmt.Sprintf("%d rejects", c.rejects))
	}
	if c.publishes() && c.struck == before && c.failed == 0 && c.left == 0 {
		parts = append(parts, "the former feeds stay")
	}
	if len(parts) == 0 {
		return fmt.Sprintf("**%d**", c.exit)
	}
	return fmt.Sprintf("**%d**, %s", c.exit, strings.Join(parts, ", "))
}
