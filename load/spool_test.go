package load_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"pgregory.net/rapid"

	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func must[T any](t fataler) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%v", err)
		}
		return v
	}
}

// spill puts batches of one table through a spool.
func spill(t fataler, dir string, id schemas.ID, batches ...arrow.Record) (*load.Spool, *load.Snapshot) {
	t.Helper()
	s := must[*load.Spool](t)(load.NewSpool(dir))
	for _, b := range batches {
		e := must[*load.Encoded](t)(s.Encode(id, b))
		if e.Rows() != b.NumRows() {
			t.Fatalf("%d rows were encoded, not %d", e.Rows(), b.NumRows())
		}
		if err := s.Append(e); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return s, must[*load.Snapshot](t)(s.Seal())
}

func TestRowsSurviveTheSpool(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		id := schemas.ID(rapid.IntRange(0, schemas.NumTables-1).Draw(t, "table"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rows := rapid.IntRange(0, 50).Draw(t, "rows")
		batch := loadtest.Batch(mem, schemas.Get(id), rng, rows)
		defer batch.Release()
		s, n := spill(t, dir, id, batch)
		defer s.Close()

		got := int64(0)
		for _, p := range n.Partitions() {
			at := int64(0)
			for rec, err := range n.Records(context.Background(), mem, p) {
				if err != nil {
					t.Fatalf("%v", err)
				}
				checkRows(t, batch, rec, p.Month)
				at += rec.NumRows()
				rec.Release()
			}
			if at != p.Rows {
				t.Fatalf("%s has %d rows, gave %d", p, p.Rows, at)
			}
			got += at
		}
		if got != int64(rows) {
			t.Fatalf("%d rows of %d came back", got, rows)
		}
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// checkRows compares rec with those rows of batch that are of the month, in their order.
func checkRows(t fataler, batch, rec arrow.Record, month string) {
	t.Helper()
	at, j := batch.Schema().FieldIndices("occurred_at"), int64(0)
	for i := range batch.NumRows() {
		if month != "" && batch.Column(at[0]).(*array.Timestamp).Value(int(i)).ToTime(arrow.Millisecond).Format("2006-01") != month {
			continue
		}
		want, got := batch.NewSlice(i, i+1), rec.NewSlice(j, j+1)
		if !array.RecordEqual(want, got) {
			t.Fatalf("row %d\n got %v\nwant %v", i, got, want)
		}
		want.Release()
		got.Release()
		j++
	}
}

func TestDigestIgnoresOrderAndBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		id := schemas.ID(rapid.IntRange(0, schemas.NumTables-1).Draw(t, "table"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rows := rapid.IntRange(2, 50).Draw(t, "rows")
		cut := rapid.Int64Range(1, int64(rows)-1).Draw(t, "cut")
		batch := loadtest.Batch(mem, schemas.Get(id), rng, rows)
		defer batch.Release()
		a, b := batch.NewSlice(0, cut), batch.NewSlice(cut, int64(rows))
		defer a.Release()
		defer b.Release()

		one, n := spill(t, "", id, batch)
		defer one.Close()
		two, m := spill(t, "", id, b, a)
		defer two.Close()
		want, got := n.Partitions(), m.Partitions()
		if len(want) != len(got) {
			t.Fatalf("%d partitions, then %d", len(want), len(got))
		}
		for i := range want {
			if want[i] != got[i] {
				t.Fatalf("%v %s, then %v %s", want[i], want[i].Digest, got[i], got[i].Digest)
			}
		}
	})
}

func TestASpoolRemovesThoseOfDeadRuns(t *testing.T) {
	dir := t.TempDir()
	dead := ".spool-0123456789abcdef0123456789abcdef"
	others := []string{".spool-0123456789abcdef0123456789abcdeg", ".spool-123", ".spool-notes", "mirror.db"}
	for _, name := range append(others, dead) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("mirror.db", filepath.Join(dir, ".spool-"+strings.Repeat("a", 32))); err != nil {
		t.Fatal(err)
	}
	s, err := load.NewSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != len(others)+1 {
		t.Errorf("there are %v: %v", left, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, dead)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", dead, err)
	}
}
