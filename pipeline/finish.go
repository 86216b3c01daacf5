package pipeline

import (
	"context"
	"errors"
	"time"
)

// finish completes the report by what became of the run.
func (r *running) finish(err error) {
	class := r.classify(err)
	r.failed = err
	r.report.Outcome, r.report.ExitCode = class.Outcome(), r.options.ExitCode(class)
	r.report.FinishedAt = endOf(r.report.StartedAt, r.began)
	if err != nil {
		text := oneLine(err.Error())
		r.report.Error = &text
	}
}

// endOf is now, reckoned from a start by what has passed since, for the clock may
// be set meanwhile. began is the start with its monotonic reading; zero: unknown.
func endOf(start, began time.Time) time.Time {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if now.Before(start) && !began.IsZero() {
		now = start.Add(time.Since(began)).Truncate(time.Millisecond)
	}
	return now
}

// classify decides how the run ended. An error without a class has failed.
func (r *running) classify(err error) Class {
	var known *Error
	switch {
	case errors.As(err, &known):
		return known.Class
	case errors.Is(err, ErrInterrupted):
		return Aborted
	case err != nil:
		return Broken
	case r.extracted != nil && len(r.extracted.Incomplete()) > 0:
		return Incomplete
	default:
		return Done
	}
}

// state notes how fresh the mirror is, for the report.
func (r *running) state(ctx context.Context) error {
	stats, err := r.mirror.Stats(ctx, time.Now())
	if err != nil {
		return err
	}
	r.report.Feeds.NeverFetched, r.report.Details.NeverFetched = stats.NeverFetched, stats.NeverFetched
	if !stats.Oldest.IsZero() {
		at := stats.Oldest.UTC()
		r.report.Feeds.OldestAt = &at
	}
	return nil
}
