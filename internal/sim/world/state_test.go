package world

import (
	"bytes"
	"slices"
	"testing"
)

func TestANightChangesWhomItTouchesOnly(t *testing.T) {
	before := newWorld(t, 2000, func(c *Config) { c.Whale = false }).State()
	after := before.Night(0.05)
	same, changed, gone, rows := 0, 0, 0, 0
	for _, id := range before.Clients() {
		now, ok := after.Feed(id)
		if !ok {
			gone++
			continue
		}
		then := feedOf(t, before, id)
		differs := !bytes.Equal(AppendFeed(nil, then), AppendFeed(nil, now))
		if differs != (after.Version(id) == 1) {
			t.Fatalf("client %d: version %d, differs %v", id, after.Version(id), differs)
		}
		if !differs {
			same++
			continue
		}
		changed++
		if !bytes.Equal(AppendRow(nil, before.w.Row(then)), AppendRow(nil, after.w.Row(now))) {
			rows++
		}
	}
	if changed < 60 || changed > 140 || gone == 0 || rows == 0 || rows == changed || same == 0 {
		t.Errorf("%d same, %d changed (%d rows), %d gone", same, changed, rows, gone)
	}
	if n := after.next - before.next; n != 20 {
		t.Errorf("%d new clients, want 20", n)
	}
}

func TestNightsAddUpdateAndTakeAway(t *testing.T) {
	before := newWorld(t, 400, func(c *Config) { c.Whale = false }).State()
	after := before.Night(1)
	var fresh, fewer, updated int
	for _, id := range before.Clients() {
		now, ok := after.Feed(id)
		if !ok {
			continue
		}
		then := feedOf(t, before, id)
		ids := map[string]bool{}
		for _, e := range then.Judge().Events {
			ids[e.Table+e.ID] = true
		}
		kept := 0
		for _, e := range now.Judge().Events {
			if ids[e.Table+e.ID] {
				kept++
			} else if e.Item.At >= before.w.nightStart(1) {
				fresh++
			}
			if e.Table == "orders" && e.Item.updated() >= before.w.nightStart(1) {
				updated++
			}
		}
		if kept < len(ids) {
			fewer++
		}
	}
	if fresh == 0 || fewer == 0 || updated == 0 {
		t.Errorf("%d new events, %d feeds that lost one, %d orders changed", fresh, fewer, updated)
	}
}

func TestStatesDoNotShareWhatTheyChange(t *testing.T) {
	s := newWorld(t, 50, nil).State()
	list := slices.Clone(s.live)
	grown, shrunk := s.Grow(3), s.Shrink(5)
	again := shrunk.Grow(2)
	if !slices.Equal(s.live, list) {
		t.Error("the first state's list changed")
	}
	if got := grown.At(0); got != 53 || grown.Total() != 53 {
		t.Errorf("newest of the grown list: %d of %d", got, grown.Total())
	}
	if shrunk.Has(50) || shrunk.Total() != 45 || !s.Has(50) {
		t.Errorf("shrunk to %d, 50 there: %v", shrunk.Total(), shrunk.Has(50))
	}
	if again.At(0) != 52 || again.At(2) != 45 {
		t.Errorf("after shrinking and growing: %d, then %d", again.At(0), again.At(2))
	}
	if f := feedOf(t, grown, 52); f.Client != 52 {
		t.Errorf("feed of client %d", f.Client)
	}
}

func TestNewcomersLiveInTheirNight(t *testing.T) {
	s := newWorld(t, 1000, nil).State().Night(0.1).Night(0.1)
	newest := s.At(0)
	if s.born(newest) != 1 && s.born(newest) != 2 {
		t.Fatalf("born in night %d", s.born(newest))
	}
	for id := int64(1001); id < s.next; id++ {
		f, ok := s.Feed(id)
		if !ok {
			continue
		}
		for i := range f.Items {
			if it := &f.Items[i]; it.Broken == "" && it.At < s.w.nightStart(s.born(id)) {
				t.Fatalf("client %d of night %d: an event at %s", id, s.born(id), SQLTime(it.At))
			}
		}
	}
}

func TestAVanishedClientHasNoFeed(t *testing.T) {
	s := newWorld(t, 2000, nil).State().Night(1)
	if len(s.gone) == 0 {
		t.Fatal("nobody vanished")
	}
	for id := range s.gone {
		if _, ok := s.Feed(id); ok || slices.Contains(s.Clients(), id) {
			t.Errorf("client %d is there", id)
		}
	}
}
