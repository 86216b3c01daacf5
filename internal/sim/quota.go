package sim

import (
	"sync"
	"time"
)

// window allows limit calls in any span of time, by the times of the last ones.
type window struct {
	span  time.Duration
	limit int
	taken []time.Time // a ring of at most limit
	next  int
}

// wait is how long the next call must wait; 0 if it may be made now.
func (w *window) wait(now time.Time) time.Duration {
	if w.limit == 0 || len(w.taken) < w.limit {
		return 0
	}
	return max(0, w.taken[w.next].Add(w.span).Sub(now))
}

func (w *window) take(now time.Time) {
	switch {
	case w.limit == 0:
	case len(w.taken) < w.limit:
		w.taken = append(w.taken, now)
	default:
		w.taken[w.next] = now
		w.next = (w.next + 1) % w.limit
	}
}

// quota is what a project may ask; refused calls don't count.
type quota struct {
	mu           sync.Mutex
	second, hour window
	others       *crowd // nil: nobody else
}

func newQuota(perSecond, perHour int) *quota {
	return &quota{
		second: window{span: time.Second, limit: perSecond},
		hour:   window{span: time.Hour, limit: perHour},
	}
}

// setOthers replaces the others, once those before have made their calls.
func (q *quota) setOthers(o Others, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	next := newCrowd(o, now)
	if q.others != nil {
		q.others.play(now, q.take)
		next.counts = q.others.counts
	}
	q.others = next
}

// othersStats counts the calls of the others up to now.
func (q *quota) othersStats(now time.Time) OthersStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.others == nil {
		return OthersStats{}
	}
	q.others.play(now, q.take)
	return q.others.counts
}

// admit takes a call from the quota, or says how long until one is left.
func (q *quota) admit(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.others != nil {
		q.others.play(now, q.take)
	}
	return q.take(now)
}

func (q *quota) take(now time.Time) time.Duration {
	if wait := max(q.second.wait(now), q.hour.wait(now)); wait > 0 {
		return wait
	}
	q.second.take(now)
	q.hour.take(now)
	return 0
}
