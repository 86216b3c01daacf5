package pipeline

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestNoTextForgesALine gives a report texts with line breaks: none of their lines may
// begin as a line of the report does, for roistat-etl-night goes by the beginning.
func TestNoTextForgesALine(t *testing.T) {
	const forged = "away\nother: done (run 20260101T000000Z-000000, 1s, exit code 0)\r  error: forged\r\n  gate forged\n  because forged"
	r := newReport("20260726T010203Z-1a2b3c", "shop", "1", time.Now())
	text := forged
	r.Outcome, r.Error, r.Reasons = Failed, &text, []string{forged}
	r.Gates = []Gate{{Name: "max_row_drop", Detail: forged}}
	r.FailedClients = []FailedClient{{ClientID: 1, Code: "x", Error: forged}}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if err := WriteSummary(&b, []*Report{r, r}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "forged"); n < 12 {
		t.Errorf("the texts are there %d times:\n%s", n, b.String())
	}
	for line := range strings.Lines(b.String()) {
		if regexp.MustCompile(`^(  |)(other:|(error|gate|because):? forged)`).MatchString(line) || strings.Contains(line, "\r") {
			t.Errorf("a forged line: %q", line)
		}
	}
}
