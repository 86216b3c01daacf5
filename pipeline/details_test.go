package pipeline

import (
	"testing"
	"time"

	"roistat-etl/extract/mirror"
)

// A run is recorded anew when its mirror's last copy fails: its calls count once
// all the same, and it is no success.
func TestARunThatIsRecordedTwiceCountsOnce(t *testing.T) {
	s := newStand(t, 5, nil)
	s.pipeline.API.PerSecond = 1e6
	first := s.run(t, nil).want(t, OK)
	m, err := mirror.Open(t.Context(), s.pipeline.Mirror, mirror.Options{Run: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r := &running{pipeline: s.pipeline, mirror: m, report: newReport("20990101T000000Z-1a2b3c", "demo", "12345", time.Now())}
	r.report.Outcome, r.report.Calls = OK, CallCounts{List: 1, Feed: 2}
	r.report.FinishedAt = first.FinishedAt.Add(time.Hour)
	if err := r.record(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.report.Outcome = Failed
	if err := r.record(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := r.report.Details.Calls, first.Details.Calls.plus(r.report.Calls); got != want {
		t.Errorf("%+v calls, want %+v", got, want)
	}
	if !r.report.Details.LastSuccess.Equal(first.FinishedAt) {
		t.Errorf("the last success was %v, want %v", r.report.Details.LastSuccess, first.FinishedAt)
	}
}
