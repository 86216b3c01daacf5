package loadtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"

	"roistat-etl/load"
)

// Step is a point at which a destination can be made to fail.
type Step string

// The steps of a publishing that depend on the destination's storage.
const (
	None   Step = "" // nothing fails
	Write  Step = "write"
	Check  Step = "check"
	Commit Step = "commit"
)

// Content is what readers see: the digest of each partition, by Partition.String.
type Content map[string]load.Digest

// Harness is a destination under test, and the means to look at it and to break it.
type Harness struct {
	// Destination is empty, and this harness's alone.
	Destination load.Destination

	// Read reads what readers see, not what the destination says of itself. It
	// is nil if nothing is published.
	Read func(ctx context.Context) (Content, error)

	// Leftovers names what lies at the destination beside published rows.
	Leftovers func() ([]string, error)

	// Break makes the given step fail from now on, and only that.
	Break func(Step)

	// Close gives back what the harness holds, before leaks are looked for; nil
	// if it holds nothing.
	Close func() error
}

// Case is one demand on a destination.
type Case struct {
	Name string
	run  func(ctx context.Context, tr *trial) error
}

// Run tries all cases, each on a harness of its own.
func Run(t *testing.T, harness func(t *testing.T) Harness) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Try(t.Context(), harness(t)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Try tries the case on a fresh harness. The error says which demand was not met.
func (c Case) Try(ctx context.Context, h Harness) (err error) {
	before := goleak.IgnoreCurrent()
	tr := &trial{h: h, mem: memory.NewCheckedAllocator(memory.NewGoAllocator())}
	defer func() {
		h.Break(None)
		err = errors.Join(err, tr.close(), h.close(), leaked(tr.mem, before))
	}()
	return c.run(ctx, tr)
}

func (h Harness) close() error {
	if h.Close == nil {
		return nil
	}
	return h.Close()
}

func leaked(mem *memory.CheckedAllocator, before goleak.Option) error {
	if n := mem.CurrentAlloc(); n != 0 {
		return fmt.Errorf("record batches of %d bytes were not released", n)
	}
	if err := goleak.Find(before); err != nil {
		return fmt.Errorf("goroutines were left: %w", err)
	}
	return nil
}

// Cases returns the suite.
func Cases() []Case {
	return slices.Concat(publishing(), refusing(), failing(), givingUp())
}

// expect compares what readers see with what they should, and looks for leftovers.
func (tr *trial) expect(ctx context.Context, run string, want Content) error {
	m, err := tr.h.Destination.Published(ctx)
	if err != nil {
		return fmt.Errorf("Published: %w", err)
	}
	if shown := shownRun(m); shown != run {
		return fmt.Errorf("run %q is published, not %q", shown, run)
	}
	if m != nil && m.Unlinked != "" {
		return fmt.Errorf("readers are not led to run %q: %s", run, m.Unlinked)
	}
	got, err := tr.h.Read(ctx)
	if err != nil {
		return fmt.Errorf("read what is published: %w", err)
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("readers see other rows than %q: %s", run, difference(got, want))
	}
	left, err := tr.h.Leftovers()
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	if len(left) > 0 {
		return fmt.Errorf("left behind: %q", left)
	}
	return agrees(m, want)
}

func shownRun(m *load.Manifest) string {
	if m == nil {
		return ""
	}
	return m.Run
}

func difference(got, want Content) string {
	for name, d := range want {
		if g, ok := got[name]; !ok || g != d {
			return fmt.Sprintf("%s is %v (there: %t), not %v", name, g, ok, d)
		}
	}
	return fmt.Sprintf("%d partitions, not %d", len(got), len(want))
}

// agrees compares the manifest with what readers see.
func agrees(m *load.Manifest, want Content) error {
	if m == nil {
		return nil
	}
	n := 0
	for name, t := range m.Tables {
		for _, f := range t.Files {
			n++
			key := name
			if f.Partition != "" {
				key += " " + f.Partition
			}
			if want[key] != f.Digest {
				return fmt.Errorf("the manifest has %s for %s, readers see %s", f.Digest, key, want[key])
			}
		}
	}
	if n != len(want) {
		return fmt.Errorf("the manifest names %d partitions, readers see %d", n, len(want))
	}
	return nil
}
