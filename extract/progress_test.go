package extract

import (
	"context"
	"testing"
	"time"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
)

func TestProgress(t *testing.T) {
	var none *Progress
	none.attach(nil)
	p := &Progress{}
	if s := p.Snapshot(); s.Phase != "" || s.ETA != -1 {
		t.Errorf("before the run: %+v", s)
	}
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		f := &fake{list: static(100)}
		var seen []Snapshot
		f.feed = func(context.Context, int64) (*api.Feed, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			seen = append(seen, p.Snapshot())
			return items(1), nil
		}
		o := options(m, f)
		o.Progress, o.PerSecond, o.PerHour, o.Concurrency = p, 2, 1000, 1
		extract(t, o)
		half := seen[50]
		if half.Phase != "feeds" || half.Done < 49 || half.Done > 50 || half.Total != 100 || half.HourLeft != 1000-half.Calls-1 {
			t.Errorf("half way: %+v", half)
		}
		if half.PerSecond < 1.9 || half.PerSecond > 2.1 || half.ETA < 24*time.Second || half.ETA > 27*time.Second {
			t.Errorf("half way: %v calls a second, %v left", half.PerSecond, half.ETA)
		}
		if end := p.Snapshot(); end.Done != 100 || end.ETA != 0 {
			t.Errorf("at the end: %+v", end)
		}
	})
}

func TestETA(t *testing.T) {
	for _, c := range []struct {
		calls, left, perHour int64
		rate                 float64
		paused, want         time.Duration
	}{
		{0, 10, 10, 1, 0, 0}, {10, -1, 0, 0, 0, -1}, {100, -1, 0, 5, 0, 20 * time.Second}, {100, 1000, 1000, 5, time.Minute, 80 * time.Second},
		{4000, 0, 4000, 5, 0, hour}, {4000, 2000, 2000, 5, 0, hour}, {10, 0, 1000, 0.0000000001, 0, -1},
	} {
		if got := eta(c.calls, c.left, c.perHour, c.rate, c.paused); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
