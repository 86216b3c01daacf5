package api

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock compares this machine's clock with the API's. It is safe for concurrent use.
type clock struct {
	ahead atomic.Int64 // nanoseconds
	known atomic.Bool
}

// compare takes the Date of an answer that has just come.
func (c *clock) compare(h http.Header, now time.Time) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		c.ahead.Store(int64(now.Sub(date)))
		c.known.Store(true)
	}
}

// ClockAhead is how far this machine's clock is ahead of the API's, by the Date of
// its latest good answer, to a second or so; false if none had one.
func (c *Client) ClockAhead() (time.Duration, bool) {
	return time.Duration(c.clock.ahead.Load()), c.clock.known.Load()
}
