// Package retry is the one place that decides when a failed attempt is repeated,
// and how long to wait before it.
//
// What an error means is decided where it arose; a caller's judge turns that
// into a [Verdict]. Waits double from Base to Max and are drawn from the upper
// half of each, so that clients that failed together don't come back together.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Policy says how often and how patiently to try.
type Policy struct {
	Attempts int           // at least 1 is made
	Base     time.Duration // the first wait
	Max      time.Duration // the longest wait
}

// Verdict is what a judge makes of an error.
type Verdict uint8

// The verdicts.
const (
	Stop  Verdict = iota // the error is final
	Again                // try again, after a wait, while there are attempts left
	Free                 // try again at once; the attempt doesn't count: whoever judges so bounds it
)

// Exhausted is the error of an operation whose attempts are used up. It unwraps
// to the last attempt's error.
type Exhausted struct {
	Attempts int
	Err      error
}

// Error gives the last attempt's error and the number of attempts.
func (e *Exhausted) Error() string { return fmt.Sprintf("%v (%d attempts)", e.Err, e.Attempts) }

// Unwrap returns the last attempt's error.
func (e *Exhausted) Unwrap() error { return e.Err }

// Do calls f until it succeeds, judge says stop, or the attempts are used up,
// which is an [*Exhausted]. A judge may return the least time to wait. A context
// that ends cuts a wait short and ends the trying, with the last error joined to
// the cause.
func (p Policy) Do(ctx context.Context, f func(context.Context) error, judge func(error) (Verdict, time.Duration)) error {
	for attempt := 1; ; {
		err := f(ctx)
		if err == nil {
			return nil
		}
		verdict, least := judge(err)
		switch {
		case verdict == Stop:
			return err
		case verdict == Free:
			continue
		case attempt >= p.Attempts:
			return &Exhausted{Attempts: attempt, Err: err}
		}
		if wait := Sleep(ctx, max(least, p.Wait(attempt-1))); wait != nil {
			return errors.Join(wait, err)
		}
		attempt++
	}
}

// Wait returns the wait after the nth failure, from 0: between half and all of
// Base·2ⁿ, at most Max.
func (p Policy) Wait(n int) time.Duration {
	d := p.Max
	if n < 63 && p.Base <= p.Max>>n {
		d = p.Base << n
	}
	return Jitter(d)
}

// Jitter draws a duration between half of d and d.
func Jitter(d time.Duration) time.Duration {
	if d < 2 {
		return max(d, 0)
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret hangs on it
}

// Sleep waits, or returns the cause of a context that ended before.
func Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
