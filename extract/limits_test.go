package extract

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim"
)

// memoryFolder is a folder in memory where there is one, for tests that commit a lot.
func memoryFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "roistat-etl-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// bubble runs a test in virtual time, with a mirror that is closed before it ends.
func bubble(t *testing.T, test func(t *testing.T, m *mirror.Mirror)) {
	t.Helper()
	dir := memoryFolder(t)
	synctest.Test(t, func(t *testing.T) {
		m, err := mirror.Open(t.Context(), filepath.Join(dir, "mirror.db"), mirror.Options{})
		if err != nil {
			t.Fatal(err)
		}
		test(t, m)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestBackfillUnderTheQuota reads feeds for ten days under an hourly quota, and never
// makes a call more in any hour.
func TestBackfillUnderTheQuota(t *testing.T) {
	const clients, perHour = 240 * 400 / shrink, 400 / shrink
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		var calls []time.Time
		f := &fake{list: static(clients)}
		f.feed = func(context.Context, int64) (*api.Feed, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			now := time.Now()
			if calls = append(calls, now); len(calls) > perHour && now.Sub(calls[len(calls)-perHour-1]) < time.Hour {
				t.Errorf("call %d: %d calls within %v", len(calls), perHour+1, now.Sub(calls[len(calls)-perHour-1]))
			}
			return items(1), nil
		}
		o := options(m, f)
		o.PerSecond, o.PerHour = 5, perHour
		start := time.Now()
		r := extract(t, o)
		if r.Feeds.Fetched != clients || r.Calls.Feed != clients || r.Stopped != "" {
			t.Errorf("got %+v", r)
		}
		least := time.Duration(clients/perHour-1) * time.Hour
		if took := time.Since(start); took < least || took > least+4*time.Hour {
			t.Errorf("took %v, want %v and what the last hour and the list need", took, least)
		}
	})
}

func TestTheHourCountsOverRuns(t *testing.T) {
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		f := &fake{list: static(100)}
		o := options(m, f)
		o.PerHour = 50
		o.Deadline = time.Now().Add(10 * time.Minute)
		r := extract(t, o)
		if r.Stopped != ByQuota || r.Calls.List+r.Calls.Feed != 50 || r.Feeds.Left != 100-r.Calls.Feed || time.Now().After(o.Deadline) {
			t.Errorf("first run: %+v", r)
		}
		time.Sleep(30 * time.Minute)
		o.Deadline = time.Now().Add(10 * time.Minute)
		if r = extract(t, o); r.Calls != (Calls{}) || r.Stopped != ByQuota || !r.Short() || len(r.Incomplete()) == 0 {
			t.Errorf("in the same hour: %+v", r)
		}
		start := time.Now()
		o.Deadline = time.Time{}
		if r = extract(t, o); r.Stopped != "" || r.Feeds.Left != 0 {
			t.Errorf("without a deadline: %+v", r)
		}
		if waited := time.Since(start); waited < 20*time.Minute || waited > 2*time.Hour {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestDeadlineStopsNewCalls(t *testing.T) {
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		f := &fake{list: static(100)}
		f.feed = func(ctx context.Context, _ int64) (*api.Feed, error) {
			select {
			case <-time.After(7 * time.Second):
				return items(1), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		o := options(m, f)
		o.Deadline = time.Now().Add(20 * time.Second)
		r := extract(t, o)
		// Three rounds of eight begin before the deadline; the last ends after it.
		if r.Stopped != ByDeadline || r.Feeds.Fetched != 24 || r.Feeds.Left != 76 || time.Since(o.Deadline) != time.Second {
			t.Errorf("got %+v, %v after the deadline", r, time.Since(o.Deadline))
		}
		if r = extract(t, o); r.Calls != (Calls{}) || r.Stopped != ByDeadline || r.Feeds.Due != 76 {
			t.Errorf("after the deadline: %+v", r)
		}
	})
}

func TestRefusalsPauseEverybody(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration
		until time.Duration // the API refuses so long
		min   time.Duration
		max   time.Duration
		calls int64 // at most, refused
	}{
		{"the server says when", 10 * time.Second, 9 * time.Second, 10 * time.Second, 12 * time.Second, 8},
		{"it doesn't", 0, 9 * time.Second, 9 * time.Second, 40 * time.Second, 8 * 5},
		{"it does, but refuses on", time.Second, 5 * time.Second, 5 * time.Second, 15 * time.Second, 8 * 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mirror.Mirror) {
				start := time.Now()
				f := &fake{list: static(200)}
				f.feed = func(context.Context, int64) (*api.Feed, error) {
					if time.Since(start) < c.until {
						return nil, &api.Error{Kind: api.Limited, Code: "request_limit_error", HTTP: 429, RetryAfter: c.after}
					}
					return items(1), nil
				}
				o := options(m, f)
				o.MaxAttempts = 1
				r := extract(t, o)
				if r.Feeds.Fetched != 200 || r.Feeds.Failed != 0 || r.Calls.Refused == 0 || r.Calls.Refused > c.calls || r.Calls.Feed != 200+r.Calls.Refused || r.Calls.Retried != r.Calls.Refused {
					t.Errorf("got %+v", r)
				}
				if d := time.Since(start); d < c.min || d > c.max {
					t.Errorf("took %v, want %v to %v", d, c.min, c.max)
				}
			})
		})
	}
}

func TestTenRefusalsSpendTheHour(t *testing.T) {
	limited := func(context.Context, int64) (*api.Feed, error) {
		return nil, apiError(api.Limited, "request_limit_error", 429)
	}
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		start := time.Now()
		f := &fake{list: static(50)}
		f.feed = func(ctx context.Context, id int64) (*api.Feed, error) {
			if time.Since(start) < 30*time.Minute {
				return limited(ctx, id)
			}
			return items(1), nil
		}
		r := extract(t, options(m, f))
		if d := time.Since(start); r.Feeds.Fetched != 50 || d < time.Hour || d > time.Hour+time.Minute || r.Calls.Refused > 8*10 {
			t.Errorf("%+v after %v", r, d)
		}
	})
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		o := options(m, &fake{list: static(50), feed: limited})
		o.Deadline = time.Now().Add(50 * time.Minute)
		start := time.Now()
		r := extract(t, o)
		if d := time.Since(start); r.Stopped != ByQuota || d > 10*time.Minute || r.Feeds.Left != 50 || r.Feeds.Failed != 0 {
			t.Errorf("with a deadline: %+v after %v", r, d)
		}
	})
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		start := time.Now()
		r := extract(t, options(m, &fake{list: static(50), feed: limited}))
		if d := time.Since(start); r.Stopped != ByQuota || d < 2*time.Hour || d > 4*time.Hour || r.Calls.Refused > 3*8*10 {
			t.Errorf("for ever: %+v after %v", r, d)
		}
	})
}

func TestTheRateIsHalvedAndGrowsBack(t *testing.T) {
	now := time.Now()
	l := newLimits(Options{PerSecond: 8}, nil, now)
	l.log = discard()
	refusal := apiError(api.Limited, "request_limit_error", 429)
	first, _, err := l.take(feedCall, now)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // all of them were sent before the pause
		l.observe(first, refusal, now)
	}
	if _, _, rate := l.quota(now); rate != 4 {
		t.Errorf("rate %v after five refusals at once, want 4", rate)
	}
	if _, wait, err := l.take(feedCall, now); err != nil || wait < time.Second || wait > 2*time.Second {
		t.Errorf("pause of %v, %v", wait, err)
	}
	now = now.Add(time.Minute)
	next, wait, err := l.take(feedCall, now)
	if err != nil || wait != 0 {
		t.Fatalf("after the pause: %v, %v", wait, err)
	}
	for i, want := range []float64{4.5, 8 * 63. / 64, 8} {
		for range []int{1, 7, 770}[i] {
			l.observe(next, nil, now)
		}
		if _, _, rate := l.quota(now); rate < want-1e-6 || rate > want+0.001 {
			t.Errorf("step %d: rate %v, want %v", i, rate, want)
		}
	}
}

// TestWindowNeverExceeds compares the sliding hour with a count of all calls.
func TestWindowNeverExceeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := window{max: rapid.Int64Range(1, 20).Draw(t, "max")}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		var calls []time.Time
		for range rapid.IntRange(0, 200).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Minute)).Draw(t, "gap")))
			if wait := w.wait(now); wait > 0 {
				if w.left(now) != 0 || w.wait(now.Add(wait-1)) == 0 {
					t.Fatalf("waits %v although a call is free before", wait)
				}
				if now = now.Add(wait); w.wait(now) != 0 {
					t.Fatalf("waits again after %v", wait)
				}
			}
			w.add(now, 1)
			calls = append(calls, now)
			in := int64(0)
			for _, c := range calls {
				if now.Sub(c) <= time.Hour {
					in++
				}
			}
			if in > w.max {
				t.Fatalf("%d calls in an hour, %d are allowed", in, w.max)
			}
		}
	})
}

// TestTheSimNeverRefuses runs against the stand-in with quotas of its own.
func TestTheSimNeverRefuses(t *testing.T) {
	s := newSim(t, 300, func(o *sim.Options) { o.PerSecond, o.PerHour = 10, 200 })
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		o := options(m, client(t, s))
		o.PerSecond, o.PerHour = 10, 200
		r := extract(t, o)
		if r.Feeds.Left != 0 || r.Calls.Refused != 0 || s.Stats().Feeds.Repeated != 0 {
			t.Errorf("got %+v, %+v", r, s.Stats().Calls)
		}
	})
}

// TestTheSimsOwnQuotaIsFound runs with limits far above what the stand-in allows.
func TestTheSimsOwnQuotaIsFound(t *testing.T) {
	for _, says := range []bool{true, false} {
		s := newSim(t, 300, func(o *sim.Options) { o.PerSecond, o.RetryAfter = 2, says })
		bubble(t, func(t *testing.T, m *mirror.Mirror) {
			o := options(m, client(t, s))
			o.PerSecond = 50
			r := extract(t, o)
			if r.Feeds.Left != 0 || r.Feeds.Failed != 0 || r.Calls.Refused == 0 || r.Calls.Refused > 300 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestAClockThatWasSetBack(t *testing.T) {
	now := time.Now()
	l := newLimits(Options{PerHour: 1}, []mirror.Calls{{At: now.Add(72 * time.Hour), N: 1}}, now)
	if _, wait, err := l.take(feedCall, now); err != nil || wait > 2*time.Hour {
		t.Errorf("waits %v, %v", wait, err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestStopIsNoContextError(t *testing.T) {
	var s *stop
	if err := error(&stop{ByBudget}); !errors.As(err, &s) || errors.Is(err, context.Canceled) || err.Error() != "no new calls: budget" {
		t.Error(err)
	}
}
