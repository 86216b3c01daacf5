package extract

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/schemas"
)

// ids returns the live clients of a mirror.
func ids(t interface{ Fatal(...any) }, m *mirror.Mirror) map[int64]bool {
	set := map[int64]bool{}
	for c, err := range m.Candidates(context.WithoutCancel(context.Background())) {
		if err != nil {
			t.Fatal(err)
		}
		set[c.Client] = true
	}
	return set
}

// listOnly pages through the clients and does nothing else.
func listOnly(t interface{ Fatal(...any) }, m *mirror.Mirror, f *fake) *Result {
	r, err := newRun(context.Background(), options(m, f))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.list(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r.result
}

func TestListSurvivesShifts(t *testing.T) {
	m := newMirror(t)
	base := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		base += 1e6
		size := rapid.Int64Range(20, 60).Draw(t, "page size")
		next := base + rapid.Int64Range(0, 300-20*(shrink-1)).Draw(t, "clients")
		var have []int64
		for id := next; id > base; id-- {
			have = append(have, id)
		}
		steady := map[int64]bool{}
		for _, id := range have {
			steady[id] = true
		}
		f := &fake{}
		f.list = func(q api.ListQuestion) (*api.ListPage, error) {
			if f.lists > 1 && f.lists < 100 {
				for range rapid.IntRange(0, 40).Draw(t, "new") {
					next++
					have = slices.Insert(have, 0, next)
				}
				at := rapid.IntRange(0, len(have)).Draw(t, "place")
				gone := have[at:min(len(have), at+rapid.IntRange(0, int(size)).Draw(t, "vanish"))]
				for _, id := range gone {
					delete(steady, id)
				}
				have = slices.Delete(have, at, at+len(gone))
			}
			rows := make([][]byte, len(have))
			for i, id := range have {
				rows[i] = row(id)
			}
			return paged(&rows, size)(q)
		}
		r := listOnly(t, m, f)
		for id := range steady {
			_, known, err := m.Client(context.Background(), id)
			if err != nil {
				t.Fatal(err)
			}
			if !known && r.Clients.Complete {
				t.Fatalf("client %d was there all the time and is lost", id-base)
			}
		}
	})
}

func TestListEnds(t *testing.T) {
	duplicates := func() [][]byte { return [][]byte{row(3), row(2), row(3), row(1)} }()
	thousand := make([][]byte, 1000)
	for i := range thousand {
		thousand[i] = row(int64(1000 - i))
	}
	for _, c := range []struct {
		name  string
		list  func(api.ListQuestion) (*api.ListPage, error)
		want  Clients
		calls int
		short bool
	}{
		{"an empty list", static(0), Clients{Complete: true}, 1, false},
		{"a few", static(7), Clients{Listed: 7, Total: 7, New: 7, Complete: true}, 2, false},
		{"a page", static(1000), Clients{Listed: 1000, Total: 1000, New: 1000, Complete: true}, 2, false},
		{"three pages", static(2500), Clients{Listed: 2500, Total: 2500, New: 2500, Complete: true}, 4, false},
		{"the server's pages are smaller", paged(&thousand, 100), Clients{Listed: 1000, Total: 1000, New: 1000, Complete: true}, 12, false},
		{"pages of one", func(q api.ListQuestion) (*api.ListPage, error) { return paged(&duplicates, 1)(q) }, Clients{Listed: 3, Total: 4, New: 3}, 5 + 4 + 4, true},
		{"the total counts a duplicate", paged(&duplicates, 1000), Clients{Listed: 3, Total: 4, New: 3}, 2 + 1 + 1, true},
		{"the total is too large by a little", func(q api.ListQuestion) (*api.ListPage, error) {
			p, err := paged(&thousand, 1000)(q)
			p.Total++
			return p, err
		}, Clients{Listed: 1000, Total: 1001, New: 1000}, 3 * 4, false},
		{"the total is too small", func(q api.ListQuestion) (*api.ListPage, error) {
			p, err := paged(&thousand, 100)(q)
			p.Total = 10
			return p, err
		}, Clients{Listed: 1000, Total: 10, New: 1000, Complete: true}, 12, false},
		{"the server doesn't know offsets", func(api.ListQuestion) (*api.ListPage, error) {
			return &api.ListPage{Rows: thousand[:500], Total: 1e6}, nil
		}, Clients{Listed: 500, Total: 1e6, New: 500}, 3 * 4, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{list: c.list}
			r := listOnly(t, newMirror(t), f)
			if r.Clients != c.want || f.lists != c.calls || r.Short() != c.short {
				t.Errorf("got %+v, short %v, %d calls, want %+v, %v, %d", r.Clients, r.Short(), f.lists, c.want, c.short, c.calls)
			}
		})
	}
}

func TestListNamesWhatHasNoID(t *testing.T) {
	var rows [][]byte
	for i := range int64(40) {
		rows = append(rows, row(100-i))
		if i%5 == 0 {
			rows = append(rows, []byte(`null`))
		}
	}
	rows = append(rows, []byte(`{"id":"lead_5"}`), []byte(`{"id":1.5}`), []byte(`{"name":"x"}`), []byte(`{"id":9223372036854775808}`), []byte(`[7]`), []byte(`{"id":"61","id":"0.5e1"}`))
	m := newMirror(t)
	for range 2 {
		r := listOnly(t, m, &fake{list: paged(&rows, 20)})
		if want := (Clients{Listed: 41, Unlisted: 13, Total: int64(len(rows)), Complete: true, New: r.Clients.New}); r.Clients != want {
			t.Errorf("got %+v, want %+v", r.Clients, want)
		}
		var list []schemas.Unlisted
		for block, err := range m.Unlisted(t.Context()) {
			if list = append(list, block...); err != nil {
				t.Fatal(err)
			}
		}
		if len(list) != 13 {
			t.Fatalf("%d have no id", len(list))
		}
		for _, u := range list {
			if string(u.Raw) != string(rows[u.Ordinal]) {
				t.Errorf("place %d holds %s, want %s", u.Ordinal, u.Raw, rows[u.Ordinal])
			}
		}
	}
	if !ids(t, m)[5] {
		t.Error("of equal keys the last counts")
	}
}

func TestTheLaterRowCounts(t *testing.T) {
	rows := [][]byte{[]byte(`{"id":1,"name":"first"}`), row(2), []byte(`{"id":"1","name":"second"}`)}
	m := newMirror(t)
	listOnly(t, m, &fake{list: paged(&rows, 10)})
	c, _, err := m.Client(t.Context(), 1)
	if err != nil || !strings.Contains(string(c.Row), "second") || c.Ordinal != 2 {
		t.Errorf("row %d %s, %v", c.Ordinal, c.Row, err)
	}
}

func TestAListThatWasCutIsGoneOnWith(t *testing.T) {
	whole := static(5000)
	m := newMirror(t)
	f := &fake{}
	f.list = func(q api.ListQuestion) (*api.ListPage, error) {
		if f.lists == 4 {
			return nil, apiError(api.Rejected, "incorrect_request", 400)
		}
		return whole(q)
	}
	r, err := Run(t.Context(), options(m, f))
	var e *api.Error
	if !errors.As(err, &e) || e.Code != "incorrect_request" || !r.Short() || f.asked != 0 {
		t.Fatalf("cut: %+v, %v", r.Clients, err)
	}
	r = listOnly(t, m, f)
	if want := (Clients{Listed: 5000, Total: 5000, New: 2100, Complete: true}); r.Clients != want || f.lists != 4+4 {
		t.Errorf("got %+v after %d calls, want %+v", r.Clients, f.lists, want)
	}
	o := options(m, f)
	o.PageSize = 500
	if r = extract(t, o); r.Clients.Listed != 5000 || r.Clients.New != 0 {
		t.Errorf("a list after it: %+v", r.Clients)
	}
}

func TestDates(t *testing.T) {
	for raw, want := range map[string]string{
		`{"id":1,"first_visit_date":"2021-11-10T14:05:12+0000","last_order_date":"2022-01-02 03:04:05","first_order_date":"2021-12-01"}`: "2022-01-02 03:04:05",
		`{"id":1,"first_visit_date":"2021-11-10T14:05:12.5+03:00","last_order_date":null}`:                                               "2021-11-10 14:05:12",
		`{"id":1,"first_visit_date":"0000-00-00","last_order_date":"","first_order_date":20211110}`:                                      "0001-01-01 00:00:00",
	} {
		_, active, ok := identify([]byte(raw))
		if got := active.Format(time.DateTime); !ok || got != want {
			t.Errorf("%s: %s", raw, got)
		}
	}
}
