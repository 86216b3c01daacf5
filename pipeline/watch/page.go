package watch

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"roistat-etl/internal/untrusted"
	"roistat-etl/pipeline"
	"roistat-etl/schemas"
)

//go:embed page.html
var pageText string

// PageRuns is how many past runs a page shows.
const PageRuns = 60

// WritePage writes a page with pictures of how these pipelines do, as of a time.
// It is one file that loads nothing from anywhere and runs no script.
func WritePage(w io.Writer, list []*pipeline.Status, now time.Time) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if err := t.Execute(untrusted.NewWriter(w), newPage(list, now)); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// page is what the template shows; all its numbers are written out.
type page struct {
	Title, At, Summary string
	Pipelines          []section
}

// section is a pipeline.
type section struct {
	Name, Project string
	Last          *run
	Tiles         []tile
	Fresh         []share
	Quota         quota
	Calls         chart
	Rejects       []share
	Destinations  []shown
	Runs          []run
}

type tile struct{ Value, Label string }

// share is a part of a whole.
type share struct {
	Label, Class, Count string
	N                   int64
	Share               string // percent of the greatest
}

type quota struct{ Used, Allowed, Left, Share, Class string }

// shown is what a destination shows.
type shown struct {
	Kind, Target, Run, Note string
	Tables                  []tableMonths
}

// tableMonths are the rows of a table, by month where it has months.
type tableMonths struct {
	Name, Rows string
	Chart      chart
}

// run is a past run.
type run struct {
	Run, Started, Ago, Outcome, Words, Took, Why string
	Fetched, Left, Failed, Rejects               string
}

func newPage(list []*pipeline.Status, now time.Time) page {
	p := page{At: now.UTC().Format("2006-01-02 15:04")}
	names, well := []string{}, 0
	for _, s := range list {
		names = append(names, s.Pipeline)
		p.Pipelines = append(p.Pipelines, newSection(s, now))
		if len(s.Runs) > 0 && s.Runs[0].Outcome == pipeline.OK {
			well++
		}
	}
	p.Title = strings.Join(names, ", ")
	p.Summary = fmt.Sprintf("%d of %d pipelines did all that was due in their latest run.", well, len(list))
	return p
}

func newSection(s *pipeline.Status, now time.Time) section {
	out := section{Name: s.Pipeline, Project: s.Project, Quota: newQuota(s), Fresh: freshness(s), Rejects: rejects(s), Calls: callsChart(s)}
	for i := range s.Runs {
		out.Runs = append(out.Runs, newRun(&s.Runs[i], now))
	}
	if len(out.Runs) > 0 {
		out.Last = &out.Runs[0]
	}
	rows := "–"
	for _, d := range s.Destinations {
		out.Destinations = append(out.Destinations, newShown(d))
		if d.Run != "" && rows == "–" {
			rows = humanize.Comma(sum(slices.Collect(maps.Values(d.Rows))))
		}
	}
	out.Tiles = []tile{
		{rows, "rows published"}, {humanize.Comma(s.Feeds.Live), "live clients"}, {humanize.Comma(s.Feeds.NeverFetched), "of them never read"},
		{age(s.Feeds.P50AgeS), "half of the feeds are younger"}, {age(s.Feeds.P95AgeS), "95% of the feeds are younger"},
	}
	return out
}

// age writes seconds in the unit that a person would take; nil: nothing was read yet.
func age(seconds *int64) string {
	if seconds == nil {
		return "–"
	}
	switch d := time.Duration(*seconds) * time.Second; {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	default:
		return fmt.Sprintf("%.0f min", max(d.Minutes(), 1))
	}
}

// freshness parts the live clients by the age of their feeds.
func freshness(s *pipeline.Status) []share {
	if sum(s.Ages) == 0 {
		return nil
	}
	labels := []string{"under a day", "under a week", "under 30 days", "under 90 days", "older", "never read"}
	var out []share
	for i, n := range s.Ages {
		out = append(out, share{Label: labels[i], Class: []string{"a", "b", "c", "d", "e", "n"}[i], Count: humanize.Comma(n), N: n})
	}
	return out
}

func newQuota(s *pipeline.Status) quota {
	allowed := max(int64(s.PerHour), 1)
	used := 100 * float64(min(s.Hour, allowed)) / float64(allowed)
	q := quota{Used: humanize.Comma(s.Hour), Allowed: humanize.Comma(int64(s.PerHour)), Left: humanize.Comma(max(allowed-s.Hour, 0)), Share: number(used), Class: "a"}
	if used >= 95 {
		q.Class = "e"
	}
	return q
}

// rejects ranks the reasons of the latest projection.
func rejects(s *pipeline.Status) []share {
	if len(s.Runs) == 0 {
		return nil
	}
	counts := s.Runs[0].Details.Rejects
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b schemas.Reason) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var out []share
	for _, r := range reasons {
		if n := counts[r]; n > 0 {
			out = append(out, share{Label: string(r), Count: humanize.Comma(n), N: n, Share: number(100 * float64(n) / float64(counts[reasons[0]]))})
		}
	}
	return out
}

// callsChart shows the calls of each run, the oldest first.
func callsChart(s *pipeline.Status) chart {
	var values []value
	for i := len(s.Runs) - 1; i >= 0; i-- {
		r := &s.Runs[i]
		values = append(values, value{
			fmt.Sprintf("%s: %s feeds, %s others", r.StartedAt.Format("2006-01-02 15:04"), humanize.Comma(r.Calls.Feed), humanize.Comma(r.Calls.List+r.Calls.Campaign)),
			[]int64{r.Calls.Feed, r.Calls.List + r.Calls.Campaign},
		})
	}
	c := draw("calls of each run", 430, []string{"a", "b"}, values)
	if n := len(s.Runs); n > 0 {
		c.name(s.Runs[n-1].StartedAt.Format("2 Jan"), s.Runs[0].StartedAt.Format("2 Jan"))
	}
	return c
}

func newShown(d pipeline.PublishedInfo) shown {
	s := shown{Kind: d.Kind, Target: d.Target, Run: d.Run, Note: d.Summary()}
	if d.Run == "" {
		return s
	}
	for _, t := range schemas.Tables() {
		s.Tables = append(s.Tables, tableMonths{t.Name, humanize.Comma(d.Rows[t.Name]), monthsChart(t.Name, d.Months[t.Name])})
	}
	return s
}

// monthsChart shows the rows of each month from the first to the last; a table
// without months has no chart.
func monthsChart(table string, rows map[string]int64) chart {
	months := slices.Sorted(maps.Keys(rows))
	months = slices.DeleteFunc(months, func(m string) bool { return len(m) != len("2006-01") })
	var values []value
	for _, m := range between(months) {
		values = append(values, value{fmt.Sprintf("%s: %s rows", m, humanize.Comma(rows[m])), []int64{rows[m]}})
	}
	c := draw("rows of "+table+" by month", 200, []string{"a"}, values)
	if n := len(months); n > 0 {
		c.name(months[0], months[n-1])
	}
	return c
}

// between lists all months from the first of a sorted list to its last.
func between(months []string) (all []string) {
	if len(months) == 0 {
		return nil
	}
	at, err := time.Parse("2006-01", months[0])
	if err != nil {
		return months
	}
	for last := months[len(months)-1]; at.Format("2006-01") <= last; at = at.AddDate(0, 1, 0) {
		all = append(all, at.Format("2006-01"))
	}
	return all
}

func newRun(r *pipeline.Report, now time.Time) run {
	words := map[pipeline.Outcome]string{
		pipeline.OK: "done", pipeline.Partial: "partly done", pipeline.Failed: "failed", pipeline.Refused: "refused", pipeline.Gated: "stopped by a gate", pipeline.Interrupted: "interrupted",
	}
	why := strings.Join(r.Reasons, "; ")
	if r.Error != nil {
		why = *r.Error
	}
	n := humanize.Comma
	return run{
		Run: r.Run, Started: r.StartedAt.Format("2006-01-02 15:04"), Ago: humanize.RelTime(r.FinishedAt, now, "ago", "from now"),
		Outcome: string(r.Outcome), Words: words[r.Outcome], Took: r.FinishedAt.Sub(r.StartedAt).Round(time.Second).String(), Why: why,
		Fetched: n(r.Feeds.Fetched), Left: n(r.Feeds.Left), Failed: n(r.Feeds.Failed), Rejects: n(r.Rejects.Items + r.Rejects.Fields),
	}
}
