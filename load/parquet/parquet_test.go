package parquet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"

	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// spill puts one batch of rows of each table through a spool.
func spill(t *testing.T, mem memory.Allocator, seed uint64, rows int) *load.Snapshot {
	t.Helper()
	s, err := load.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, table := range schemas.Tables() {
		batch := loadtest.Batch(mem, table, seeded(seed), rows)
		e, err := s.Encode(table.ID, batch)
		batch.Release()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func run(i int) load.Run {
	return load.Run{Run: fmt.Sprintf("20260726T0102%02dZ-1a2b3c", i), Pipeline: "demo", Project: "1", Mirror: "m", LiveClients: 7}
}

func newDestination(t *testing.T, o Options) *Destination {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "tables")
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPublishesAndVerifies(t *testing.T) {
	for _, codec := range []string{"zstd", "snappy", "gzip", "none"} {
		t.Run(codec, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			d := newDestination(t, Options{Compression: codec})
			n := spill(t, mem, 1, 300)
			out, err := load.Publish(context.Background(), []load.Destination{d}, run(1), n, 2)
			if err != nil || out[0].State != load.Published || out[0].Run != run(1).Run {
				t.Fatalf("%+v: %v", out, err)
			}
			seen := 0
			err = Verify(context.Background(), d.root, func(r load.Finding) error {
				seen++
				if !r.OK {
					t.Errorf("%+v", r)
				}
				return nil
			})
			if err != nil || seen != len(n.Partitions()) {
				t.Errorf("%d results: %v", seen, err)
			}
		})
	}
}
