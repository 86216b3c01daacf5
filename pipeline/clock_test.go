package pipeline

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roistat-etl/extract/mirror"
)

// night runs f by a clock that shows 2000-01-01 and so much more.
func night(t *testing.T, after time.Duration, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(after)
		f(t)
	})
}

const day = 24 * time.Hour

// dated gives the answers of the stand-in a Date, by a clock that is right.
func (s *stand) dated(offset func() time.Duration) {
	inner := s.options.Transport
	s.options.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := inner.RoundTrip(r)
		if err == nil {
			resp.Header.Set("Date", time.Now().Add(offset()).UTC().Format(http.TimeFormat))
		}
		return resp, err
	})
}

// TestAClockThatWasAhead lets one run think that it is 400 days later. The next
// runs read what is due, publish, erase and say when what happened.
func TestAClockThatWasAhead(t *testing.T) {
	for _, published := range []bool{true, false} {
		s := quickStand(t, 40)
		night(t, 0, func(t *testing.T) { s.run(t, nil).want(t, OK) })
		var wrong *Report
		night(t, 400*day, func(t *testing.T) {
			wrong = s.run(t, func(o *Options) { o.NoPublish = !published }).want(t, OK)
		})
		s.sim.Night(1, 0.5)
		night(t, day, func(t *testing.T) {
			if lines, class := s.check(t); class != Done {
				t.Error(lines)
			}
			if p := s.plan(t, nil); p.FeedsDue.Never < 40 {
				t.Errorf("%+v", p.FeedsDue)
			}
			if st := s.status(t); st.Feeds.NeverFetched != 40 || st.Feeds.P50AgeS != nil {
				t.Errorf("%+v", st.Feeds)
			}
			r := s.run(t, nil).want(t, OK)
			if r.Feeds.Fetched < 40 || r.Run <= wrong.Run || !strings.Contains(strings.Join(r.Reasons, " "), "goes on from that name") {
				t.Errorf("after a run by a wrong clock: %s", text(t, r))
			}
			if st := s.status(t); st.Feeds.NeverFetched != 0 || st.Runs[0].Run != r.Run || s.published(t).Run != r.Run {
				t.Errorf("%+v", st.Feeds)
			}
			if r.Details.LastSuccess.After(time.Now()) || r.Details.Calls.Feed < 80 {
				t.Errorf("%+v", r.Details)
			}
			s.audit(t)
			if e := s.forget(t, 7).want(t, OK); e.Run <= r.Run {
				t.Error(e.words(t))
			}
			if r := s.run(t, func(o *Options) { o.NoExtract = true }).want(t, OK); r.Run <= wrong.Run {
				t.Error(text(t, r))
			}
		})
	}
}

// TestAFullReadingTrustsNoFuture asks for every feed that was read before its start.
func TestAFullReadingTrustsNoFuture(t *testing.T) {
	s := quickStand(t, 40)
	night(t, 400*day, func(t *testing.T) {
		s.run(t, func(o *Options) { o.Full, o.Budget = true, new(int); *o.Budget = 10 }).want(t, Partial)
	})
	night(t, day, func(t *testing.T) {
		if r := s.run(t, func(o *Options) { o.Full = true }).want(t, OK); r.Feeds.Fetched != 40 {
			t.Error(text(t, r))
		}
	})
}

// TestAFailureAfterAClockWasAhead doesn't keep the alert on the last success silent.
func TestAFailureAfterAClockWasAhead(t *testing.T) {
	s := quickStand(t, 10)
	night(t, 400*day, func(t *testing.T) { s.run(t, nil).want(t, OK) })
	night(t, day, func(t *testing.T) {
		s.options.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("away") })
		if r := s.run(t, nil).want(t, Failed); !r.Details.LastSuccess.IsZero() {
			t.Errorf("%v", r.Details.LastSuccess)
		}
	})
}

// TestCallsToComeTakeTheQuotaOnce and not from every run until their date.
func TestCallsToComeTakeTheQuotaOnce(t *testing.T) {
	s := quickStand(t, 40)
	s.pipeline.API.PerHour = 60
	night(t, 400*day, func(t *testing.T) { s.run(t, nil).want(t, OK) })
	night(t, day, func(t *testing.T) {
		full := func(o *Options) { o.Full = true }
		start := time.Now()
		s.run(t, full).want(t, OK)
		if took := time.Since(start); took < 50*time.Minute {
			t.Errorf("calls that may have been made just now were not counted: %v", took)
		}
		time.Sleep(2 * time.Hour)
		start = time.Now()
		s.run(t, full).want(t, OK)
		if took := time.Since(start); took > 10*time.Minute {
			t.Errorf("calls to come still count: %v", took)
		}
	})
}

// TestTimesFromTheFutureAreCut by the first run whose clock agrees with the API's.
func TestTimesFromTheFutureAreCut(t *testing.T) {
	s := quickStand(t, 10)
	right := time.Duration(0)
	s.dated(func() time.Duration { return right })
	right = -400 * day
	night(t, 400*day, func(t *testing.T) {
		r := s.run(t, nil).want(t, OK)
		if !slices.ContainsFunc(r.Reasons, func(s string) bool { return strings.Contains(s, "ahead of the API's") }) {
			t.Errorf("%q", r.Reasons)
		}
	})
	right = 0
	night(t, day, func(t *testing.T) {
		s.run(t, func(o *Options) { o.Budget = new(int); *o.Budget = 3 }).want(t, Partial)
		m, err := mirror.OpenReader(t.Context(), s.pipeline.Mirror)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		read := 0
		for c, err := range m.Scan(t.Context(), 100) {
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range c {
				client, err := p.Unpack(&mirror.Buffer{})
				if err != nil || client.FirstSeenAt.After(time.Now()) || client.FeedAt.After(time.Now()) || client.Feed == nil {
					t.Errorf("%v: client %d was seen first %v, read %v", err, client.ID, client.FirstSeenAt, client.FeedAt)
				}
				if !client.FeedAt.IsZero() {
					read++
				}
			}
		}
		if read != 3 {
			t.Errorf("%d feeds count as read", read)
		}
	})
}

// TestAWrongClockDeletesNothing lets clients leave, and then a clock be years ahead.
func TestAWrongClockDeletesNothing(t *testing.T) {
	s := quickStand(t, leaver)
	right := time.Duration(0)
	leave := func() {
		s.of(t, leaver-12)
		s.dated(func() time.Duration { return right })
	}
	night(t, 0, func(t *testing.T) { s.run(t, nil).want(t, OK) })
	leave()
	right = 365 * day // the clock is a year behind while they are found gone
	night(t, day, func(t *testing.T) { s.run(t, nil).want(t, OK) })
	night(t, 2*day, func(t *testing.T) { s.run(t, nil).want(t, OK) })
	has := func(t *testing.T, want bool) {
		t.Helper()
		if _, raw := s.leaverRows(t); raw.GoneAt == nil || (len(raw.Row) > 0) != want {
			gone := "never"
			if raw.GoneAt != nil {
				gone = *raw.GoneAt
			}
			t.Errorf("%v: raw data is there: %v, gone at %s", time.Now(), len(raw.Row) > 0, gone)
		}
	}
	right = 0
	night(t, 367*day, func(t *testing.T) { s.run(t, nil).want(t, OK); has(t, true) })
	right = -1000 * day // years ahead
	night(t, 1367*day, func(t *testing.T) { s.run(t, nil).want(t, OK); has(t, true) })
	right = 0
	night(t, 380*day, func(t *testing.T) { s.run(t, nil).want(t, OK); has(t, true) })
	night(t, 400*day, func(t *testing.T) { s.run(t, nil).want(t, OK); has(t, false) })
}
