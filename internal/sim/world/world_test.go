package world

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
)

func TestSameSeedSameBytesInAnyOrder(t *testing.T) {
	one, two := newWorld(t, 300, nil).State().Night(0.5), newWorld(t, 300, nil).State().Night(0.5)
	ids := one.Clients()
	want := map[int64][]byte{}
	for _, id := range ids {
		want[id] = AppendFeed(nil, feedOf(t, one, id))
	}
	for _, n := range rand.New(rand.NewPCG(1, 2)).Perm(len(ids)) {
		id := ids[n]
		_ = two.Row(n) // a row in between must not matter
		if got := AppendFeed(nil, feedOf(t, two, id)); !bytes.Equal(got, want[id]) {
			t.Fatalf("client %d: another feed", id)
		}
	}
	other := newWorld(t, 300, func(c *Config) { c.Seed = 2 }).State()
	if bytes.Equal(AppendFeed(nil, feedOf(t, other, 9)), AppendFeed(nil, feedOf(t, newWorld(t, 300, nil).State(), 9))) {
		t.Error("another seed made the same feed")
	}
}

func TestAFeedDoesNotDependOnTheNumberOfClients(t *testing.T) {
	small, large := newWorld(t, 50, nil).State(), newWorld(t, 5000, nil).State()
	if !bytes.Equal(AppendFeed(nil, feedOf(t, small, 42)), AppendFeed(nil, feedOf(t, large, 42))) {
		t.Error("client 42 differs")
	}
}

func TestAverages(t *testing.T) {
	s := newWorld(t, 8000, func(c *Config) { c.Whale = false }).State()
	var items, size, empty, most float64
	months := map[string]int{}
	for _, id := range s.Clients() {
		f := feedOf(t, s, id)
		items += float64(len(f.Items))
		size += float64(len(AppendFeed(nil, f)))
		most = max(most, float64(len(f.Items)))
		if len(f.Items) == 0 {
			empty++
		}
		for i := range f.Items {
			months[string(appendTime(nil, f.Items[i].At, Plain)[:7])]++
		}
	}
	n := float64(len(s.Clients()))
	if avg := items / n; math.Abs(avg-19.3) > 1 {
		t.Errorf("%.2f items a feed, want about 19.3", avg)
	}
	if avg := size / n; math.Abs(avg-5700) > 400 {
		t.Errorf("%.0f bytes a feed, want about 5,700", avg)
	}
	if most < 400 || empty < n/100 {
		t.Errorf("the largest feed has %.0f items, %.0f are empty: no heavy tail", most, empty)
	}
	for m := range 12 {
		key := endOfHistory().AddDate(0, -1-m, 0).Format("2006-01")
		if months[key] < 500 {
			t.Errorf("month %s has %d events", key, months[key])
		}
	}
}

func TestWhaleHasTwentyThousandItems(t *testing.T) {
	w := newWorld(t, 100, nil)
	if n := len(feedOf(t, w.State(), w.whale()).Items); n != WhaleItems {
		t.Errorf("%d items", n)
	}
	calm := newWorld(t, 100, func(c *Config) { c.Whale = false }).State()
	if n := len(feedOf(t, calm, w.whale()).Items); n > mostItems {
		t.Errorf("%d items without a whale", n)
	}
}

func TestEveryAnswerIsJSON(t *testing.T) {
	s := newWorld(t, 500, nil).State().Night(0.5)
	for _, id := range s.Clients() {
		if body := AppendFeed(nil, feedOf(t, s, id)); !json.Valid(body) {
			t.Fatalf("client %d: %s", id, body)
		}
	}
	for n := range s.Listed() {
		if row := AppendRow(nil, s.Row(n)); !json.Valid(row) {
			t.Fatalf("row %d: %s", n, row)
		}
	}
}

func TestPlainWorldHasNothingToReject(t *testing.T) {
	s := newWorld(t, 500, func(c *Config) { c.Plain = true }).State()
	err := s.Truth(func(table string, row []byte) error {
		if table == "rejects" || table == OtherEvents {
			t.Errorf("%s: %s", table, row)
		}
		return nil
	})
	if err != nil || s.Listed() != s.Total() {
		t.Errorf("%v; %d rows of %d clients", err, s.Listed(), s.Total())
	}
	for _, id := range s.Clients() {
		if body := AppendFeed(nil, feedOf(t, s, id)); bytes.Contains(body, []byte(`\u0`)) || bytes.Contains(body, []byte("+0300")) {
			t.Fatalf("client %d has quirks: %s", id, body)
		}
	}
}

func TestLawOfConservation(t *testing.T) {
	s := newWorld(t, 1000, nil).State().Night(0.5)
	for _, id := range s.Clients() {
		f := feedOf(t, s, id)
		v := f.Judge()
		whole := 0
		for _, r := range v.Rejects {
			if r.Field == "" {
				whole++
			}
		}
		if len(v.Events)+whole != len(f.Items) {
			t.Fatalf("client %d: %d items, %d events, %d rejects", id, len(f.Items), len(v.Events), whole)
		}
	}
}

func TestEventIDsAreUnique(t *testing.T) {
	s := newWorld(t, 500, nil).State()
	for _, id := range s.Clients() {
		seen := map[string]bool{}
		for _, e := range feedOf(t, s, id).Judge().Events {
			if seen[e.Table+e.ID] {
				t.Fatalf("client %d: %s %s twice", id, e.Table, e.ID)
			}
			seen[e.Table+e.ID] = true
		}
	}
}

func TestNewRefusesImpossibleWorlds(t *testing.T) {
	for name, cfg := range map[string]Config{
		"clients below zero": {Clients: -1, Months: 1}, "too many clients": {Clients: maxClients + 1, Months: 1},
		"no month": {Clients: 1}, "too many months": {Clients: 1, Months: maxMonths + 1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
