package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
)

// recorder is a destination that only notes what is done to it, and fails where it is told to.
type recorder struct {
	name   string
	shows  string
	fails  string // a step
	state  State  // of the commit that fails
	mu     *sync.Mutex
	log    *[]string
	cancel context.CancelFunc // called by the step that fails, instead
}

func (r *recorder) String() string { return r.name }

var errBroken = errors.New("broken")

func (r *recorder) step(ctx context.Context, name string) error {
	r.mu.Lock()
	*r.log = append(*r.log, r.name+" "+name)
	r.mu.Unlock()
	if r.fails == name {
		if r.cancel == nil {
			return errBroken
		}
		r.cancel()
	}
	return context.Cause(ctx)
}

func (r *recorder) Published(ctx context.Context) (*Manifest, error) {
	if err := r.step(ctx, "published"); err != nil || r.shows == "" {
		return nil, err
	}
	return &Manifest{Run: r.shows}, nil
}

func (r *recorder) Begin(ctx context.Context, _ Run, _ []Partition) (Stage, error) {
	if err := r.step(ctx, "begin"); err != nil {
		return nil, err
	}
	return recorderStage{r}, nil
}

type recorderStage struct{ *recorder }

func (r recorderStage) Write(ctx context.Context, p Partition, rows Rows) error {
	if err := r.step(ctx, "write "+p.Table.String()); err != nil {
		return err
	}
	for rec, err := range rows {
		if err != nil {
			return err
		}
		rec.Release()
	}
	return nil
}

func (r recorderStage) Check(ctx context.Context) (Staged, error) {
	if err := r.step(ctx, "check"); err != nil {
		return nil, err
	}
	return recorderReady(r), nil
}

func (r recorderStage) Abort(ctx context.Context) error { return r.step(ctx, "abort stage") }

type recorderReady struct{ *recorder }

func (r recorderReady) Commit(ctx context.Context) (State, error) {
	if err := r.step(ctx, "commit"); err != nil {
		return r.state, err
	}
	return Published, nil
}

func (r recorderReady) Abort(ctx context.Context) error { return r.step(ctx, "abort ready") }

// pair is two destinations with one log.
func pair() (a, b *recorder, log *[]string) {
	mu, log := &sync.Mutex{}, &[]string{}
	a = &recorder{name: "a", shows: "old-a", state: Failed, mu: mu, log: log}
	b = &recorder{name: "b", state: Failed, mu: mu, log: log}
	return a, b, log
}

func oneContact(t *testing.T) *Snapshot {
	t.Helper()
	s := small(t, 4)
	if err := appendTo(t, s, schemas.CampaignContacts, contacts(memory.NewGoAllocator(), "x")); err != nil {
		t.Fatal(err)
	}
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// publishTo publishes with a checked allocator.
func publishTo(ctx context.Context, t *testing.T, dests ...Destination) ([]Outcome, error) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	p, err := prepare(ctx, mem, dests, Run{Run: aRun}, oneContact(t), 2)
	if err != nil {
		return p.Outcomes(), err
	}
	return p.Commit(ctx)
}

// steps leaves the writes out of a log, whose order is nobody's business.
func steps(log []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(log), func(s string) bool { return strings.Contains(s, "write") }), ", ")
}

func TestAllAreStagedThenCheckedThenCommitted(t *testing.T) {
	a, b, log := pair()
	out, err := publishTo(context.Background(), t, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := steps(*log), "a published, b published, a begin, b begin, a check, b check, a commit, b commit"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if n := len(*log) - 8; n != 2*schemas.NumTables {
		t.Errorf("%d partitions were written", n)
	}
	for i, o := range out {
		if o.State != Published || o.Run != aRun || o.Err != nil {
			t.Errorf("outcome %d: %+v", i, o)
		}
	}
}

func TestLargePartitionsComeFirst(t *testing.T) {
	a, _, log := pair()
	p, err := prepare(context.Background(), memory.NewGoAllocator(), []Destination{a}, Run{Run: aRun}, oneContact(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if (*log)[2] != "a write campaign_contacts" {
		t.Errorf("the order is %q", *log)
	}
	if err := p.Abort(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestAFailureBeforeTheCommitsAbortsAll(t *testing.T) {
	for step, want := range map[string]string{
		"published":    "a published, b published",
		"begin":        "a published, b published, a begin, b begin, a abort stage",
		"write visits": "a published, b published, a begin, b begin, a abort stage, b abort stage",
		"check":        "a published, b published, a begin, b begin, a check, b check, a abort ready, b abort stage",
	} {
		t.Run(step, func(t *testing.T) {
			a, b, log := pair()
			b.fails = step
			out, err := publishTo(context.Background(), t, a, b)
			if !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "b: ") {
				t.Errorf("the error is %v", err)
			}
			if got := steps(*log); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			if out[0].State != Skipped || out[0].Run != "old-a" || out[1].State != Failed || !errors.Is(out[1].Err, errBroken) {
				t.Errorf("the outcomes are %+v", out)
			}
		})
	}
}

func TestACommitThatFailsLeavesThoseAfterIt(t *testing.T) {
	a, b, log := pair()
	a.fails = "commit"
	out, err := publishTo(context.Background(), t, a, b)
	if !errors.Is(err, errBroken) || strings.Contains(err.Error(), "differ") {
		t.Errorf("the error is %v", err)
	}
	if out[0].State != Failed || out[0].Run != "old-a" || out[1].State != Skipped {
		t.Errorf("the outcomes are %+v", out)
	}
	if got := steps(*log); !strings.HasSuffix(got, "a commit, a abort ready, b abort ready") {
		t.Errorf("the steps are %s", got)
	}
}

func TestAFailureBetweenTheCommitsSaysWhoShowsWhat(t *testing.T) {
	a, b, _ := pair()
	b.fails = "commit"
	out, err := publishTo(context.Background(), t, a, b)
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), fmt.Sprintf("a shows %s; b shows nothing", aRun)) {
		t.Errorf("the error is %v", err)
	}
	if out[0].State != Published || out[1].State != Failed {
		t.Errorf("the outcomes are %+v", out)
	}
}

func TestPublishedButUntidyGoesOn(t *testing.T) {
	a, b, _ := pair()
	a.fails, a.state = "commit", Published
	out, err := publishTo(context.Background(), t, a, b)
	if !errors.Is(err, errBroken) {
		t.Errorf("the error is %v", err)
	}
	if out[0].State != Published || out[0].Err == nil || out[1].State != Published || out[1].Err != nil {
		t.Errorf("the outcomes are %+v", out)
	}
}

func TestACancelledContextStopsBeforeTheFirstCommitOnly(t *testing.T) {
	for step, want := range map[string]State{"begin": Skipped, "write clients": Skipped, "check": Skipped, "commit": Published} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			a, b, log := pair()
			a.fails, a.cancel = step, cancel
			out, err := publishTo(ctx, t, a, b)
			if (err == nil) != (want == Published) || err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
			if out[1].State != want {
				t.Errorf("the outcomes are %+v", out)
			}
			if want == Skipped && strings.Contains(steps(*log), "commit") {
				t.Errorf("the steps are %s", steps(*log))
			}
		})
	}
}

func TestRefusalsAreFound(t *testing.T) {
	err := fmt.Errorf("somewhere: %w", &Refusal{Err: errBroken})
	if !Refuses(err) || !errors.Is(err, errBroken) || Refuses(errBroken) {
		t.Errorf("%v", err)
	}
}
