package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestScanYieldsAllInOrder(t *testing.T) {
	m := open(t)
	ids := make([]int64, 1000)
	for i := range ids {
		ids[i] = int64(i*3 - 50)
	}
	shuffled := append([]int64(nil), ids...)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	list(t, m, true, shuffled...)
	keep(t, m, 1, `[1]`, 1, day(1))
	for _, size := range []int{0, 1, 7, 1000, 5000} {
		var got []int64
		for block, err := range m.Scan(t.Context(), size) {
			if err != nil || len(block) == 0 || len(block) > max(1, size) {
				t.Fatalf("block of %d, %v", len(block), err)
			}
			for _, p := range block {
				got = append(got, p.ID())
			}
		}
		if len(got) != len(ids) {
			t.Fatalf("%d of %d clients", len(got), len(ids))
		}
		for i := range got {
			if got[i] != ids[i] {
				t.Fatalf("client %d is %d, want %d", i, got[i], ids[i])
			}
		}
	}
}

// TestRowsOfOldMirrors are read where they stand, and are the same once the
// mirror was brought forward.
func TestRowsOfOldMirrors(t *testing.T) {
	const clients = `
INSERT INTO clients (id, hash, first_seen_at, ordinal, row) VALUES (-7, 70, 1, 0, '{"id":-7}'), (9, 90, 1, 1, '{"id":9}'), (11, 0, 1, 2, NULL);
UPDATE clients SET row = CAST(row AS BLOB)`
	for version := 1; version < rowsVersion; version++ {
		path := oldMirror(t, version, clients)
		r, err := OpenReader(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		rowsAre := func(when string, r *Reader) {
			t.Helper()
			var got []string
			packed, err := whole(r.Scan(t.Context(), 10))
			for _, p := range packed {
				got = append(got, fmt.Sprintf("%d %s", p.id, p.row))
			}
			if want := []string{`-7 {"id":-7}`, `9 {"id":9}`, `11 `}; err != nil || !slices.Equal(got, want) {
				t.Errorf("version %d, %s: %q, %v", version, when, got, err)
			}
			if c := get(t, r, 9); string(c.Row) != `{"id":9}` {
				t.Errorf("version %d, %s: client 9 is %s", version, when, c.Row)
			}
		}
		rowsAre("as it is", r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		m, err := Open(t.Context(), path, Options{Run: "r"})
		if err != nil {
			t.Fatal(err)
		}
		rowsAre("brought forward", m.Reader)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestScanEndsABlockByBytes(t *testing.T) {
	m := open(t)
	ids := []int64{1, 2, 3, 4, 5, 6}
	list(t, m, true, ids...)
	noise := make([]byte, blockBytes/2)
	for _, id := range ids {
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		keep(t, m, id, string(noise), 1, day(1))
	}
	blocks := 0
	for block, err := range m.Scan(t.Context(), 100) {
		if err != nil || len(block) > 2 {
			t.Fatalf("block of %d, %v", len(block), err)
		}
		blocks++
	}
	if blocks != 3 {
		t.Errorf("%d blocks", blocks)
	}
}

func TestALargeFeedIsReadAloneAndOnceAdmitted(t *testing.T) {
	m := open(t)
	list(t, m, true, 1, 2, 3, 4)
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	keep(t, m, 2, string(noise), 1, day(1))
	keep(t, m, 3, `[3]`, 1, day(1))
	var b Buffer
	var sizes, admitted []int64
	for block, err := range m.Blocks(t.Context(), 100, func(size int64) error { admitted = append(admitted, size); return nil }) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, int64(len(block)))
		c, err := block[0].Unpack(&b)
		if err != nil || c.ID == 2 && string(c.Feed) != string(noise) || c.ID == 3 && string(c.Feed) != `[3]` {
			t.Errorf("client %d has a feed of %d bytes, %v", c.ID, len(c.Feed), err)
		}
	}
	if want := []int64{1, 1, 2}; !slices.Equal(sizes, want) || len(admitted) != 3 || admitted[1] < int64(len(noise)) {
		t.Errorf("blocks of %d clients, %d bytes; want %d", sizes, admitted, want)
	}
	no := errors.New("no")
	for block, err := range m.Blocks(t.Context(), 100, func(int64) error { return no }) {
		if block != nil || !errors.Is(err, no) {
			t.Errorf("a block of %d, %v", len(block), err)
		}
	}
}

func TestScanSeesOneState(t *testing.T) {
	m := open(t)
	list(t, m, true, 1, 2, 3, 4, 5, 6, 7, 8)
	r, err := OpenReader(t.Context(), m.Path())
	if err != nil {
		t.Fatal(err)
	}
	var b Buffer
	seen := 0
	for block, err := range r.Scan(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 1 {
			for id := range int64(9) {
				keep(t, m, id, `["later"]`, 1, day(2))
			}
			list(t, m, true, 9)
		}
		c, err := block[0].Unpack(&b)
		if err != nil || c.Feed != nil {
			t.Errorf("client %d has the feed %q, %v", c.ID, c.Feed, err)
		}
	}
	if seen != 8 {
		t.Errorf("%d clients", seen)
	}
	if c := get(t, r, 8); string(c.Feed) != `["later"]` {
		t.Errorf("a new question sees %q", c.Feed)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestScanStops(t *testing.T) {
	m := open(t)
	list(t, m, true, 1, 2, 3)
	for _, err := range m.Scan(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("why")
	blocks, last := 0, error(nil)
	for _, err := range m.Scan(ctx, 1) {
		if last = err; err == nil {
			blocks++
			cancel(why)
		}
	}
	if blocks != 1 || !errors.Is(last, why) {
		t.Errorf("%d blocks, %v", blocks, last)
	}
	if m.db.Stats().InUse != 0 {
		t.Error("a connection is still in use")
	}
}

func TestUnpackRefusesADamagedFeed(t *testing.T) {
	p := NewPacker()
	a := answer(t, p, 1, feedText(1, 50), 50, day(1))
	for i := range a.body {
		damaged := bytes.Clone(a.body)
		damaged[i] ^= 0x40
		c, err := (&Packed{id: 1, body: damaged}).Unpack(&Buffer{})
		if err == nil && !bytes.Equal(c.Feed, feedText(1, 50)) {
			t.Fatalf("byte %d: another feed and no error", i)
		}
	}
}

func TestWhatWasUnpackedStaysUntilReset(t *testing.T) {
	p := NewPacker()
	rapid.Check(t, func(t *rapid.T) {
		var b Buffer
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			b.Reset()
			var want, got [][]byte
			for _, n := range rapid.SliceOfN(rapid.IntRange(0, 3<<19), 0, 6).Draw(t, "sizes") {
				body := bytes.Repeat([]byte{byte(n), byte(n >> 8)}, n/2)
				a := &Answer{}
				if err := p.Pack(a, body); err != nil {
					t.Fatal(err)
				}
				c, err := (&Packed{body: a.body}).Unpack(&b)
				if err != nil {
					t.Fatal(err)
				}
				want, got = append(want, body), append(got, c.Feed)
			}
			for i := range want {
				if !bytes.Equal(want[i], got[i]) {
					t.Fatalf("feed %d of %d bytes has changed", i, len(want[i]))
				}
			}
		}
	})
}
