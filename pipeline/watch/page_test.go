package watch

import (
	"strings"
	"testing"
	"time"

	"roistat-etl/pipeline"
	"roistat-etl/schemas"
)

func written(t *testing.T, list ...*pipeline.Status) string {
	t.Helper()
	var b strings.Builder
	if err := WritePage(&b, list, end.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What the API or a path says is text, never markup.
func TestPageEscapes(t *testing.T) {
	r := report("demo", 1)
	text := `<script>alert(1)</script> & "quotes"`
	r.Error, r.Outcome = &text, pipeline.Failed
	s := &pipeline.Status{
		Pipeline: "demo", Project: "12345", Runs: []pipeline.Report{*r},
		Destinations: []pipeline.PublishedInfo{{Kind: "parquet", Target: `"><img src=x>`, Error: "<b>away</b>"}},
	}
	got := written(t, s)
	for _, bad := range []string{"<script", "<img", "<b>away"} {
		if strings.Contains(got, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)", "can&#39;t be read: &lt;b&gt;away", "1 hour ago"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestPageRanksRejects(t *testing.T) {
	r := report("demo", 0)
	r.Details.Rejects = map[schemas.Reason]int64{schemas.BadTime: 5, schemas.NoID: 0, schemas.BadValue: 50, schemas.BadMoney: 5}
	list := rejects(&pipeline.Status{Runs: []pipeline.Report{*r}})
	var got []string
	for _, x := range list {
		got = append(got, x.Label+" "+x.Count+" "+x.Share)
	}
	if want := "bad_value 50 100.00, bad_money 5 10.00, bad_time 5 10.00"; strings.Join(got, ", ") != want {
		t.Errorf("%q", got)
	}
}

// A month without rows between two with rows has its place.
func TestMonthsChart(t *testing.T) {
	c := monthsChart("visits", map[string]int64{"2025-11": 100, "2026-02": 1, "none": 0})
	if len(c.Bars) != 4 || len(c.Bars[1].Parts) != 0 || c.Bars[0].Parts[0].Height != "72.00" || c.Bars[3].Parts[0].Height != "1.00" || c.First != "2025-11" {
		t.Errorf("%+v", c)
	}
	if c := monthsChart("clients", map[string]int64{"": 7}); len(c.Bars) != 0 {
		t.Errorf("a table without months: %+v", c)
	}
}

func TestAge(t *testing.T) {
	for s, want := range map[int64]string{5: "1 min", 600: "10 min", 3 * 3600: "3 hours", 72 * 3600: "3 days"} {
		if got := age(&s); got != want {
			t.Errorf("%d: %s", s, got)
		}
	}
	if age(nil) != "–" {
		t.Error(age(nil))
	}
}
