package extract

import (
	"context"
	"errors"
	"time"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/retry"
)

// call asks until there is an answer, the error is final or the attempts are
// used up. The answer that the caller carries is durable when call returns,
// whatever it returns, unless the mirror fails.
func (r *run) call(ctx context.Context, k kind, carried *mirror.Answer, ask func(context.Context) error) error {
	repeated := false
	return r.policy.Do(ctx, func(ctx context.Context) error {
		t, err := r.admit(ctx, k, carried)
		carried = nil
		if err != nil {
			return err
		}
		err = ask(ctx)
		r.limits.observe(t, err, time.Now())
		r.tally.called(k, repeated, err)
		if repeated = true; err != nil {
			r.Log.Debug("a call failed", "error", err)
		}
		return err
	}, judge)
}

// judge decides by an error's kind whether to ask again.
func judge(err error) (retry.Verdict, time.Duration) {
	var e *api.Error
	if !errors.As(err, &e) || e.Unwrap() != nil {
		return retry.Stop, 0
	}
	switch e.Kind {
	case api.Limited:
		return retry.Free, 0 // limits has paused all calls, and bounds how often
	case api.Transient, api.Bad:
		return retry.Again, min(e.RetryAfter, time.Minute)
	}
	return retry.Stop, 0
}

// admit waits until a call may be made and enters it together with the carried
// answer. An answer isn't carried over a wait: it is made durable before.
func (r *run) admit(ctx context.Context, k kind, carried *mirror.Answer) (ticket, error) {
	for {
		var t ticket
		var wait time.Duration
		err := context.Cause(ctx)
		if err == nil {
			t, wait, err = r.limits.take(k, time.Now())
		}
		if err == nil && wait == 0 {
			return t, r.enter(ctx, carried, 1)
		}
		if err := r.enter(ctx, carried, 0); err != nil {
			return t, err
		}
		if carried = nil; err != nil {
			return t, err
		}
		if err := retry.Sleep(ctx, wait); err != nil {
			return t, err
		}
	}
}

// enter makes an answer and coming calls durable; only then the answer counts.
func (r *run) enter(ctx context.Context, a *mirror.Answer, calls int) error {
	if err := r.Mirror.Enter(ctx, a, calls); err != nil {
		return err
	}
	r.tally.kept(a)
	return nil
}
