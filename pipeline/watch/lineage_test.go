package watch

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"roistat-etl/internal/wiretest"
	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
)

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if i := slices.Index(pairs, name); i >= 0 && i%2 == 0 {
			return pairs[i+1], true
		}
		return "", false
	}
}

func twoDestinations() *config.Pipeline {
	return &config.Pipeline{
		Name: "demo", Project: "12345", API: config.API{BaseURL: "https://example.com/api/v1"},
		Load: []config.Destination{
			{Parquet: &config.Parquet{Path: "/srv/tables"}}, {ClickHouse: &config.ClickHouse{URL: "clickhouse://etl@ch:9000/marts"}}, {Parquet: &config.Parquet{Path: "s3://lake/roistat"}},
		},
	}
}

// event is what the tests read of an event.
type event struct {
	EventType, EventTime, Producer, SchemaURL string
	Run                                       struct {
		RunID  string `json:"runId"`
		Facets map[string]map[string]any
	}
	Job     struct{ Namespace, Name string }
	Inputs  []struct{ Namespace, Name string }
	Outputs []struct {
		Namespace, Name string
		Facets          map[string]map[string]any
		OutputFacets    map[string]map[string]any
	}
}

func TestLineageIntoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lineage.ndjson")
	l, err := NewLineage(env("OPENLINEAGE__TRANSPORT__TYPE", "file", "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", path, "OPENLINEAGE_NAMESPACE", "nightly"), "v1")
	if err != nil {
		t.Fatal(err)
	}
	p, r := twoDestinations(), report("demo", 1)
	if err := l.Begun(t.Context(), p, r); err != nil {
		t.Fatal(err)
	}
	text := "the second destination is away"
	r.Outcome, r.Error = pipeline.Failed, &text
	r.Tables = map[string]pipeline.TableCounts{"visits": {Rows: 9}}
	r.Destinations = []pipeline.DestinationState{{Run: r.Run}, {Run: "20260725T010203Z-1a2b3c"}, {}}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Ended(interrupted, p, r); err != nil {
		t.Fatal(err)
	}
	events := readEvents(t, path)
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	begin, end := events[0], events[1]
	if begin.EventType != "START" || end.EventType != "FAIL" || begin.EventTime != "2026-07-26T01:01:03.500Z" || end.EventTime != "2026-07-26T01:02:03.500Z" {
		t.Errorf("%+v %+v", begin, end)
	}
	if begin.Run.RunID != end.Run.RunID || len(begin.Run.RunID) != 36 || begin.Job.Namespace != "nightly" || begin.Job.Name != "roistat-etl.demo" {
		t.Errorf("%+v %+v", begin.Run, end.Job)
	}
	if len(begin.Outputs) != 3*schemas.NumTables || len(end.Outputs) != schemas.NumTables {
		t.Errorf("%d and %d outputs", len(begin.Outputs), len(end.Outputs))
	}
	if end.Run.Facets["errorMessage"]["message"] != text {
		t.Errorf("%v", end.Run.Facets)
	}
	var names []string
	for _, o := range begin.Outputs {
		if strings.Contains(o.Name, "visits") {
			names = append(names, o.Namespace+" "+o.Name)
		}
	}
	if want := []string{"file /srv/tables/visits", "clickhouse://ch:9000 marts.visits", "s3://lake roistat/visits"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	visits := end.Outputs[slices.IndexFunc(schemas.Tables(), func(x *schemas.Table) bool { return x.Name == "visits" })]
	if visits.OutputFacets["outputStatistics"]["rowCount"] != 9.0 || len(visits.Facets["schema"]["fields"].([]any)) != len(schemas.Get(schemas.Visits).Columns) {
		t.Errorf("%v", visits)
	}
}

func readEvents(t *testing.T, path string) (list []event) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func TestLineageOverHTTP(t *testing.T) {
	var bodies []string
	answers := []int{503, 201, 400, 400}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/api/v1/lineage" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%v %s %s", err, r.URL, r.Header)
		}
		bodies = append(bodies, string(body))
		w.WriteHeader(answers[len(bodies)-1])
	}))
	defer s.Close()
	l, err := NewLineage(env("OPENLINEAGE_URL", s.URL, "OPENLINEAGE_API_KEY", "secret"), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Begun(t.Context(), twoDestinations(), report("demo", 0)); err != nil || len(bodies) != 2 || bodies[0] != bodies[1] {
		t.Errorf("a server that is away for a moment: %v, %d calls", err, len(bodies))
	}
	if err := l.Ended(t.Context(), twoDestinations(), report("demo", 0)); err == nil || !strings.Contains(err.Error(), "send the OpenLineage event COMPLETE: 400") {
		t.Errorf("one that refuses: %v", err)
	}
}

func TestLineageThatIsNotAskedFor(t *testing.T) {
	for _, e := range []func(string) (string, bool){env(), env("OPENLINEAGE_URL", "http://x", "OPENLINEAGE_DISABLED", "true")} {
		l, err := NewLineage(e, "v1")
		if l != nil || err != nil {
			t.Errorf("%v, %v", l, err)
		}
		if err := l.Begun(t.Context(), twoDestinations(), report("demo", 0)); err != nil {
			t.Error(err)
		}
	}
}

func TestLineageThatCannotBeFollowed(t *testing.T) {
	for want, e := range map[string]func(string) (string, bool){
		"it is http or file":        env("OPENLINEAGE__TRANSPORT__TYPE", "kafka"),
		"LOG_FILE_PATH is not set":  env("OPENLINEAGE__TRANSPORT__TYPE", "file"),
		"not the URL of a server":   env("OPENLINEAGE_URL", "ftp://x"),
		"sent in the clear":         env("OPENLINEAGE_URL", "http://10.0.0.1", "OPENLINEAGE_API_KEY", "secret"),
		"is not the URL of a serve": env("OPENLINEAGE__TRANSPORT__TYPE", "http"),
	} {
		if _, err := NewLineage(e, "v1"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestLineageOutlivesBadServers(t *testing.T) {
	for _, f := range wiretest.Faults() {
		if f.Only == wiretest.HTTP2 || f.Good || !strings.Contains(f.Name, "101") && !strings.Contains(f.Name, "hints") {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			s := wiretest.Start(t, wiretest.HTTP1, f.Answer)
			l, err := NewLineage(env("OPENLINEAGE_URL", s.URL), "v1")
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Begun(t.Context(), twoDestinations(), report("demo", 1)); err == nil || strings.Contains(err.Error(), "Timeout") {
				t.Errorf("begun: %v", err)
			}
		})
	}
}

// TestAnInterruptedRunIsNotHeldUp tells a catalogue of runs that were interrupted,
// and counts how often it is asked.
func TestAnInterruptedRunIsNotHeldUp(t *testing.T) {
	var asked atomic.Int32
	s := wiretest.Start(t, wiretest.HTTP1, func(x *wiretest.Exchange) {
		asked.Add(1)
		x.Whole(500, "text/plain", "away")
	})
	l, err := NewLineage(env("OPENLINEAGE_URL", s.URL), "v1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r := report("demo", 1)
	if err := l.Begun(ctx, twoDestinations(), r); err == nil || asked.Load() != 0 {
		t.Errorf("begun: %d questions, %v", asked.Load(), err)
	}
	r.Outcome = pipeline.Interrupted
	if err := l.Ended(ctx, twoDestinations(), r); err == nil || asked.Load() != 1 {
		t.Errorf("ended: %d questions, %v", asked.Load(), err)
	}
}
