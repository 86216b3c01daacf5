package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

// blockOf is a block of hostile rows of the seeds.
func blockOf(t *testing.T, table *schemas.Table, rows int, seeds ...uint64) *block {
	t.Helper()
	b := newBlock(table)
	for _, seed := range seeds {
		rec := loadtest.Batch(memory.NewGoAllocator(), table, rand.New(rand.NewPCG(seed, 1)), rows)
		err := b.add(rec)
		rec.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestJoinedBlocks are, byte for byte, the block of all their rows.
func TestJoinedBlocks(t *testing.T) {
	for _, table := range schemas.Tables() {
		want, got := blockOf(t, table, 40, 1, 2, 3), newBlock(table)
		for seed := range uint64(3) {
			got.join(blockOf(t, table, 40, seed+1))
		}
		if got.rows != want.rows || got.size() != want.size() {
			t.Errorf("%s: %d rows in %d bytes, should be %d in %d", table.Name, got.rows, got.size(), want.rows, want.size())
		}
		for i, c := range got.columns {
			var a, b bytes.Buffer
			c.each(func(p []byte) { a.Write(p) })
			want.columns[i].each(func(p []byte) { b.Write(p) })
			if !bytes.Equal(a.Bytes(), b.Bytes()) || c.rows != want.columns[i].rows {
				t.Errorf("%s: %s differs", table.Name, want.names[i])
			}
		}
	}
}

// TestWhatWaitsIsBounded counts the partitions and bytes that wait for others.
func TestWhatWaitsIsBounded(t *testing.T) {
	l := newLoader(t.Context(), nil)
	defer l.stop(nil)
	tables := schemas.Tables()
	parts := map[string]int{}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		table := tables[rng.IntN(len(tables))]
		b := blockOf(t, table, 1+rng.IntN(200), rng.Uint64())
		parts[table.Name]++
		due := l.wait(table, table.Name, b)
		if due != nil {
			if parts[due.into] -= due.parts; due.parts > maxTogether || due.block.rows == 0 {
				t.Fatalf("%d partitions, %d rows", due.parts, due.block.rows)
			}
		}
		size := 0
		for name, s := range l.shared {
			if size += s.block.size(); s.parts != parts[name] || s.parts >= maxTogether {
				t.Fatalf("%s: %d partitions wait, should be %d", name, s.parts, parts[name])
			}
		}
		if size > maxWaiting {
			t.Fatalf("%d bytes wait", size)
		}
	}
}

// TestManySmallPartitions publishes more of them than a block may have.
func TestManySmallPartitions(t *testing.T) {
	p := newPlace(t)
	n := seal(t, func(s *load.Spool) {
		for _, table := range schemas.Tables() {
			for month := range 2*maxTogether + 7 {
				if table.Partition != schemas.Monthly || table.ID > schemas.Orders {
					break
				}
				spill(t, s, table, loadtest.Month(memory.NewGoAllocator(), table, rand.New(rand.NewPCG(uint64(month), 3)), 3, month))
			}
		}
	})
	outcomes, err := publish(t, p.Destination, run(1), n)
	must(t, outcomes, err)
	p.shows(t, run(1), n)
}

// TestPartOfABlockCountsOnce sends a block of several partitions of which one came
// to the server before, as when it dies after the first.
func TestPartOfABlockCountsOnce(t *testing.T) {
	p := newPlace(t)
	if err := p.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := schemas.Get(schemas.Visits)
	if err := p.exec(t.Context(), table.DDL("visits__next_x", "[test]")); err != nil {
		t.Fatal(err)
	}
	months := func(list ...int) *block {
		b := newBlock(table)
		for _, m := range list {
			rec := loadtest.Month(memory.NewGoAllocator(), table, rand.New(rand.NewPCG(uint64(m), 3)), 5, m)
			if err := b.add(rec); err != nil {
				t.Fatal(err)
			}
			rec.Release()
		}
		return b
	}
	for _, b := range []*block{months(2), months(1, 2, 3), months(1, 2, 3)} {
		l := newLoader(t.Context(), p.Destination)
		err := l.send(t.Context(), &shared{table: table, into: "visits__next_x", block: b, parts: 3})
		if err != nil {
			t.Fatal(err)
		}
		l.stop(nil)
	}
	if got := p.query(t, "SELECT count(), uniq(_partition_id), uniqExact(event_id) FROM %s.visits__next_x", p.name); got != "15\t3\t15\n" {
		t.Errorf("%q", got)
	}
}

// TestFailedSendingEndsTheWriting breaks what is sent in the background.
func TestFailedSendingEndsTheWriting(t *testing.T) {
	p := newPlace(t)
	proxy := clickhousetest.StartProxy(t, p.server.Native)
	broken := through(t, proxy, p.name)
	proxy.Set(clickhousetest.Fault{Action: clickhousetest.Cut, Match: "INSERT INTO `orders__next_", Always: true})
	outcomes, err := publish(t, broken, run(1), world(t, 1, 30))
	if err == nil || outcomes[0].State != load.Failed || !strings.Contains(err.Error(), "small partitions of orders: insert block 0") {
		t.Fatalf("%+v: %v", outcomes, err)
	}
	outcomes, err = publish(t, p.Destination, run(2), world(t, 1, 30))
	must(t, outcomes, err)
	p.shows(t, run(2), world(t, 1, 30))
}

// TestStopEndsTheSending stops while a block waits for its answer.
func TestStopEndsTheSending(t *testing.T) {
	p := newPlace(t)
	proxy := clickhousetest.StartProxy(t, p.server.Native)
	d := through(t, proxy, p.name)
	n := world(t, 1, 8)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("told to stop")
	proxy.Set(clickhousetest.Fault{Action: clickhousetest.Stall, Match: "INSERT INTO `orders__next_", Do: func() { cancel(why) }})
	outcomes, err := load.Publish(ctx, []load.Destination{d}, run(1), n, 2)
	if !errors.Is(err, why) || outcomes[0].State == load.Published {
		t.Errorf("%+v: %v", outcomes, err)
	}
	proxy.Set(clickhousetest.Fault{})
	outcomes, err = publish(t, p.Destination, run(2), n)
	must(t, outcomes, err)
	p.shows(t, run(2), n)
}
