package extract

import "time"

// hour is how long a call counts: the hour, and a second for its way to the server.
const hour = time.Hour + time.Second

// window counts the calls of the last hour. It holds a slot for each grain of
// the journal at most.
type window struct {
	max   int64     // 0: any number
	cap   int64     // what others leave of it; 0: not known
	step  int64     // by how much cap grows next
	since time.Time // the last change of cap
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
	if w.expire(now); w.sum < w.limit() {
		return 0
	}
	free := w.sum - w.limit()
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
	return max(0, w.limit()-w.sum)
}

// oldest is when the first call of the last hour stops counting; false: there is none.
func (w *window) oldest(now time.Time) (time.Time, bool) {
	if w.expire(now); len(w.slots) == 0 {
		return time.Time{}, false
	}
	return w.slots[0].at.Add(hour), true
}

// limit is how many calls an hour takes.
func (w *window) limit() int64 {
	if w.cap > 0 {
		return w.cap
	}
	return w.max
}

// found takes what an hour brought, less a 64th, for what others leave of it.
func (w *window) found(calls int64, now time.Time) {
	w.step = max(1, calls/64)
	w.cap, w.since = max(1, calls-w.step), now
}

// grow raises cap by a 64th after two hours, and by four times as much after each two more.
func (w *window) grow(now time.Time) {
	if w.cap == 0 || now.Sub(w.since) < 2*hour {
		return
	}
	w.cap, w.since, w.step = w.cap+w.step, now, 4*w.step
	if w.cap >= w.max {
		w.cap = 0
	}
}
