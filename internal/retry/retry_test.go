package retry

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBad = errors.New("bad")

func always(v Verdict, least time.Duration) func(error) (Verdict, time.Duration) {
	return func(error) (Verdict, time.Duration) { return v, least }
}

func TestDoCountsAttempts(t *testing.T) {
	p := Policy{Attempts: 4, Base: time.Second, Max: 3 * time.Second}
	for _, c := range []struct {
		name    string
		fails   int
		verdict Verdict
		least   time.Duration
		calls   int
		ok      bool
		min     time.Duration
		max     time.Duration
	}{
		{"success", 0, Again, 0, 1, true, 0, 0},
		{"success at last", 3, Again, 0, 4, true, 3 * time.Second, 6 * time.Second},
		{"used up", 9, Again, 0, 4, false, 3 * time.Second, 6 * time.Second},
		{"final", 9, Stop, 0, 1, false, 0, 0},
		{"server asks for more", 9, Again, time.Minute, 4, false, 3 * time.Minute, 3 * time.Minute},
		{"free", 9, Free, 0, 10, true, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, start := 0, time.Now()
				err := p.Do(t.Context(), func(context.Context) error {
					if calls++; calls <= c.fails {
						return errBad
					}
					return nil
				}, always(c.verdict, c.least))
				if calls != c.calls || (err == nil) != c.ok || err != nil && !errors.Is(err, errBad) {
					t.Errorf("%d calls, %v", calls, err)
				}
				if d := time.Since(start); d < c.min || d > c.max {
					t.Errorf("took %v, want %v to %v", d, c.min, c.max)
				}
				var used *Exhausted
				if errors.As(err, &used) != (c.calls == 4 && !c.ok) {
					t.Errorf("%T", err)
				}
			})
		})
	}
}

func TestDoEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		start := time.Now()
		err := Policy{Attempts: 9, Base: time.Hour, Max: time.Hour}.Do(ctx, func(context.Context) error { return errBad }, always(Again, 0))
		if !errors.Is(err, cause) || !errors.Is(err, errBad) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Base: time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "base")), Max: time.Duration(rapid.Int64Range(1, 1e12).Draw(t, "max"))}
		n := rapid.IntRange(0, 1000).Draw(t, "n")
		full := math.Min(float64(p.Max), float64(p.Base)*math.Pow(2, float64(n)))
		if d := float64(p.Wait(n)); d < full/2-1 || d > full+1 {
			t.Fatalf("wait %v of %v", d, full)
		}
	})
}
