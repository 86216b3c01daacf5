package extract

import (
	"math"
	"sync"
	"time"
)

// Progress shows how far a run is. The zero Progress is ready and shows nothing
// until a run begins. It is safe for concurrent use; a nil one is none.
type Progress struct {
	mu    sync.Mutex
	run   *run
	at    time.Time // of the last look at the calls
	calls int64     // then
	rate  float64   // calls a second, smoothed; 0: not known yet
}

// Snapshot is how far a run is.
type Snapshot struct {
	Phase          string // clients, campaigns, feeds, import; "": not begun
	Done, Total    int64  // of the phase
	Failed         int64  // clients
	Calls, Retried int64
	PerSecond      float64       // calls a second, of late
	HourLeft       int64         // calls that the hour still allows; -1: any number
	PausedUntil    time.Time     // when calls are made again; in the past: they are made
	ETA            time.Duration // of the phase; -1: not known
}

func (p *Progress) attach(r *run) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run, p.at, p.calls, p.rate = r, time.Now(), 0, 0
}

// Snapshot returns how far the run is. Rates are smoothed over the looks, so it
// should be looked at about every second.
func (p *Progress) Snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil {
		return Snapshot{ETA: -1}
	}
	now := time.Now()
	s, perCall := p.run.tally.snapshot()
	var perSecond float64
	s.HourLeft, s.PausedUntil, perSecond = p.run.limits.quota(now)
	p.smooth(s.Calls, now)
	s.PerSecond = p.rate
	s.ETA = eta((s.Total-s.Done+perCall-1)/perCall, s.HourLeft, p.run.PerHour, min(p.rate, perSecond), s.PausedUntil.Sub(now))
	return s
}

// smooth follows the rate with a memory of about ten seconds.
func (p *Progress) smooth(calls int64, now time.Time) {
	span := now.Sub(p.at).Seconds()
	if span < 0.5 {
		return
	}
	fresh := float64(calls-p.calls) / span
	if p.rate == 0 {
		p.rate = fresh
	}
	keep := math.Exp(-span / 10)
	p.rate = keep*p.rate + (1-keep)*fresh
	p.at, p.calls = now, calls
}

// eta is how long so many calls take, at a rate and under the hour's quota.
func eta(calls, hourLeft, perHour int64, rate float64, paused time.Duration) time.Duration {
	if calls <= 0 {
		return 0
	}
	if rate <= 0 {
		return -1
	}
	seconds := float64(calls) / rate
	if hourLeft >= 0 && calls > hourLeft {
		seconds = max(seconds, float64(calls-hourLeft)/float64(perHour)*hour.Seconds())
	}
	if seconds > math.MaxInt32 {
		return -1
	}
	return max(0, paused) + time.Duration(seconds*float64(time.Second))
}

// snapshot reads the counts, and how many of the phase a call does.
func (t *tally) snapshot() (s Snapshot, perCall int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Snapshot{
		Phase: t.phase, Done: t.done, Total: t.total, Failed: t.failed,
		Calls: t.calls.List + t.calls.Feed + t.calls.Campaign + t.imports, Retried: t.calls.Retried,
	}, max(1, t.perCall)
}
