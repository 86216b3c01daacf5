package extract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/retry"
)

// Source answers questions: an [api.Client]. It is called by many goroutines at
// once. Its errors are [*api.Error].
type Source interface {
	List(context.Context, api.ListQuestion) (*api.ListPage, error)
	Feed(ctx context.Context, client int64) (*api.Feed, error)
	Contacts(context.Context, api.ContactsQuestion) (*api.ContactsPage, error)
}

// Campaign is a campaign whose contacts are asked for.
type Campaign struct {
	ID      int64
	Metrics []string
}

// Options say what to extract and how much to spend on it.
type Options struct {
	Mirror    *mirror.Mirror
	Source    Source
	PageSize  int             // clients asked for in a page; 0: 1,000
	Filters   json.RawMessage // of the list; nil: none
	Campaigns []Campaign
	Refresh   Refresh
	Deadline  time.Time // when no new call is made any more; zero: none

	PerSecond   float64 // calls a second
	PerHour     int64   // calls in a sliding hour; 0: any number
	Concurrency int     // feed calls in flight
	MaxAttempts int     // of a call
	MaxCampaign int64   // bytes of a campaign's rows; 0: 24 MiB

	Log      *slog.Logger // nil: none
	Progress *Progress    // nil: none
}

// ErrDown says that the API can't be reached: many clients in a row failed for
// the network's sake. Trying again later may help.
var ErrDown = errors.New("the API can't be reached")

// Run extracts into the mirror. The result is never nil, and is right as far as
// the run came. The error is nil if the run came to its end, be it an early one
// ([Result.Stopped]); it unwraps to an [*api.Error] where the API refused or
// failed, and to the context's cause where that ended the run.
func Run(ctx context.Context, o Options) (*Result, error) {
	r, err := newRun(ctx, o)
	if err != nil {
		return &Result{}, err
	}
	o.Progress.attach(r)
	err = r.all(ctx)
	return r.result, errors.Join(err, r.finish(ctx, err))
}

// run is a run under way.
type run struct {
	Options
	result *Result // belongs to the goroutine of Run, but for what tally guards
	tally  tally
	limits *limits
	policy retry.Policy
}

func newRun(ctx context.Context, o Options) (*run, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.PageSize <= 0 {
		o.PageSize = 1000
	}
	o.Concurrency = max(1, o.Concurrency)
	now := time.Now()
	if err := o.Mirror.SettleJournal(ctx, now); err != nil {
		return nil, err
	}
	spent, err := o.Mirror.Journal(ctx, now.Add(-hour))
	if err != nil {
		return nil, err
	}
	r := &run{
		Options: o,
		result:  &Result{StartedAt: now},
		limits:  newLimits(o, spent, now),
		policy:  retry.Policy{Attempts: max(1, o.MaxAttempts), Base: 250 * time.Millisecond, Max: 30 * time.Second},
	}
	r.limits.log = o.Log
	return r, nil
}

// all does the three parts. A stop of one leaves the rest undone, but planned.
func (r *run) all(ctx context.Context) error {
	if err := r.list(ctx); err != nil {
		return fmt.Errorf("list the clients: %w", err)
	}
	if err := r.campaigns(ctx); err != nil {
		return fmt.Errorf("ask for the campaigns: %w", err)
	}
	if err := r.feeds(ctx); err != nil {
		return fmt.Errorf("read the feeds: %w", err)
	}
	return nil
}

// finish completes the result. If the run failed, what can't be counted is left out.
func (r *run) finish(ctx context.Context, failed error) error {
	r.tally.report(r.result)
	now := time.Now()
	r.result.FinishedAt = now
	stats, err := r.Mirror.Stats(context.WithoutCancel(ctx), now)
	if err != nil && failed != nil {
		return nil //nolint:nilerr // the first error tells more
	}
	r.result.Feeds.NeverFetched, r.result.Feeds.OldestAt = stats.NeverFetched, stats.Oldest
	return err
}

// stopped notes why a part ended early; any other error is returned.
func (r *run) stopped(err error) error {
	var s *stop
	if !errors.As(err, &s) {
		return err
	}
	if r.result.Stopped == "" {
		r.result.Stopped = s.reason
		r.Log.Info("no new calls", "reason", s.reason)
	}
	return nil
}
