package clickhouse

import (
	"strings"
	"testing"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
)

// TestProfiles publishes two nights under profiles that change what a statement
// means, or how many there may be at once: the tables are those of any user, and
// check tries what a run does.
func TestProfiles(t *testing.T) {
	for _, profile := range []string{"rows", "breaks", "meanings", "strict", "inserts", "drops", "one_query", "two_queries"} {
		t.Run(profile, func(t *testing.T) {
			s := clickhousetest.Shared(t)
			database := s.Database(t)
			p := place{as(t, s, "profile_"+profile, database), s, database}
			for i, seed := range []uint64{1, 2} {
				n := world(t, seed, 8)
				outcomes, err := publish(t, p.Destination, run(i+1), n)
				must(t, outcomes, err)
				place{as(t, s, "etl", database), s, database}.shows(t, run(i+1), n)
			}
			for _, c := range p.Check(t.Context()) {
				if c.Err != nil {
					t.Errorf("check %s: %v", c.What, c.Err)
				}
			}
			if err := p.Verify(t.Context(), func(f load.Finding) error {
				if !f.OK {
					t.Errorf("%s %s: %s", f.Table, f.Partition, f.Detail)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestProfileForbidsSettings demands that a profile which changes what statements
// mean, and forbids to set that, is refused by check and run in the same words.
func TestProfileForbidsSettings(t *testing.T) {
	for profile, want := range map[string]string{"pinned_extremes": `extremes = "0"`, "pinned_all": "forbids to set"} {
		t.Run(profile, func(t *testing.T) {
			s := clickhousetest.Shared(t)
			d := as(t, s, "profile_"+profile, s.Database(t))
			_, err := publish(t, d, run(1), world(t, 1, 2))
			if !load.Refuses(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("publish: %v", err)
			}
			list := d.Check(t.Context())
			last := list[len(list)-1]
			if !load.Refuses(last.Err) || !strings.Contains(last.Err.Error(), want) || !strings.Contains(last.Remedy, "readonly = 1") {
				t.Errorf("check: %+v", last)
			}
		})
	}
}

// TestDropLimitStopsNoLaterNight publishes where the profile forbids to drop what
// was replaced and to set the limit: each night shows its run, says that it could
// not drop what was there before, and keeps no later one from publishing.
func TestDropLimitStopsNoLaterNight(t *testing.T) {
	s := clickhousetest.Shared(t)
	database := s.Database(t)
	p := place{as(t, s, "profile_pinned_dropping", database), s, database}
	for i, seed := range []uint64{1, 2, 3} {
		n := world(t, seed, 8)
		outcomes, err := publish(t, p.Destination, run(i+1), n)
		if outcomes[0].State != load.Published {
			t.Fatalf("night %d: %s, %v", i+1, outcomes[0].State, err)
		}
		if i > 0 && (err == nil || !strings.Contains(err.Error(), "max_table_size_to_drop")) {
			t.Errorf("night %d: %v", i+1, err)
		}
		p.shows(t, run(i+1), n)
	}
}

// TestLateExchange lets an exchange through whose connection broke, at the worst
// moments: before what was replaced gets another name, and at each step after it.
func TestLateExchange(t *testing.T) {
	for _, moment := range []string{"RENAME TABLE", "MODIFY COMMENT", "CREATE OR REPLACE VIEW", "DROP TABLE IF EXISTS"} {
		t.Run(moment, func(t *testing.T) {
			s := clickhousetest.Shared(t)
			database := s.Database(t)
			p := place{as(t, s, "etl", database), s, database}
			first, second := world(t, 1, 8), changed(t)
			outcomes, err := publish(t, p.Destination, run(1), first)
			must(t, outcomes, err)
			proxy := clickhousetest.StartProxy(t, s.Native)
			late := through(t, proxy, database)
			arrived := 0
			proxy.Set(clickhousetest.Fault{Action: clickhousetest.Late, Match: "EXCHANGE TABLES", Do: func() {
				proxy.Set(clickhousetest.Fault{Match: moment, Do: func() { arrived = proxy.Release() }})
			}})
			outcomes, err = publish(t, late, run(2), second)
			must(t, outcomes, err)
			if arrived != 1 {
				t.Errorf("%d exchanges arrived late", arrived)
			}
			p.shows(t, run(2), second)
		})
	}
}
