package sim_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/sim"
)

// calls makes n feed calls and returns how many were not refused.
func (a *api) calls(n int) int {
	a.t.Helper()
	ok := 0
	for range n {
		if d := a.do("GET", feedPath(1), "").doc(a.t); d.Status == "success" {
			ok++
		} else if d.Error != "request_limit_error" {
			a.t.Fatalf("%+v", d)
		}
	}
	return ok
}

func TestQuotaOfASecondSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.PerSecond = 10 })
		if ok := a.calls(6); ok != 6 {
			t.Errorf("%d of 6", ok)
		}
		time.Sleep(600 * time.Millisecond)
		if ok := a.calls(6); ok != 4 {
			t.Errorf("%d more, want 4", ok)
		}
		time.Sleep(400 * time.Millisecond) // the first six are a second old
		if ok := a.calls(10); ok != 6 {
			t.Errorf("%d more, want 6", ok)
		}
	})
}

func TestQuotaOfAnHourSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.PerSecond, o.PerHour = 100, 5 })
		if ok := a.calls(7); ok != 5 {
			t.Errorf("%d of 7, want 5", ok)
		}
		time.Sleep(59 * time.Minute)
		if ok := a.calls(1); ok != 0 {
			t.Error("a sixth call within the hour")
		}
		time.Sleep(time.Minute)
		if ok := a.calls(7); ok != 5 {
			t.Errorf("%d in the next hour, want 5", ok)
		}
	})
}

func TestRefusedByQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.PerHour, o.RetryAfter = 1, true })
		a.headers.Set("Use-Http-Code", "1")
		a.calls(1)
		time.Sleep(10*time.Minute + time.Millisecond)
		r := a.wantError("GET", feedPath(1), "", "request_limit_error")
		if r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "3000" {
			t.Errorf("status %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
		}
		silent := newAPI(t, func(o *sim.Options) { o.PerHour = 1 })
		silent.calls(1)
		if r := silent.wantError("GET", feedPath(1), "", "request_limit_error"); r.StatusCode != 200 || r.Header.Get("Retry-After") != "" {
			t.Errorf("status %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
		}
	})
}

func TestProjectsHaveQuotasOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.PerHour, o.Projects = 1, []string{"12345", "777"} })
		a.calls(1)
		a.wantError("GET", feedPath(1), "", "request_limit_error")
		if d := a.do("POST", "/api/v1/project/clients?project=777", "{}").doc(t); d.Status != "success" {
			t.Errorf("%+v", d)
		}
	})
}

func TestAWrongKeyCostsNoQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.PerHour = 1 })
		a.headers.Set("Api-Key", "wrong")
		a.wantError("GET", feedPath(1), "", "authentication_failed")
		a.headers.Set("Api-Key", "sim-key")
		a.wantFeed(1)
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.Latency, o.Jitter = 50*time.Millisecond, 20*time.Millisecond })
		began := time.Now()
		a.wantFeed(1)
		if d := time.Since(began); d < 50*time.Millisecond || d >= 70*time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}

func TestLatencyEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.Latency = time.Hour })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+feedPath(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = a.headers.Clone()
		began := time.Now()
		res, err := a.client.Do(req)
		if err == nil {
			res.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if n := a.server.Stats().Calls["feed"]["canceled"]; n != 1 {
			t.Errorf("%+v", a.server.Stats())
		}
	})
}

func TestInFlightIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.Latency = time.Second })
		var g errgroup.Group
		for n := range 5 {
			g.Go(func() error { _, err := a.send("GET", feedPath(int64(n+1)), ""); return err })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if st := a.server.Stats(); st.InFlightMax != 5 || st.InFlight != 0 {
			t.Errorf("most in flight %d, now %d", st.InFlightMax, st.InFlight)
		}
	})
}
