package extract

import (
	"errors"
	"sync"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
)

// maxFailed is how many failed clients are named.
const maxFailed = 10_000

// tally counts what the workers do. It is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	calls   Calls
	imports int64 // calls
	fetched int64
	failed  int64
	gone    int64
	names   []FailedClient

	phase   string
	done    int64 // of the phase
	total   int64
	perCall int64 // of done by a call; 0: 1
}

// called counts a call that was made.
func (t *tally) called(k kind, repeated bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch k {
	case listCall:
		t.calls.List++
	case feedCall:
		t.calls.Feed++
	case campaignCall:
		t.calls.Campaign++
	case importCall:
		t.imports++
	}
	if repeated {
		t.calls.Retried++
	}
	var e *api.Error
	if errors.As(err, &e) && (e.Kind == api.Limited || e.Kind == api.Refused || e.Kind == api.Rejected) {
		t.calls.Refused++
	}
}

// kept counts an answer that is durable.
func (t *tally) kept(a *mirror.Answer) {
	if a == nil || a.Outcome == mirror.Suspect {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	if a.Outcome == mirror.Failed {
		t.failed++
		return
	}
	t.fetched++
	if a.Gone {
		t.gone++
	}
}

// fail names a client that failed.
func (t *tally) fail(c FailedClient) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.names) < maxFailed {
		t.names = append(t.names, c)
	}
}

// begin starts a phase of the progress.
func (t *tally) begin(phase string, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase, t.done, t.total, t.perCall = phase, 0, total, 0
}

// move says how far a phase has come.
func (t *tally) move(done, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.total = done, total
}

// unsent takes back a call that was counted but not sent.
func (t *tally) unsent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.imports--
}

// failing says how much of a phase has failed.
func (t *tally) failing(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = n
}

// report writes the counts into the result.
func (t *tally) report(r *Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Calls, r.FailedClients = t.calls, t.names
	r.Clients.Gone += t.gone
	r.Feeds.Fetched, r.Feeds.Failed = t.fetched, t.failed
	r.Feeds.Left = r.Feeds.Due - t.fetched - t.failed
}
