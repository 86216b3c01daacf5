package extract

import "time"

// hour is how long a call counts: the hour, and a second for its way to the server.
const hour = time.Hour + time.Second

// window counts the calls of the last hour. It holds a slot for each grain of
// the journal at most.
type window struct {
	max   int64 // 0: any number
	slots []slot
	sum   int64
}

type slot struct {
	at time.Time
	n  int64
}

// expire forgets what is older than an hour.
func (w *window) expire(now time.Time) {
	old := 0
	for old < len(w.slots) && !w.slots[old].at.Add(hour).After(now) {
		w.sum -= w.slots[old].n
		old++
	}
	w.slots = w.slots[old:]
}

// wait is how long until a call is free; 0: one is now.
func (w *window) wait(now time.Time) time.Duration {
	if w.max <= 0 {
		return 0
	}
	if w.expire(now); w.sum < w.max {
		return 0
	}
	free := w.sum - w.max
	for _, s := range w.slots {
		if free -= s.n; free < 0 {
			return s.at.Add(hour).Sub(now)
		}
	}
	return 0
}

func (w *window) add(at time.Time, n int64) {
	if w.max <= 0 {
		return
	}
	w.sum += n
	if last := len(w.slots) - 1; last >= 0 && !w.slots[last].at.Before(at) {
		w.slots[last].n += n
		return
	}
	w.slots = append(w.slots, slot{at, n})
}

// left is how many calls are free now; -1: any number.
func (w *window) left(now time.Time) int64 {
	if w.max <= 0 {
		return -1
	}
	w.expire(now)
	return max(0, w.max-w.sum)
}
