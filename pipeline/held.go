package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/extract/backup"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/retry"
	"roistat-etl/pipeline/config"
)

const (
	// lockPoll and leasePoll are how often somebody who waits looks whether the
	// mirror is free, here and in a bucket.
	lockPoll  = 200 * time.Millisecond
	leasePoll = time.Second

	// saveEvery is how old the copy of a mirror gets while it is changed.
	saveEvery = 20 * time.Minute

	// lastSave is how long after a signal the last copy may take: all must be
	// over within ten seconds.
	lastSave = 8 * time.Second
)

// held is a mirror that this process alone may change and, where the pipeline
// has a mirror_backup, the right to its copies.
type held struct {
	*mirror.Mirror
	store    *backup.Store // nil: there are no copies
	lease    *backup.Lease
	restored bool         // there was no file
	told     atomic.Int64 // when a signal came, in milliseconds since 1970; 0: none has
	log      *slog.Logger
	every    time.Duration // between two copies
}

// holding says how to take a mirror.
type holding struct {
	name   func() (string, error) // of the run that tries, each time anew
	until  time.Time              // so long it waits
	exists bool                   // an absent mirror is an error
	adopt  bool                   // another mirror's copies may be replaced
	every  time.Duration          // between two copies; 0: saveEvery
	log    *slog.Logger

	// absent is asked whether a mirror that is nowhere may be made; nil: it may.
	absent func(context.Context) error
}

// hold takes the mirror, waiting as long as was asked for. It restores one that
// isn't there. Of several that wait any may come first.
func hold(ctx context.Context, p *config.Pipeline, o holding) (*held, error) {
	for {
		name, err := o.name()
		if err != nil {
			return nil, err
		}
		h, err := holdOnce(ctx, p, name, o)
		poll, left := heldBy(err), time.Until(o.until)
		if poll == 0 || left <= 0 {
			return h, holdError(ctx, err)
		}
		if stop := retry.Sleep(ctx, min(poll, left)); stop != nil {
			return nil, holdError(ctx, errors.Join(fmt.Errorf("wait for the mirror: %w", stop), err))
		}
	}
}

// heldBy tells how often to try again where another holds the mirror; 0 if none does.
func heldBy(err error) time.Duration {
	var here *mirror.HeldError
	var there *backup.HeldError
	switch {
	case errors.As(err, &here):
		return lockPoll
	case errors.As(err, &there):
		return leasePoll
	}
	return 0
}

// holdError gives an error of taking a mirror its class.
func holdError(ctx context.Context, err error) error {
	var refused *backup.RefusedError
	var known *Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, &refused) && !interrupted(ctx):
		return classed(Misconfigured, "%w", err)
	}
	return mirrorError(ctx, err)
}

func holdOnce(ctx context.Context, p *config.Pipeline, run string, o holding) (h *held, err error) {
	h = &held{log: o.log, every: o.every}
	if h.every == 0 {
		h.every = saveEvery
	}
	if p.MirrorBackup != "" {
		if h.store, err = backup.Open(p.MirrorBackup); err != nil {
			return nil, classed(Misconfigured, "mirror_backup: %w", err)
		}
	}
	defer func() {
		if err != nil {
			err, h = errors.Join(err, h.close(context.WithoutCancel(ctx))), nil
		}
	}()
	h.Mirror, err = mirror.Open(ctx, p.Mirror, mirror.Options{Run: run, Prepare: func(ctx context.Context) error {
		return h.prepare(ctx, p.Mirror, run, o)
	}})
	if err == nil {
		err = identify(ctx, h.Mirror, p, o.adopt)
	}
	if err == nil && h.lease != nil && !o.adopt {
		err = h.matches(ctx)
	}
	return h, err
}

// prepare takes the lease and restores a mirror that isn't there.
func (h *held) prepare(ctx context.Context, path, run string, o holding) error {
	absent := isAbsent(path)
	if h.store != nil {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("hold the mirror's copy: %w", err)
		}
		if h.lease, err = h.store.Hold(ctx, path, backup.Holder{Host: host, PID: os.Getpid(), Run: run}); err != nil {
			return err
		}
		if absent {
			if h.restored, err = h.lease.Restore(ctx); err != nil {
				return err
			}
		}
	}
	if h.restored {
		o.log.Info("restored the mirror", "from", h.store.String(), "run", h.lease.Pointer().Run)
		return nil
	}
	if absent && h.store != nil && o.absent != nil {
		if err := o.absent(ctx); err != nil {
			return err
		}
	}
	if absent && o.exists {
		return nothingToPublish(path)
	}
	return nil
}

// matches refuses a mirror that is not the one whose copies are there, or older
// than its own copy: saving it would lose what was paid for.
func (h *held) matches(ctx context.Context) error {
	p := h.lease.Pointer()
	if p == nil {
		return nil
	}
	id, err := h.ID(ctx)
	switch {
	case err != nil:
		return err
	case id != p.Mirror:
		return classed(Misconfigured, "%s holds copies of mirror %s, and this is mirror %s: give another mirror_backup, or, if this one is to take over, run once with --adopt",
			h.store, p.Mirror, id)
	case p.Run == "":
		return nil
	}
	known, err := h.KnowsRun(ctx, p.Run)
	if err == nil && !known {
		err = classed(Misconfigured, "the mirror %s is older than its own copy in %s, which holds run %s: this one knows nothing of it. Move the file away, and the copy is restored; if this one is to take over, run once with --adopt",
			h.Path(), h.store, p.Run)
	}
	return err
}

// guard does something with the mirror. Meanwhile it keeps the lease, without
// which the work is stopped, and makes a copy now and then.
func (h *held) guard(ctx context.Context, do func(context.Context) error) error {
	if h.lease == nil {
		return do(ctx)
	}
	defer context.AfterFunc(ctx, func() { h.told.Store(time.Now().UnixMilli()) })()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	beside, end := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		if err := h.lease.Keep(beside); err != nil {
			stop(classed(Broken, "stopped: %w; what was fetched since the last copy is only here", err))
		}
		return nil // whoever is stopped says why
	})
	g.Go(func() error { h.often(beside); return nil })
	err := do(ctx)
	end()
	return errors.Join(err, g.Wait())
}

// often makes copies until its context ends. One that fails is made up for by
// the next, and the last one must not fail.
func (h *held) often(ctx context.Context) {
	for retry.Sleep(ctx, h.every) == nil {
		if err := h.save(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("the mirror could not be saved", "to", h.store.String(), "error", err)
		}
	}
}

// save makes a copy of the mirror as it is, where there are copies.
func (h *held) save(ctx context.Context) error {
	if h.lease == nil {
		return nil
	}
	run, err := h.LastRun(ctx, metaExtracted)
	if err == nil {
		err = h.lease.Save(ctx, h.Reader, run)
	}
	var refused *backup.RefusedError
	if errors.As(err, &refused) {
		return classed(Misconfigured, "%w", err)
	}
	return err
}

// last makes the copy that outlives the run. After a signal there is little time
// for it, and after the lease was lost, none.
func (h *held) last(ctx context.Context) error {
	if h.lease == nil || errors.Is(context.Cause(ctx), backup.ErrTaken) {
		return nil
	}
	unhurried := context.WithoutCancel(ctx)
	if !interrupted(ctx) {
		return h.save(unhurried)
	}
	told := time.Now()
	if at := h.told.Load(); at != 0 {
		told = time.UnixMilli(at)
	}
	hurried, stop := context.WithDeadline(unhurried, told.Add(lastSave))
	defer stop()
	err := h.save(hurried)
	if err == nil {
		return nil
	}
	when := "there is none yet"
	if p := h.lease.Pointer(); p != nil {
		when = "the last one is of " + p.SavedAt.Format(time.RFC3339)
	}
	return fmt.Errorf("the mirror could not be saved in time (%s): %w", when, err)
}

// erase makes a copy of the mirror as it is, and removes all others: what is no
// longer in the mirror is nowhere any more.
func (h *held) erase(ctx context.Context) error {
	if h.lease == nil {
		return nil
	}
	if err := h.save(ctx); err != nil {
		return err
	}
	return h.lease.Erase(ctx)
}

// close gives everything back.
func (h *held) close(ctx context.Context) error {
	var all []error
	if h.lease != nil {
		ctx, stop := context.WithTimeout(ctx, lastSave)
		defer stop()
		all = append(all, h.lease.Release(ctx))
	}
	if h.Mirror != nil {
		all = append(all, h.Close())
	}
	if h.store != nil {
		all = append(all, h.store.Close())
	}
	return errors.Join(all...)
}

// nothingToPublish says that there is no mirror: empty tables would look like a
// success.
func nothingToPublish(path string) error {
	return classed(Broken, "there is no mirror %s to publish from yet: run once without --no-extract", path)
}
