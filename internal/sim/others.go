package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Others are the other users of each project's quota. Their calls count as those
// of the API do and are refused as they are; they don't come again. They are even
// over time while the others are there: for On, then away for Off, and so on.
type Others struct {
	PerSecond float64  // calls a second, while they are there; 0: there are none
	PerHour   int      // calls in any hour at most; 0: any number
	On, Off   Duration // 0: always there
}

// Duration is a time.Duration that JSON has as a text: 1m30s.
type Duration time.Duration

// MarshalText writes the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// ParseOthers reads them as the command line has them:
// per_second=3,per_hour=1500,on=30m,off=10m.
func ParseOthers(text string) (Others, error) {
	var o Others
	for _, part := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "per_second":
			o.PerSecond, err = strconv.ParseFloat(value, 64)
		case "per_hour":
			o.PerHour, err = strconv.Atoi(value)
		case "on":
			err = o.On.UnmarshalText([]byte(value))
		case "off":
			err = o.Off.UnmarshalText([]byte(value))
		default:
			err = fmt.Errorf("there is no key %q", key)
		}
		if err != nil {
			return Others{}, fmt.Errorf("others %q: %w", text, err)
		}
	}
	return o, o.check()
}

// fastestOthers bounds what a call after a long pause has to play.
const fastestOthers = 1000

func (o Others) check() error {
	switch {
	case !(o.PerSecond >= 0 && o.PerSecond <= fastestOthers):
		return fmt.Errorf("others: per_second %v: must be 0 to %d", o.PerSecond, fastestOthers)
	case o.PerHour < 0:
		return fmt.Errorf("others: per_hour %d: must not be below 0", o.PerHour)
	case o.On < 0 || o.Off < 0 || o.On == 0 && o.Off > 0:
		return fmt.Errorf("others: on %v and off %v: must not be below 0, and off needs on", time.Duration(o.On), time.Duration(o.Off))
	}
	return nil
}

// crowd plays the others of one project: their calls up to now, whenever a call
// comes. Of a longer pause only the last two hours are played.
type crowd struct {
	Others
	since  time.Time
	next   time.Time // their next call
	own    window    // what they allow themselves
	counts OthersStats
}

// OthersStats counts what the others asked for, in calls.
type OthersStats struct {
	Calls   int64 `json:"calls"` // all of them
	Refused int64 `json:"refused"`
}

func newCrowd(o Others, now time.Time) *crowd {
	return &crowd{Others: o, since: now, next: now, own: window{span: time.Hour, limit: o.PerHour}}
}

// play makes the calls that are due.
func (c *crowd) play(now time.Time, admit func(time.Time) time.Duration) {
	if c.PerSecond <= 0 {
		return
	}
	if long := now.Add(-2 * time.Hour); c.next.Before(long) {
		c.next = long
	}
	gap := time.Duration(math.Ceil(float64(time.Second) / c.PerSecond)) // rounded down, it would let one more into a second
	for ; !c.next.After(now); c.next = c.next.Add(gap) {
		if c.away(c.next) || c.own.wait(c.next) > 0 {
			continue
		}
		c.own.take(c.next)
		c.counts.Calls++
		if admit(c.next) > 0 {
			c.counts.Refused++
		}
	}
}

// away tells whether they are gone for a while.
func (c *crowd) away(at time.Time) bool {
	if c.Off == 0 {
		return false
	}
	return at.Sub(c.since)%time.Duration(c.On+c.Off) >= time.Duration(c.On)
}

// SetOthers lets others use the quota of each project from now on, instead of
// those before.
func (s *Server) SetOthers(o Others) error {
	if err := o.check(); err != nil {
		return err
	}
	now := time.Now()
	for _, q := range s.quotas {
		q.setOthers(o, now)
	}
	return nil
}

// othersControl sets the others: {"PerSecond":3,"PerHour":1500,"On":"30m"}, {} for none.
func (s *Server) othersControl(w http.ResponseWriter, r *http.Request) {
	var o Others
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(&o)
	if err == nil {
		err = s.SetOthers(o)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply(w, o)
}
