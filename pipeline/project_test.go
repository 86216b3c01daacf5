package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"roistat-etl/extract/mirror"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

// filled is the mirror of a stand whose clients have been read.
func filled(t testing.TB, clients int) (*stand, *mirror.Reader) {
	t.Helper()
	s := newStand(t, clients, nil)
	s.pipeline.API.PerSecond, s.pipeline.API.PerHour = 1e6, 1e6
	s.run(t, func(o *Options) { o.NoPublish = true }).want(t, OK)
	m, err := mirror.OpenReader(context.Background(), s.pipeline.Mirror)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, m
}

func spool(t testing.TB) *load.Spool {
	t.Helper()
	s, err := load.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// rowsInOrder reads every row of a snapshot as text, in the order of its files.
func rowsInOrder(t testing.TB, mem memory.Allocator, n *load.Snapshot) (out []string) {
	t.Helper()
	for _, p := range n.Partitions() {
		for record, err := range n.Records(context.Background(), mem, p) {
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rowsOf(schemas.Get(p.Table), record) {
				b, err := row.Tagged()
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, string(b))
			}
			record.Release()
		}
	}
	return out
}

func TestProjectionIsTheSameWithAnyNumberOfWorkers(t *testing.T) {
	s, m := filled(t, 1500) // several blocks
	var partitions []load.Partition
	var rows []string
	for _, workers := range []int{1, 2, 7} {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		p, err := project(context.Background(), mem, m, spool(t), transformOptions(s.pipeline), workers)
		if err != nil {
			t.Fatal(err)
		}
		got := rowsInOrder(t, mem, p.snapshot)
		if workers == 1 {
			partitions, rows = p.snapshot.Partitions(), got
		}
		if diff := cmp.Diff(partitions, p.snapshot.Partitions()); diff != "" {
			t.Errorf("%d workers: partitions differ:\n%s", workers, diff)
		}
		if diff := cmp.Diff(rows, got); diff != "" {
			t.Errorf("%d workers: rows differ:\n%.2000s", workers, diff)
		}
		mem.AssertSize(t, 0)
	}
}

// faulty is a mirror that breaks after some blocks, or gives a feed that is none.
type faulty struct {
	*mirror.Reader
	after  int
	err    error
	cancel context.CancelCauseFunc
	head   error
}

func (f faulty) Blocks(ctx context.Context, size int, admit func(int64) error) iter.Seq2[[]mirror.Packed, error] {
	return func(yield func([]mirror.Packed, error) bool) {
		n := 0
		for block, err := range f.Reader.Blocks(ctx, size, admit) {
			if n == f.after {
				if f.cancel != nil {
					f.cancel(f.err)
				} else {
					yield(nil, f.err)
					return
				}
			}
			if n++; !yield(block, err) {
				return
			}
		}
	}
}

func (f faulty) Unlisted(ctx context.Context) iter.Seq2[[]schemas.Unlisted, error] {
	if f.head == nil {
		return f.Reader.Unlisted(ctx)
	}
	return func(yield func([]schemas.Unlisted, error) bool) { yield(nil, f.head) }
}

func TestProjectionFailsWithoutALeak(t *testing.T) {
	s, m := filled(t, 1500)
	broken := errors.New("broken")
	cases := map[string]func(*faulty, *load.Spool){
		"the mirror breaks at once":    func(f *faulty, _ *load.Spool) { f.after = 0 },
		"the mirror breaks in between": func(f *faulty, _ *load.Spool) { f.after = 3 },
		"what belongs to no client":    func(f *faulty, _ *load.Spool) { f.head, f.after = broken, 1e9 },
		"the spool is closed":          func(f *faulty, sp *load.Spool) { f.after = 1e9; _ = sp.Close() },
	}
	for name, c := range cases {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, %d workers", name, workers), func(t *testing.T) {
				mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
				sp, err := load.NewSpool(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				f := &faulty{Reader: m, err: broken}
				c(f, sp)
				if _, err := project(context.Background(), mem, f, sp, transformOptions(s.pipeline), workers); err == nil {
					t.Error("it succeeded")
				}
				mem.AssertSize(t, 0)
				_ = sp.Close() // it may be closed already
			})
		}
	}
}

func TestInterruptedProjectionSaysSo(t *testing.T) {
	s, m := filled(t, 1500)
	ctx, cancel := context.WithCancelCause(context.Background())
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	f := &faulty{Reader: m, after: 2, err: ErrInterrupted, cancel: cancel}
	if _, err := project(ctx, mem, f, spool(t), transformOptions(s.pipeline), 2); !errors.Is(err, ErrInterrupted) {
		t.Errorf("%v", err)
	}
	mem.AssertSize(t, 0)
}

func TestTheLawStopsAWrongProjection(t *testing.T) {
	for name, c := range map[string]struct {
		counts counts
		wrong  bool
	}{
		"kept":    {counts{items: 5, events: 3, feedRejects: 2}, false},
		"lost":    {counts{items: 5, events: 3, feedRejects: 1}, true},
		"doubled": {counts{items: 5, events: 4, feedRejects: 2}, true},
	} {
		if err := c.counts.law(); (err != nil) != c.wrong {
			t.Errorf("%s: %v", name, err)
		}
	}
}
