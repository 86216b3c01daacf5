package extract

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"roistat-etl/extract/api"
)

// target takes clients by a function.
type target func(clients string) error

func (f target) Import(_ context.Context, clients []byte) error { return f(string(clients)) }

// TestSendingEntersCallsBefore they are sent, repeats what was lost, and shares
// the hour with the runs.
func TestSendingEntersCallsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := newMirror(t), t.Context()
		entered := func() (n int64) {
			list, err := m.Journal(ctx, time.Now().Add(-hour))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				n += c.N
			}
			return n
		}
		o := Options{Mirror: m, PerSecond: 10, PerHour: 5, MaxAttempts: 3, Progress: &Progress{}}
		var calls int64
		answers := []error{nil, apiError(api.Transient, "network", 0), apiError(api.Limited, "request_limit_error", 429), nil}
		s, err := NewSending(ctx, o, target(func(clients string) error {
			if calls++; calls <= 4 && entered() != calls {
				t.Errorf("call %d is sent, %d are entered", calls, entered())
			}
			if clients != "[{}]" {
				t.Errorf("sent %s", clients)
			}
			return answers[calls-1]
		}), 200, 100)
		if err != nil {
			t.Fatal(err)
		}
		fine := func() error { return nil }
		for range 2 {
			if err := s.Send(ctx, []byte("[{}]"), fine); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := s.Counts(), (SendCounts{Import: 4, Retried: 2, Refused: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		s.Move(150, 200, 7)
		if p := o.Progress.Snapshot(); p.Phase != "import" || p.Done != 150 || p.Total != 200 || p.Failed != 7 || p.Calls != 4 || p.HourLeft != 1 || p.ETA <= 0 {
			t.Errorf("%+v", p)
		}

		// What isn't ready is not sent, but stays entered; so the hour is spent.
		changed := errors.New("changed")
		if err := s.Send(ctx, []byte("[{}]"), func() error { return changed }); !errors.Is(err, changed) || calls != 4 || s.Counts().Import != 4 {
			t.Errorf("%v, %d calls", err, calls)
		}
		start := time.Now()
		answers = append(answers, nil, nil)
		if err := s.Send(ctx, []byte("[{}]"), fine); err != nil || time.Since(start) < hour-time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
