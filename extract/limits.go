package extract

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/retry"
)

// kind is what a call asks for.
type kind uint8

const (
	listCall kind = iota
	feedCall
	campaignCall
)

// stop ends a run early: no new call is made.
type stop struct{ reason Reason }

// Error names the reason.
func (s *stop) Error() string { return fmt.Sprintf("no new calls: %s", s.reason) }

const (
	refusalsOfHour = 10          // refusals in a row after which the hour counts as spent
	hoursOfRun     = 3           // spent hours in a row after which a run stops
	longestPause   = time.Minute // between refusals that say nothing of it
	longestAsked   = time.Hour   // that a server may ask for
	slowest        = rate.Limit(1) / 32
)

// limits is what all calls of a run share: deadline, budget, quota and rate.
type limits struct {
	log      *slog.Logger
	deadline time.Time
	budget   int64 // feed calls; 0: any number

	mu     sync.Mutex
	bucket *rate.Limiter
	full   rate.Limit
	hour   window
	fed    int64 // feed calls made

	epoch    int // pauses so far
	paused   time.Time
	refusals int // in a row
	first    time.Time
	spent    int // hours in a row
}

// ticket is the right to make one call. Refusals of calls from before the last
// pause don't cause another.
type ticket struct{ epoch int }

func newLimits(o Options, spent []mirror.Calls, now time.Time) *limits {
	full := rate.Limit(o.PerSecond)
	if full <= 0 {
		full = rate.Inf
	}
	burst := 1
	if full > 100 { // timers are too coarse to space such calls
		burst = int(min(float64(full)/20, 1<<20))
	}
	l := &limits{deadline: o.Deadline, budget: o.Refresh.Budget, bucket: rate.NewLimiter(full, burst), full: full, hour: window{max: o.PerHour}}
	for _, c := range spent {
		at := c.At
		if soonest := now.Add(mirror.Grain); at.After(soonest) {
			at = soonest // the clock was set back
		}
		l.hour.add(at, c.N)
	}
	return l
}

// take admits a call now, or says how long to wait before asking again; a stop
// if no call is made any more.
func (l *limits) take(k kind, now time.Time) (ticket, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.late(now, 0):
		return ticket{}, 0, &stop{ByDeadline}
	case l.spent >= hoursOfRun:
		return ticket{}, 0, &stop{ByQuota}
	case k == feedCall && l.budget > 0 && l.fed >= l.budget:
		return ticket{}, 0, &stop{ByBudget}
	}
	if wait := max(l.paused.Sub(now), l.hour.wait(now)); wait > 0 {
		if l.late(now, wait) {
			return ticket{}, 0, &stop{ByQuota}
		}
		return ticket{}, wait, nil
	}
	slot := l.bucket.ReserveN(now, 1)
	if wait := slot.DelayFrom(now); wait > 0 {
		slot.CancelAt(now)
		if l.late(now, wait) {
			return ticket{}, 0, &stop{ByDeadline}
		}
		return ticket{}, wait, nil
	}
	l.hour.add(now.Truncate(mirror.Grain).Add(mirror.Grain), 1)
	if k == feedCall {
		l.fed++
	}
	return ticket{l.epoch}, 0, nil
}

// late tells whether a wait ends at the deadline or after it.
func (l *limits) late(now time.Time, wait time.Duration) bool {
	return !l.deadline.IsZero() && !now.Add(wait).Before(l.deadline)
}

// observe learns from what a call brought.
func (l *limits) observe(t ticket, err error, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var e *api.Error
	switch isAPI := errors.As(err, &e); {
	case isAPI && e.Kind == api.Limited:
		if t.epoch == l.epoch {
			l.refused(e, now)
		}
	case err == nil || isAPI && e.HTTP != 0: // an answer
		if t.epoch == l.epoch {
			l.refusals, l.spent = 0, 0
		}
		if l.full != rate.Inf && l.bucket.Limit() < l.full {
			l.bucket.SetLimitAt(now, min(l.full, l.bucket.Limit()+l.full/100))
		}
	}
}

// refused pauses all calls.
func (l *limits) refused(e *api.Error, now time.Time) {
	l.epoch++
	if l.refusals++; l.refusals == 1 {
		l.first = now
	}
	pause := retry.Jitter(min(longestPause, time.Second<<min(l.refusals, 10)))
	if e.RetryAfter > 0 {
		pause = min(longestAsked, e.RetryAfter) + retry.Jitter(100*time.Millisecond)
	}
	l.paused = now.Add(pause)
	if l.refusals >= refusalsOfHour {
		l.refusals = 0
		l.spent++
		l.paused = l.first.Add(hour)
	}
	if l.full != rate.Inf {
		l.bucket.SetLimitAt(now, max(l.bucket.Limit()/2, min(l.full, slowest)))
	}
	l.log.Info("the API refuses more calls", "until", l.paused.UTC(), "in_a_row", l.refusals)
}

// left is how many more feed calls the budget allows; -1: any number.
func (l *limits) left() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.budget <= 0 {
		return -1
	}
	return max(0, l.budget-l.fed)
}

// quota is how many calls the hour still allows (-1: any number), until when all
// calls pause, and the rate in calls a second.
func (l *limits) quota(now time.Time) (left int64, paused time.Time, perSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left, paused = l.hour.left(now), now.Add(l.hour.wait(now))
	if l.paused.After(paused) {
		paused = l.paused
	}
	return left, paused, float64(l.bucket.Limit())
}
