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
	importCall
)

// stop ends a run early: no new call is made.
type stop struct{ reason Reason }

// Error names the reason.
func (s *stop) Error() string { return fmt.Sprintf("no new calls: %s", s.reason) }

const (
	refusalsOfHour = 10               // refusals in a row after which the hour counts as spent
	patience       = 2 * hour         // of nothing but refusals, after which a run stops
	shortestHour   = 10 * time.Minute // waited for where the hour is spent
	longestPause   = time.Minute      // between refusals that say nothing of it
	longestAsked   = time.Hour        // that a server may ask for
	slowest        = rate.Limit(1) / 32
	telling        = 20 // the part of an hour's calls that tells what others leave
)

// limits is what all calls of a run share: deadline, budget, quota and rate.
type limits struct {
	log      *slog.Logger
	deadline time.Time
	budget   int64 // feed calls; 0: any number

	mu     sync.Mutex
	bucket *rate.Limiter
	pace   pace
	hour   window
	fed    int64 // feed calls made

	epoch    int // pauses so far
	paused   time.Time
	refusals int // in a row
	first    time.Time
	before   pace      // that was kept before it
	made     int64     // calls in the hour before it
	since    time.Time // the first refusal after an answer
	over     bool      // the quota is gone for this run
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
	l := &limits{deadline: o.Deadline, budget: o.Refresh.Budget, bucket: rate.NewLimiter(full, burst), pace: newPace(full), hour: window{max: o.PerHour}}
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
	case l.over:
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
			l.refusals, l.since = 0, time.Time{}
			l.pace.answered()
			l.hour.grow(now)
			l.setRate(now)
		}
	}
}

// refused pauses all calls.
func (l *limits) refused(e *api.Error, now time.Time) {
	l.epoch++
	if l.since.IsZero() {
		l.since = now
	}
	if l.refusals++; l.refusals == 1 {
		l.first, l.before, l.made = now, l.pace, l.hour.sum
	}
	l.pace.refused()
	pause := min(longestPause, time.Second<<min(l.refusals-1, 10))
	pause += retry.Jitter(pause / 4)
	if e.RetryAfter > 0 {
		pause = min(longestAsked, e.RetryAfter) + retry.Jitter(100*time.Millisecond)
	}
	l.paused = now.Add(pause)
	l.learn(now)
	if l.refusals >= refusalsOfHour {
		l.refusals = 0
		l.spentHour(now)
	}
	l.setRate(now)
	l.log.Info("the API refuses more calls", "until", l.paused.UTC(), "in_a_row", l.refusals)
}

// spentHour waits for the hour to move on, until a call of our own leaves it.
func (l *limits) spentHour(now time.Time) {
	until := l.first.Add(hour)
	if oldest, ok := l.hour.oldest(l.first); ok {
		until = later(oldest, l.first.Add(shortestHour))
	}
	l.paused = later(l.paused, until)
	l.over = now.Sub(l.since) >= patience
	l.pace = l.before
	l.pace.refused()
}

// learn tells by a refusal whether the hour is spent rather than the second: after
// ten in a row, after two where others are known to use the hour, or at a rate
// below what the hour brought on average.
func (l *limits) learn(now time.Time) {
	if l.made == 0 || l.made < l.hour.max/telling {
		return
	}
	slow := l.pace.top*rate.Limit(hour/time.Second) < rate.Limit(l.made)
	if l.refusals >= refusalsOfHour || slow || l.hour.cap > 0 && l.refusals == 2 {
		l.hour.found(l.made, now)
		l.pace = newPace(l.pace.full)
		l.before = l.pace
		l.pace.refused()
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// setRate tells the bucket, which costs nothing where no rate is set.
func (l *limits) setRate(now time.Time) {
	if l.pace.full != rate.Inf && l.bucket.Limit() != l.pace.now {
		l.bucket.SetLimitAt(now, l.pace.now)
	}
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
