package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"roistat-etl/pipeline"
	"roistat-etl/schemas"
)

var end = time.Date(2026, 7, 26, 1, 2, 3, 500e6, time.UTC)

func report(name string, code int) *pipeline.Report {
	return &pipeline.Report{
		Run: "20260726T010203Z-1a2b3c", Pipeline: name, Project: "12345", ExitCode: code, Outcome: pipeline.Partial, StartedAt: end.Add(-time.Minute), FinishedAt: end,
		Details: pipeline.Details{
			Stages:  pipeline.Stages{Extract: 1500 * time.Millisecond, Transform: time.Second, Load: 250 * time.Millisecond},
			Rejects: map[schemas.Reason]int64{schemas.BadMoney: 3}, Rows: map[string]int64{"visits": 1 << 40, "clients": 7},
			Left: 5, NeverFetched: 4, Calls: pipeline.CallCounts{List: 2, Feed: 30, Campaign: 1, Retried: 6, Refused: 0}, LastSuccess: end,
		},
	}
}

// samples reads a metrics file with Prometheus' own parser and linter.
func samples(t *testing.T, path string) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.New(strings.NewReader(string(text))).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				name += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}
			if _, twice := found[name]; twice { // which the parser lets pass
				t.Errorf("%s is there twice", name)
			}
			found[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			name = f.GetName()
		}
	}
	return found
}

func TestMetrics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roistat.prom")
	b := report("b", 2)
	b.Details = pipeline.Details{} // it never had its mirror
	if err := WriteMetrics(path, []*pipeline.Report{report("a", 3), b}); err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"roistat_etl_exit_code pipeline=a": 3, "roistat_etl_exit_code pipeline=b": 2,
		"roistat_etl_last_success_timestamp_seconds pipeline=a": 1785027723.5,
		"roistat_etl_rows pipeline=a table=visits":              1 << 40, "roistat_etl_rows pipeline=a table=clients": 7,
		"roistat_etl_duration_seconds pipeline=a stage=extract": 1.5, "roistat_etl_duration_seconds pipeline=a stage=transform": 1, "roistat_etl_duration_seconds pipeline=a stage=load": 0.25,
	}
	for _, stage := range []string{"extract", "transform", "load"} {
		want["roistat_etl_duration_seconds pipeline=b stage="+stage] = 0
	}
	for p, n := range map[string]float64{"a": 1, "b": 0} {
		want["roistat_etl_feeds_left pipeline="+p], want["roistat_etl_feeds_never_fetched pipeline="+p] = 5*n, 4*n
		for kind, calls := range map[string]float64{"list": 2, "feed": 30, "campaign": 1, "retried": 6, "refused": 0} {
			want["roistat_etl_calls_total kind="+kind+" pipeline="+p] = calls * n
		}
		for _, reason := range schemas.Reasons() {
			want["roistat_etl_rejects pipeline="+p+" reason="+string(reason)] = 0
		}
	}
	want["roistat_etl_rejects pipeline=a reason=bad_money"] = 3
	if diff := cmp.Diff(want, samples(t, path)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v: another user's exporter must be able to read it", info.Mode(), err)
	}
}

// A file that can't be written is an error, and the former one stays.
func TestMetricsThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "full")
	if err := os.MkdirAll(filepath.Join(path, "child"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteMetrics(path, []*pipeline.Report{report("a", 0)}); err == nil || !strings.Contains(err.Error(), "write the metrics: ") {
		t.Error(err)
	}
}
