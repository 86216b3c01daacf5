package load

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"pgregory.net/rapid"

	"roistat-etl/schemas"
)

// contacts makes a batch of campaign contacts with the given names.
func contacts(mem memory.Allocator, names ...string) arrow.Record {
	b := array.NewRecordBuilder(mem, schemas.Get(schemas.CampaignContacts).Arrow())
	defer b.Release()
	for i, name := range names {
		for _, f := range []int{0, 3} {
			b.Field(f).(*array.StringBuilder).Append("1")
		}
		for _, f := range []int{1, 4} {
			b.Field(f).(*array.Int64Builder).Append(int64(i))
		}
		b.Field(2).(*array.StringBuilder).Append(name)
	}
	return b.NewRecord()
}

// visits makes a batch of visits at the given times.
func visits(mem memory.Allocator, times ...time.Time) arrow.Record {
	t := schemas.Get(schemas.Visits)
	b := array.NewRecordBuilder(mem, t.Arrow())
	defer b.Release()
	for n, at := range times {
		for i, c := range t.Columns {
			switch f := b.Field(i).(type) {
			case *array.TimestampBuilder:
				f.Append(arrow.Timestamp(at.UnixMilli()))
			case *array.Int64Builder:
				f.Append(int64(n))
			case *array.StringBuilder:
				f.Append("x")
			default:
				if !c.Nullable {
					panic(c.Name)
				}
				f.AppendNull()
			}
		}
	}
	return b.NewRecord()
}

func appendTo(t *testing.T, s *Spool, id schemas.ID, rec arrow.Record) error {
	t.Helper()
	defer rec.Release()
	e, err := s.Encode(id, rec)
	if err != nil {
		t.Fatal(err)
	}
	return s.Append(e)
}

func small(t *testing.T, pages int) *Spool {
	t.Helper()
	s, err := newSpool(t.TempDir(), pages)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// names reads the contacts back.
func names(t *testing.T, mem memory.Allocator, n *Snapshot) (out []string) {
	t.Helper()
	for rec, err := range n.Records(context.Background(), mem, Partition{Table: schemas.CampaignContacts}) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			out = append(out, strings.Clone(rec.Column(2).(*array.String).Value(i)))
		}
		rec.Release()
	}
	return out
}

// A row may be larger than a page, the read buffer and the whole budget.
func TestRowsOfAnySizeSurviveASmallBudget(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	s := small(t, 3)
	var want []string
	for i, size := range []int{1, pageSize, 10 * pageSize, 0, readBuffer - 40, readBuffer, 3 * readBuffer, 1 << 20, 7} {
		name := strings.Repeat(string(rune('a'+i)), size)
		want = append(want, name)
		if err := appendTo(t, s, schemas.CampaignContacts, contacts(mem, name)); err != nil {
			t.Fatal(err)
		}
		if err := appendTo(t, s, schemas.Visits, visits(mem, time.Unix(int64(i)*86400*31, 0))); err != nil {
			t.Fatal(err)
		}
		if s.pages > 3 {
			t.Fatalf("%d pages are in use, the budget is 3", s.pages)
		}
	}
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, mem, n); !slices.Equal(got, want) {
		t.Errorf("%d rows came back otherwise", len(got))
	}
	if p := n.Partitions(); len(p) != schemas.NumTables-1+9 {
		t.Errorf("%d partitions: %v", len(p), p)
	}
}

// More partitions than pages: each row evicts another one's page.
func TestMorePartitionsThanPages(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	s := small(t, 2)
	first := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for round := range 3 {
		for m := range 40 {
			if err := appendTo(t, s, schemas.Visits, visits(mem, first.AddDate(0, m, round))); err != nil {
				t.Fatal(err)
			}
		}
	}
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range n.Partitions()[:40] {
		if want := first.AddDate(0, i, 0).Format("2006-01"); p.Month != want || p.Rows != 3 {
			t.Errorf("partition %d: %s with %d rows, want %s with 3", i, p, p.Rows, want)
		}
		checkDays(t, n, mem, p)
	}
}

// checkDays checks that the rows came in the order of their rounds.
func checkDays(t *testing.T, n *Snapshot, mem memory.Allocator, p Partition) {
	t.Helper()
	day := 1
	for rec, err := range n.Records(context.Background(), mem, p) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			if got := rec.Column(3).(*array.Timestamp).Value(i).ToTime(arrow.Millisecond).Day(); got != day {
				t.Errorf("%s: day %d at place %d", p, got, day)
			}
			day++
		}
		rec.Release()
	}
}

func TestBatchesAreBounded(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	s := small(t, 64)
	long := strings.Repeat("x", 1<<20)
	for range 20 {
		if err := appendTo(t, s, schemas.CampaignContacts, contacts(mem, long)); err != nil {
			t.Fatal(err)
		}
	}
	if err := appendTo(t, s, schemas.CampaignContacts, contacts(mem, make([]string, maxBatchRows+1)...)); err != nil {
		t.Fatal(err)
	}
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for rec, err := range n.Records(context.Background(), mem, Partition{Table: schemas.CampaignContacts}) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, rec.NumRows())
		rec.Release()
	}
	if want := []int64{8, 8, maxBatchRows, 5}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %d rows, want %d", sizes, want)
	}
}

func TestAFullDiskEndsTheSpool(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	s := small(t, 2)
	readOnly, err := os.Open(s.file.Name())
	if err == nil {
		t.Fatalf("the file has a name: %s", readOnly.Name())
	}
	s.out.Reset(full{})
	long := strings.Repeat("x", 4*writeBuffer)
	first := appendTo(t, s, schemas.CampaignContacts, contacts(mem, long))
	if !errors.Is(first, errFull) {
		t.Fatalf("the disk is full, Append says: %v", first)
	}
	if err := appendTo(t, s, schemas.CampaignContacts, contacts(mem, "a")); !errors.Is(err, errFull) {
		t.Errorf("Append went on: %v", err)
	}
	if _, err := s.Seal(); !errors.Is(err, errFull) {
		t.Errorf("Seal hides it: %v", err)
	}
}

var errFull = errors.New("no space left")

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestAFullDiskFailsTheSeal(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	s := small(t, 1)
	s.out.Reset(full{})
	for range 2 {
		if err := appendTo(t, s, schemas.CampaignContacts, contacts(mem, strings.Repeat("x", pageSize))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Seal(); !errors.Is(err, errFull) {
		t.Errorf("Seal hides it: %v", err)
	}
}

func TestDamagedSpoolIsFound(t *testing.T) {
	damage := map[string]func(p *part){
		"cut off":         func(p *part) { p.pages[0] = p.pages[0][:len(p.pages[0])-1] },
		"a length":        func(p *part) { p.pages[0][0]++ },
		"a huge length":   func(p *part) { copy(p.pages[0], "\xff\xff\xff\xff") },
		"something after": func(p *part) { p.pages[0] = append(p.pages[0], 0) },
		"a lost row":      func(p *part) { p.sum.Rows++ },
		"a text's length": func(p *part) { p.pages[0][frame] = 0xff },
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			s := small(t, 2)
			if err := appendTo(t, s, schemas.CampaignContacts, contacts(mem, "a", "b")); err != nil {
				t.Fatal(err)
			}
			n, err := s.Seal()
			if err != nil {
				t.Fatal(err)
			}
			do(n.parts[partKey{schemas.CampaignContacts, whole}])
			var found error
			for rec, err := range n.Records(context.Background(), mem, Partition{Table: schemas.CampaignContacts}) {
				if found = err; rec != nil {
					rec.Release()
				}
			}
			if found == nil {
				t.Error("nobody noticed")
			}
		})
	}
}

func TestRecordsStop(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	s := small(t, 64)
	if err := appendTo(t, s, schemas.CampaignContacts, contacts(mem, make([]string, 3*maxBatchRows)...)); err != nil {
		t.Fatal(err)
	}
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	p := Partition{Table: schemas.CampaignContacts}
	for rec, err := range n.Records(context.Background(), mem, p) {
		if err != nil {
			t.Fatal(err)
		}
		rec.Release()
		break
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	batches := 0
	var last error
	for rec, err := range n.Records(ctx, mem, p) {
		if last = err; rec != nil {
			batches++
			rec.Release()
		}
		cancel()
	}
	if batches != 1 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d batches, then %v", batches, last)
	}
}

func TestUnknownPartitions(t *testing.T) {
	s := small(t, 1)
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Partition{{Table: schemas.Visits, Month: "2025-01"}, {Table: schemas.Visits, Month: "x"}, {Table: schemas.Clients, Rows: 1}} {
		got := error(nil)
		for _, err := range n.Records(context.Background(), memory.NewGoAllocator(), p) {
			got = err
		}
		if got == nil {
			t.Errorf("%+v was found", p)
		}
	}
	for _, p := range n.Partitions() {
		if p.Rows != 0 || p.Digest != (Digest{}) || (p.Month == NoMonth) != p.Table.IsEvents() {
			t.Errorf("%+v", p)
		}
		for _, err := range n.Records(context.Background(), memory.NewGoAllocator(), p) {
			t.Errorf("%s gives something: %v", p, err)
		}
	}
}

func TestASealedSpoolTakesNothing(t *testing.T) {
	mem := memory.NewGoAllocator()
	s := small(t, 1)
	if _, err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	if err := appendTo(t, s, schemas.CampaignContacts, contacts(mem, "a")); !errors.Is(err, errSealed) {
		t.Errorf("Append: %v", err)
	}
	if _, err := s.Seal(); !errors.Is(err, errSealed) {
		t.Errorf("Seal: %v", err)
	}
}

func TestMonths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c calendar
		for range 5 {
			ms := rapid.Int64Range(-62135596800000, 253402300799999).Draw(t, "ms")
			m, err := c.of(ms)
			if err != nil {
				t.Fatal(err)
			}
			if want := time.UnixMilli(ms).UTC().Format("2006-01"); m.String() != want {
				t.Fatalf("%d ms is in %s, not %s", ms, want, m)
			}
			if back, err := parseMonth(m.String()); err != nil || back != m {
				t.Fatalf("%s is read as %s: %v", m, back, err)
			}
		}
	})
	for _, ms := range []int64{-62135596800001, 253402300800000, math.MaxInt64, math.MinInt64} {
		if m, err := (&calendar{}).of(ms); err == nil {
			t.Errorf("%d ms is in %s", ms, m)
		}
	}
}
