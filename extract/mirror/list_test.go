package mirror

import (
	"fmt"
	"testing"

	"roistat-etl/schemas"
)

func TestGoneAfterTwoCompleteLists(t *testing.T) {
	m := open(t)
	steps := []struct {
		name     string
		complete bool
		ids      []int64
		gone     int64
		live     int64
	}{
		{"all", true, []int64{1, 2, 3}, 0, 3},
		{"one is missing", true, []int64{1, 2}, 0, 3},
		{"an incomplete list tells nothing", false, []int64{1}, 0, 3},
		{"missing again", true, []int64{1, 2}, 1, 2},
		{"it stays gone", true, []int64{1, 2}, 0, 2},
		{"it comes back", true, []int64{3}, 0, 3},
		{"two are missing for the second time", true, []int64{3}, 2, 1},
	}
	for _, s := range steps {
		_, gone := list(t, m, s.complete, s.ids...)
		st, err := m.Stats(t.Context(), day(1))
		if err != nil || gone != s.gone || st.Live != s.live {
			t.Errorf("%s: %d gone, %d live, want %d and %d, %v", s.name, gone, st.Live, s.gone, s.live, err)
		}
	}
}

func TestOtherFiltersForgetWhoWasMissed(t *testing.T) {
	m := open(t)
	filters := func(f string, ids ...int64) int64 {
		t.Helper()
		if err := m.BeginList(t.Context()); err != nil {
			t.Fatal(err)
		}
		var p Page
		for _, id := range ids {
			p.Rows = append(p.Rows, Row{ID: id, Raw: fmt.Append(nil, id)})
		}
		if _, err := m.AddPage(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		gone, err := m.FinishList(t.Context(), true, f, day(1))
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	got := []int64{filters("a", 1, 2), filters("a", 1), filters("b", 1), filters("b", 1), filters("b", 1)}
	if want := []int64{0, 0, 0, 1, 0}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("gone %v, want %v", got, want)
	}
}

func TestPagesCount(t *testing.T) {
	m := open(t)
	if l, _ := list(t, m, true, 1, 2, 2); l != (Listed{Fresh: 2, New: 2}) {
		t.Errorf("first list: %+v", l)
	}
	before := get(t, m.Reader, 2)
	if l, _ := list(t, m, true, 3, 2, 1); l != (Listed{Fresh: 3, New: 1}) {
		t.Errorf("second list: %+v", l)
	}
	if after := get(t, m.Reader, 2); after.Ordinal != before.Ordinal || before.Ordinal != 1 {
		t.Errorf("a row that has not changed is written: place %d, then %d", before.Ordinal, after.Ordinal)
	}
	if err := m.BeginList(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := m.AddPage(t.Context(), Page{Rows: []Row{{ID: 2, Ordinal: 7, Raw: []byte(`{"id":"2"}`)}}, At: day(5)})
	if err != nil || l != (Listed{Fresh: 1, Changed: 1}) {
		t.Errorf("changed row: %+v, %v", l, err)
	}
	c := get(t, m.Reader, 2)
	if string(c.Row) != `{"id":"2"}` || c.Ordinal != 7 || !c.FirstSeenAt.Equal(before.FirstSeenAt) {
		t.Errorf("changed row: %+v", c)
	}
}

func TestUnlistedIsThatOfTheLastFinishedList(t *testing.T) {
	m := open(t)
	show := func(finish bool, raws ...string) {
		t.Helper()
		if err := m.BeginList(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := Page{State: "half way"}
		for i, raw := range raws {
			p.Unlisted = append(p.Unlisted, schemas.Unlisted{Ordinal: int64(i), Raw: []byte(raw)})
		}
		if _, err := m.AddPage(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if !finish {
			return
		}
		if _, err := m.FinishList(t.Context(), false, "", day(1)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(raws ...string) {
		t.Helper()
		got, err := whole(m.Unlisted(t.Context()))
		if err != nil || len(got) != len(raws) {
			t.Fatalf("got %v, %v", got, err)
		}
		for i := range got {
			if string(got[i].Raw) != raws[i] || got[i].Ordinal != int64(i) {
				t.Errorf("got %d %s", got[i].Ordinal, got[i].Raw)
			}
		}
	}
	want()
	show(true, `1`, `null`, `{}`)
	want(`1`, `null`, `{}`)
	show(false, `2`, `3`)
	want(`1`, `null`, `{}`)
	if state, _, err := m.ListState(t.Context()); err != nil || state != "half way" {
		t.Errorf("state %q, %v", state, err)
	}
	show(true, `4`)
	want(`4`)
	if state, _, err := m.ListState(t.Context()); err != nil || state != "" {
		t.Errorf("state %q, %v", state, err)
	}
}
