package main

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

// everyTable are batches of all tables, with every type and null.
func everyTable(t *testing.T) *batches {
	t.Helper()
	s, err := load.NewSpool("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	mem := memory.NewGoAllocator()
	for _, table := range schemas.Tables() {
		rec := loadtest.Plain(mem, table, rand.New(rand.NewPCG(1, uint64(table.ID))), 50)
		e, err := s.Encode(table.ID, rec)
		rec.Release()
		if err == nil {
			err = s.Append(e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	b := &batches{
		run: load.Run{Run: "20260726T010203Z-1a2b3c", Mirror: "m"}, parts: n.Partitions(),
		of: map[load.Partition][]arrow.Record{}, server: strconv.Itoa(os.Getpid()),
	}
	for _, p := range b.parts {
		for rec, err := range n.Records(t.Context(), mem, p) {
			if err != nil {
				t.Fatal(err)
			}
			b.of[p] = append(b.of[p], rec)
		}
	}
	return b
}

// The two ways that are compared bring the same rows, and a row more is seen.
func TestBothWaysBringTheSame(t *testing.T) {
	server := clickhousetest.Shared(t)
	s := &clickhouseServer{&service{at: []string{server.Native, server.HTTP}}}
	b := everyTable(t)
	ours, theirs := server.Database(t), server.Database(t)
	did, err := b.ours(t.Context(), s.native(), ours)
	if err != nil || did.Rows != 50*int64(len(schemas.Tables())) || did.Seconds <= 0 {
		t.Fatalf("%+v, %v", did, err)
	}
	if err := s.empty(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	if did, err = b.columns(t.Context(), s.native(), theirs); err != nil || did.Convert <= 0 {
		t.Fatalf("%+v, %v", did, err)
	}
	here, err := s.contents(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	there, err := s.contents(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}
	if len(here) < len(schemas.Tables()) || !maps.Equal(here, there) {
		t.Errorf("\n%v\n%v", here, there)
	}
	if _, err := s.query(t.Context(), "INSERT INTO %[1]s.orders SELECT * FROM %[1]s.orders LIMIT 1", theirs); err != nil {
		t.Fatal(err)
	}
	if there, err = s.contents(t.Context(), theirs); err != nil || maps.Equal(here, there) {
		t.Errorf("a row more is not seen: %v", err)
	}
}

// The server's CPU is read from the kernel, which counts it in hundredths of a
// second; here the server is this process, which knows its own better.
func TestTimedCountsTheServersCPU(t *testing.T) {
	b := &batches{parts: []load.Partition{{Rows: 7}}, server: strconv.Itoa(os.Getpid())}
	did, err := b.timed(t.Context(), func(context.Context, load.Partition) error {
		for start := cpu(); cpu()-start < 100*time.Millisecond; {
		}
		return nil
	})
	if err != nil || did.Rows != 7 || did.Seconds <= 0 || did.CPU < 0.1 || did.Server < did.CPU-0.03 || did.Server > 2*did.CPU {
		t.Errorf("%+v, %v", did, err)
	}
	b.server = "none"
	if _, err := b.timed(t.Context(), nil); err == nil {
		t.Error("no such process: no error")
	}
}

func TestInsertCommandWantsItsArguments(t *testing.T) {
	for _, args := range [][]string{{}, {"ours"}, {"rows", "a", "b", "c", "1"}} {
		if err := insertCommand(t.Context(), args, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "usage") {
			t.Errorf("%q: %v", args, err)
		}
	}
	if err := insertCommand(t.Context(), []string{"ours", "a", "b", t.TempDir(), "1"}, &strings.Builder{}); err == nil {
		t.Error("a folder without a snapshot: no error")
	}
}

func TestClickHouseTexts(t *testing.T) {
	p := &publishing{world: world{clients: 5}, rows: 2000, inserts: 3, ratio: series{1.2}, bare: series{1}, cpu: series{3}, both: series{1.1}}
	p.ours.add(inserted{Seconds: 2})
	p.theirs.add(inserted{Seconds: 2.4})
	if text := insertText([]*publishing{p}); !strings.Contains(text, "| 5 | 2000 | 3 | roistat-etl | 2.00 (2.00–2.00) | 1 |") ||
		!strings.Contains(text, "Goal 1 or more: met; 1.5 is aimed at: **missed**") {
		t.Error(text)
	}
	p.run.rss = series{301}
	if text := publishText([]*publishing{p}); !strings.Contains(text, "whatever the size: **missed**") {
		t.Error(text)
	}
	r := &readers{questions: []*question{{name: "q", ratio: series{2.9}}}}
	if text := r.text(); !strings.Contains(text, "goal 3 times or more: **missed**") {
		t.Error(text)
	}
}
