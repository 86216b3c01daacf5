package extract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
)

const (
	fewItems  = 10 // from so many items on, a feed that halves is suspicious
	maxStreak = 20 // failed clients in a row after which nothing more is asked

	maxCarried = 1 << 20  // bytes of an answer that waits for its worker's next call
	maxPacked  = 32 << 20 // bytes of a feed that packing doesn't halve
)

// reader reads feeds: a queue that the workers share.
type reader struct {
	*run
	packer *mirror.Packer
	last   bool // answers count whatever they are

	mu       sync.Mutex
	queue    []Due
	suspects []Due // to be asked once more
	streak   int   // failed clients in a row
	reason   error // a stop: nothing more is asked
}

// feeds reads what is due, then asks once more for what came back suspiciously small.
func (r *run) feeds(ctx context.Context) error {
	now := time.Now()
	if err := r.full(ctx, now); err != nil {
		return err
	}
	r.Refresh.Limited = !r.Deadline.IsZero()
	due, counts, err := Plan(ctx, r.Mirror.Reader, r.Refresh, now)
	if err != nil {
		return err
	}
	r.result.Feeds.Due = int64(len(due))
	r.Log.Info("feeds are due", "never_read", counts.Never, "changed", counts.Changed, "aged", counts.Aged)
	r.tally.begin("feeds", int64(len(due)))
	if r.result.Stopped != "" {
		return nil
	}
	first := &reader{run: r, packer: mirror.NewPacker()}
	for _, d := range due {
		if d.Suspect {
			first.suspects = append(first.suspects, d)
			continue
		}
		first.queue = append(first.queue, d)
	}
	if err := first.read(ctx); err != nil || r.result.Stopped != "" && r.result.Stopped != ByBudget {
		return err
	}
	again := &reader{run: r, packer: first.packer, last: true, queue: first.suspects}
	return again.read(ctx)
}

// read lets the workers empty the queue.
func (f *reader) read(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range min(f.Concurrency, len(f.queue)) {
		g.Go(func() error { return f.work(ctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return f.stopped(f.reason)
}

// work reads feed after feed. It carries each answer to the entry of its next call.
func (f *reader) work(ctx context.Context) error {
	var carried *mirror.Answer
	for {
		d, ok := f.next()
		if !ok {
			return f.enter(ctx, carried, 0)
		}
		var err error
		if carried, err = f.ask(ctx, d, carried); err != nil {
			return errors.Join(f.halt(err), f.enter(ctx, carried, 0))
		}
	}
}

// halt keeps a stop for later, so that calls in flight end in peace; any other
// error ends them.
func (f *reader) halt(err error) error {
	var s *stop
	if !errors.As(err, &s) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reason == nil {
		f.reason = s
	}
	return nil
}

// next takes a feed from the queue. What is left of a budget goes first to those
// that were promised a second call.
func (f *reader) next() (d Due, ok bool) {
	left := f.limits.left()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reason != nil || len(f.queue) == 0 {
		return d, false
	}
	if left >= 0 && left <= int64(len(f.suspects)) {
		f.reason = &stop{ByBudget}
		return d, false
	}
	d, f.queue = f.queue[0], f.queue[1:]
	return d, true
}

// ask reads one feed. An error ends the worker; a failed client is an answer.
func (f *reader) ask(ctx context.Context, d Due, carried *mirror.Answer) (*mirror.Answer, error) {
	var feed *api.Feed
	err := f.call(ctx, feedCall, carried, func(ctx context.Context) (err error) {
		feed, err = f.Source.Feed(ctx, d.Client)
		return err
	})
	a := &mirror.Answer{Client: d.Client, At: time.Now(), RowHash: d.RowHash}
	if err == nil {
		defer feed.Release()
		err = f.got(a, d, feed)
	}
	var e *api.Error
	switch {
	case err == nil && a.Size() > maxCarried:
		feed.Drop()
		debug.FreeOSMemory() // SQLite takes twice the packed feed, beside what Go would collect later
		return nil, f.enter(ctx, a, 0)
	case err == nil:
		return a, nil
	case !errors.As(err, &e) || e.Kind == api.Refused || e.Unwrap() != nil:
		return nil, fmt.Errorf("client %d: %w", d.Client, err)
	case e.Kind == api.NotFound:
		if err := f.absent(a, d); err != nil {
			return nil, err
		}
		return a, nil
	}
	f.tally.fail(FailedClient{d.Client, e.Code, err.Error()})
	return &mirror.Answer{Client: d.Client, Outcome: mirror.Failed, At: a.At, RowHash: d.RowHash}, f.failed(d, e)
}

// absent completes the answer of a feed that isn't there. One that was never read is empty.
func (f *reader) absent(a *mirror.Answer, d Due) error {
	f.succeeded()
	a.Outcome = mirror.Absent
	if d.Why != Never {
		return nil
	}
	return f.packer.Pack(a, []byte("[]"))
}

// got completes the answer of a feed that came.
func (f *reader) got(a *mirror.Answer, d Due, feed *api.Feed) error {
	if !f.last && suspicious(d.Items, feed.Items) {
		f.succeeded()
		a.Outcome = mirror.Suspect
		f.mu.Lock()
		defer f.mu.Unlock()
		f.suspects = append(f.suspects, d)
		return nil
	}
	a.Items = feed.Items
	if err := f.packer.Pack(a, feed.JSON); err != nil {
		return err
	}
	if a.Size() > max(maxPacked, len(feed.JSON)/2) {
		return &api.Error{Kind: api.Bad, Code: "too_large", HTTP: http.StatusOK,
			Description: fmt.Sprintf("the feed has %d bytes that hardly compress; of such no more than %d are kept", len(feed.JSON), maxPacked)}
	}
	f.succeeded()
	return nil
}

// suspicious tells whether a feed has shrunk so far that it may be a fault of the API.
func suspicious(before, now int64) bool {
	return before > 0 && now == 0 || before >= fewItems && 2*now < before
}

func (f *reader) succeeded() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streak = 0
}

// failed counts a failed client, and ends the reading after many in a row.
func (f *reader) failed(d Due, e *api.Error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Log.Warn("a client failed", "client", d.Client, "code", e.Code)
	if f.streak++; f.streak < maxStreak {
		return nil
	}
	if e.HTTP == 0 {
		return fmt.Errorf("%w: %d clients in a row failed, the last with %w", ErrDown, f.streak, e)
	}
	if f.reason == nil {
		f.reason = &stop{ByFailures}
	}
	return nil
}
