package pipeline

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"roistat-etl/schemas"
)

// WriteText writes the report for a person to read.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n\n", r.Pipeline, r.headline())
	r.writeFacts(&b)
	r.writeTables(&b)
	r.writeFailures(&b)
	r.writeEnd(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) headline() string {
	took := r.FinishedAt.Sub(r.StartedAt).Round(100 * time.Millisecond)
	words := map[Outcome]string{
		OK: "done", Partial: "done, but not everything that was due", Failed: "failed",
		Refused: "refused by the API", Gated: "stopped by a gate, nothing was published", Interrupted: "interrupted; the next run goes on from here",
	}
	return fmt.Sprintf("%s (run %s, %s, exit code %d)", words[r.Outcome], r.Run, took, r.ExitCode)
}

func (r *Report) writeFacts(b *strings.Builder) {
	n := humanize.Comma
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	if r.Calls.List > 0 {
		fmt.Fprintf(t, "  clients\t%s listed of %s: %s new, %s changed, %s gone%s\n", n(r.Clients.Listed), n(r.Clients.Total),
			n(r.Clients.New), n(r.Clients.Changed), n(r.Clients.Gone), unless(r.Clients.ListComplete, "; the list came incomplete, so nobody was declared gone"))
		fmt.Fprintf(t, "  feeds\t%s due: %s fetched, %s failed, %s left\n", n(r.Feeds.Due), n(r.Feeds.Fetched), n(r.Feeds.Failed), n(r.Feeds.Left))
		fmt.Fprintf(t, "  calls\t%s list, %s feed, %s campaign; %s retried, %s refused\n", n(r.Calls.List), n(r.Calls.Feed), n(r.Calls.Campaign), n(r.Calls.Retried), n(r.Calls.Refused))
	}
	fmt.Fprintf(t, "  state\t%s never read%s\n", n(r.Feeds.NeverFetched), r.oldest())
	if r.Rejects.Items+r.Rejects.Fields > 0 {
		fmt.Fprintf(t, "  rejects\t%s items, %s fields: see roistat-etl rejects %s\n", n(r.Rejects.Items), n(r.Rejects.Fields), r.Pipeline)
	}
	fmt.Fprintf(t, "  time\textract %s, transform %s, load %s\n", short(r.Details.Stages.Extract), short(r.Details.Stages.Transform), short(r.Details.Stages.Load))
	_ = t.Flush() // a strings.Builder never fails
}

// indented sets the lines of a text after its first so far in that none of them can
// pass for a line of the report: who filters it, as roistat-etl-night does, trusts
// the beginning of a line.
func indented(text string) string {
	return strings.ReplaceAll(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n", "\n      ")
}

func short(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

func unless(ok bool, s string) string {
	if ok {
		return ""
	}
	return s
}

func (r *Report) oldest() string {
	if r.Feeds.OldestAt == nil {
		return ""
	}
	return ", the oldest feed was read " + r.Feeds.OldestAt.Format("2006-01-02 15:04 UTC")
}

func (r *Report) writeTables(b *strings.Builder) {
	if len(r.Tables) == 0 {
		return
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "  %-24s\trows\tbefore\tpartitions\tchanged\t\n", "table")
	for _, table := range schemas.Tables() {
		c := r.Tables[table.Name]
		fmt.Fprintf(t, "  %-24s\t%s\t%s\t%d\t%d\t\n", table.Name, humanize.Comma(c.Rows), humanize.Comma(c.RowsBefore), c.Partitions, c.Changed)
	}
	_ = t.Flush()
}

// mostFailures is how many failed clients the text names; --json has them all.
const mostFailures = 10

func (r *Report) writeFailures(b *strings.Builder) {
	if len(r.FailedClients) == 0 {
		return
	}
	fmt.Fprintf(b, "\n  failed clients, whose last good feed stays published:\n")
	for i, f := range r.FailedClients {
		if i == mostFailures {
			fmt.Fprintf(b, "    and %d more: --json lists them\n", len(r.FailedClients)-i)
			break
		}
		fmt.Fprintf(b, "    %d  %s  %s\n", f.ClientID, f.Code, indented(f.Error))
	}
}

func (r *Report) writeEnd(b *strings.Builder) {
	b.WriteString("\n")
	for _, g := range r.Gates {
		if !g.Passed {
			fmt.Fprintf(b, "  gate %s: %.2f%% is above %.2f%%: %s. If that is right, run again with --accept %s\n", g.Name, 100*g.Value, 100*g.Limit, indented(g.Detail), g.Name)
		}
	}
	for _, d := range r.Destinations {
		shows := "shows nothing yet"
		if d.Run != "" {
			shows = "shows run " + d.Run
		}
		fmt.Fprintf(b, "  %s %s: %s, %s\n", d.Kind, d.Target, d.State, shows)
	}
	for _, reason := range r.Reasons {
		fmt.Fprintf(b, "  because %s\n", indented(reason))
	}
	if r.Error != nil {
		fmt.Fprintf(b, "  error: %s\n", indented(*r.Error))
	}
}

// WriteSummary writes, after the reports of several pipelines, which of them
// are not done and why, for a person who won't read them all.
func WriteSummary(w io.Writer, reports []*Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	done := 0
	for _, r := range reports {
		if r.Outcome == OK {
			done++
		}
	}
	fmt.Fprintf(t, "\n%d of %d pipelines are done%s\n", done, len(reports), unless(done == len(reports), "; not all is well with:"))
	for _, r := range reports {
		if r.Outcome != OK {
			fmt.Fprintf(t, "  %s\texit code %d\t%s\n", r.Pipeline, r.ExitCode, indented(r.why()))
		}
	}
	return t.Flush()
}

// why says in a line what kept a run from being done.
func (r *Report) why() string {
	if r.Error != nil {
		return *r.Error
	}
	return strings.Join(r.Reasons, "; ")
}
