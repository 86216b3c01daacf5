package world

import (
	"slices"
	"testing"
)

// TestTheTruthOfEachIsTheTruthOfAll compares the rows asked for one by one with
// those of the whole state, whose rejects of rows alone count elsewhere.
func TestTheTruthOfEachIsTheTruthOfAll(t *testing.T) {
	w, err := New(Config{Seed: 4, Clients: 300, Months: 3, Project: "12345"})
	if err != nil {
		t.Fatal(err)
	}
	s := w.State().Night(0.3)
	var all, each []string
	take := func(to *[]string) RowFunc {
		return func(table string, row []byte) error {
			if table != "rejects" {
				*to = append(*to, table+string(row))
			}
			return nil
		}
	}
	if err := s.Truth(take(&all)); err != nil {
		t.Fatal(err)
	}
	for _, id := range s.Clients() {
		if err := s.TruthOf(id, take(&each)); err != nil {
			t.Fatal(err)
		}
	}
	for c := 1; c <= Campaigns; c++ {
		if err := w.CampaignTruth(c, nil, take(&each)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(all, each) {
		t.Errorf("%d rows one by one, %d in all", len(each), len(all))
	}
	if err := s.TruthOf(1_000_000, func(table string, _ []byte) error { t.Error(table); return nil }); err != nil {
		t.Error(err)
	}
}
