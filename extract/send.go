package extract

import "context"

// Target takes clients: an [api.Client]. Its errors are [*api.Error].
type Target interface {
	Import(ctx context.Context, clients []byte) error
}

// Sending sends clients to the API under the limits that it shares with the runs
// of the same mirror: a call is entered in the mirror's journal before it is
// sent, and repeated as a run's calls are. It is used by one goroutine.
type Sending struct {
	run    *run
	target Target
}

// SendCounts counts the calls of a sending.
type SendCounts struct {
	Import  int64 // all of them
	Retried int64 // of them, repeated ones
	Refused int64 // of them, refused: by quota, by right, or for what was sent
}

// NewSending begins to send total things, of which a call takes up to perCall.
// Of the options it needs mirror, rates, attempts, log and progress.
func NewSending(ctx context.Context, o Options, target Target, total, perCall int64) (*Sending, error) {
	r, err := newRun(ctx, o)
	if err != nil {
		return nil, err
	}
	r.tally.begin("import", total)
	r.tally.perCall = perCall
	o.Progress.attach(r)
	return &Sending{run: r, target: target}, nil
}

// Send sends clients until there is an answer, the error is final or the attempts
// are used up. Right before each attempt it asks ready, whose error ends it.
func (s *Sending) Send(ctx context.Context, clients []byte, ready func() error) error {
	var unready error
	err := s.run.call(ctx, importCall, nil, func(ctx context.Context) error {
		if unready = ready(); unready != nil {
			return unready
		}
		return s.target.Import(ctx, clients)
	})
	if unready != nil {
		s.run.tally.unsent()
	}
	return err
}

// Move says how much has been sent or left out.
func (s *Sending) Move(done, total, failed int64) {
	s.run.tally.move(done, total)
	s.run.tally.failing(failed)
}

// Counts returns the calls made so far.
func (s *Sending) Counts() SendCounts {
	t := &s.run.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	return SendCounts{Import: t.imports, Retried: t.calls.Retried, Refused: t.calls.Refused}
}
