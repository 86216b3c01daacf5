package extract

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim"
)

func contactRow(name string, n int) []byte {
	return fmt.Appendf(nil, `{"metrics":{"sent":%d},"contact":%q}`, n, name)
}

// contactPages serves rows; change is called before each page but the first.
func contactPages(rows *[][]byte, limit int64, change func()) func(api.ContactsQuestion) (*api.ContactsPage, error) {
	first := true
	return func(q api.ContactsQuestion) (*api.ContactsPage, error) {
		if !first && change != nil {
			change()
		}
		first = false
		n := int64(len(*rows))
		from := min(q.Offset, n)
		return &api.ContactsPage{Rows: slices.Clone((*rows)[from:min(from+min(q.Limit, limit), n)]), Total: n}, nil
	}
}

// ask runs with one campaign and returns its rows in the mirror.
func ask(t testing.TB, m *mirror.Mirror, f *fake, change ...func(*Options)) (*Result, []string) {
	t.Helper()
	o := options(m, f)
	o.Campaigns = []Campaign{{ID: 2, Metrics: []string{"sent"}}}
	for _, c := range change {
		c(&o)
	}
	r := extract(t, o)
	var rows []string
	for c, err := range m.Campaigns(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range c.Rows {
			rows = append(rows, string(raw))
		}
	}
	return r, rows
}

func texts(rows [][]byte) (list []string) {
	for _, r := range rows {
		list = append(list, string(r))
	}
	return list
}

func TestCampaignPages(t *testing.T) {
	var many [][]byte
	for i := range 2345 {
		many = append(many, contactRow(fmt.Sprint(i%2000), i)) // some contacts are repeated
	}
	odd := [][]byte{contactRow("a", 1), contactRow("a", 1), []byte(`null`), []byte(`null`), []byte(`{"contact":5}`), contactRow("a", 1)}
	for _, c := range []struct {
		name  string
		rows  [][]byte
		limit int64
		calls int
	}{
		{"none", nil, 1000, 1}, {"one page", many[:999], 1000, 1}, {"a whole page", many[:1000], 1000, 1},
		{"three pages", many, 1000, 3}, {"the server's pages are smaller", many, 100, 26}, {"much smaller", many[:50], 5, 13},
		{"the same rows again and again", odd, 1000, 1}, {"they are in pages", slices.Repeat(odd, 20), 30, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{contacts: contactPages(&c.rows, c.limit, nil)}
			r, rows := ask(t, newMirror(t), f)
			if !slices.Equal(rows, texts(c.rows)) || f.queries != c.calls || len(r.FailedCampaigns) != 0 {
				t.Errorf("%d of %d rows in %d calls, want %d, %+v", len(rows), len(c.rows), f.queries, c.calls, r.FailedCampaigns)
			}
		})
	}
}

func TestACampaignThatFailsKeepsItsFormerAnswer(t *testing.T) {
	rows := [][]byte{contactRow("a", 1), contactRow("b", 1)}
	for _, c := range []struct {
		name string
		code string
		fail func(api.ContactsQuestion) (*api.ContactsPage, error)
	}{
		{"short", "short", func(q api.ContactsQuestion) (*api.ContactsPage, error) {
			p, err := contactPages(&rows, 1000, nil)(q)
			p.Total++
			return p, err
		}},
		{"the server doesn't know offsets", "short", func(api.ContactsQuestion) (*api.ContactsPage, error) {
			return &api.ContactsPage{Rows: rows, Total: 4}, nil
		}},
		{"an error", "http_502", func(api.ContactsQuestion) (*api.ContactsPage, error) {
			return nil, apiError(api.Transient, "http_502", 502)
		}},
		{"refused alone", "request_data_validation_error", func(api.ContactsQuestion) (*api.ContactsPage, error) {
			return nil, apiError(api.Rejected, "request_data_validation_error", 400)
		}},
		{"the second page fails", "bad_json", func(q api.ContactsQuestion) (*api.ContactsPage, error) {
			if q.Offset > 0 {
				return nil, apiError(api.Bad, "bad_json", 200)
			}
			return &api.ContactsPage{Rows: rows, Total: 3}, nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t)
			ask(t, m, &fake{contacts: contactPages(&rows, 1000, nil)})
			r, got := ask(t, m, &fake{list: static(1), contacts: c.fail})
			if !slices.Equal(got, texts(rows)) || len(r.FailedCampaigns) != 1 || r.FailedCampaigns[0].ID != 2 || r.FailedCampaigns[0].Code != c.code {
				t.Errorf("%q, %+v", got, r.FailedCampaigns)
			}
			if r.Feeds.Fetched != 1 || !strings.Contains(strings.Join(r.Incomplete(), " "), "campaign 2") {
				t.Errorf("%+v, %q", r.Feeds, r.Incomplete())
			}
		})
	}
}

func TestACampaignThatIsNotAskedForLeaves(t *testing.T) {
	m := newMirror(t)
	rows := [][]byte{contactRow("a", 1)}
	ask(t, m, &fake{contacts: contactPages(&rows, 1000, nil)})
	extract(t, options(m, &fake{}))
	for c, err := range m.Campaigns(t.Context()) {
		t.Errorf("%v, %v", c, err)
	}
}

// TestCampaignsSurviveShifts lets contacts with names of their own appear and
// vanish between pages: a campaign either fails, or its rows are distinct and
// hold all contacts that were there all the time.
func TestCampaignsSurviveShifts(t *testing.T) {
	m := newMirror(t)
	rapid.Check(t, func(t *rapid.T) {
		var rows [][]byte
		next := 0
		add := func(at int) {
			next++
			rows = slices.Insert(rows, at, contactRow(fmt.Sprint(next), next))
		}
		for range rapid.IntRange(0, 300).Draw(t, "contacts") {
			add(len(rows))
		}
		steady := map[string]bool{}
		for _, r := range rows {
			steady[string(r)] = true
		}
		f := &fake{}
		f.contacts = contactPages(&rows, rapid.Int64Range(20, 60).Draw(t, "page"), func() {
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				at := rapid.IntRange(0, len(rows)).Draw(t, "at")
				if f.queries > 100 || at < len(rows) && rapid.Bool().Draw(t, "vanish") {
					if at < len(rows) {
						delete(steady, string(rows[at]))
						rows = slices.Delete(rows, at, at+1)
					}
					continue
				}
				add(at)
			}
		})
		r, err := newRun(t.Context(), options(m, f))
		if err != nil {
			t.Fatal(err)
		}
		w := contacts{run: r, campaign: Campaign{ID: 2}}
		if err := w.read(t.Context()); err != nil {
			return
		}
		seen := map[string]int{}
		for _, row := range w.rows {
			if seen[string(row)]++; seen[string(row)] > 1 {
				t.Fatalf("%s is there twice", row)
			}
		}
		for row := range steady {
			if seen[row] == 0 {
				t.Fatalf("%s is lost", row)
			}
		}
	})
}

func TestCampaignsOfTheSim(t *testing.T) {
	for _, limit := range []int{0, 37} {
		s := newSim(t, 2000, func(o *sim.Options) { o.ContactPage = limit })
		o := options(newMirror(t), client(t, s))
		o.Refresh.Budget = 1
		for id := range int64(3) {
			o.Campaigns = append(o.Campaigns, Campaign{ID: id + 1, Metrics: []string{"sent", "delivered", "opened", "click"}})
		}
		r := extract(t, o)
		n := 0
		for c, err := range o.Mirror.Campaigns(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if want := s.State().World().ContactCount(int(c.ID)); len(c.Rows) != want {
				t.Errorf("campaign %d has %d contacts, want %d", c.ID, len(c.Rows), want)
			}
		}
		if n != 3 || len(r.FailedCampaigns) != 0 {
			t.Fatalf("%d campaigns, %+v", n, r.FailedCampaigns)
		}
	}
}

func TestACampaignIsBounded(t *testing.T) {
	for name, unit := range map[string]string{
		"bytes":   strings.Repeat("x", 1<<20),
		"numbers": strings.Repeat(`1,"y":`, 50_000) + "1",
	} {
		m := newMirror(t)
		rows := [][]byte{contactRow("a", 1)}
		f := &fake{contacts: contactPages(&rows, 1000, nil)}
		ask(t, m, f)
		rows = nil
		for i := range 40 {
			row := fmt.Sprintf(`{"contact":"%d","metrics":{"sent":%s}}`, i, unit)
			if name == "bytes" {
				row = fmt.Sprintf(`{"contact":"%d","metrics":{"sent":1},"pad":"%s"}`, i, unit)
			}
			rows = append(rows, []byte(row))
		}
		r, kept := ask(t, m, f)
		if len(r.FailedCampaigns) != 1 || r.FailedCampaigns[0].Code != "too_large" || len(kept) != 1 {
			t.Errorf("%s: %+v, %d rows are kept", name, r.FailedCampaigns, len(kept))
		}
		r, kept = ask(t, m, f, func(o *Options) { o.MaxCampaign = 64 << 20 })
		if len(r.FailedCampaigns) != 0 || len(kept) != 40 {
			t.Errorf("%s, with a greater bound: %+v, %d rows are kept", name, r.FailedCampaigns, len(kept))
		}
	}
}
