package pipeline

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
)

func rules() schemas.Rules {
	return schemas.Rules{
		"clients.phone": schemas.HashValue, "clients.email": schemas.MaskValue, "calls.caller": schemas.HashValue,
		"campaign_contacts.contact": schemas.MaskValue, "orders.fields.Город": schemas.DropValue,
	}
}

// protect sets the rules and the salt of a stand.
func (s *stand) protect(r schemas.Rules, salt string) {
	s.pipeline.Transform.Privacy, s.pipeline.Transform.Salt = r, config.NewSecret(salt)
}

// planned is what plan says of the tables.
func (s *stand) planned(t testing.TB) []string {
	t.Helper()
	plan, err := MakePlan(context.Background(), s.pipeline, s.options)
	if err != nil {
		t.Fatal(err)
	}
	return plan.SchemaChanges
}

// republish publishes from the mirror alone, so without a call, and returns the tables that changed.
func (s *stand) republish(t testing.TB) (changed []string) {
	t.Helper()
	r := s.run(t, func(o *Options) { o.NoExtract = true }).want(t, OK)
	if len(r.Gates) == 0 {
		t.Error("no gate was judged")
	}
	for _, table := range schemas.Tables() {
		c := r.Tables[table.Name]
		if c.Changed > 0 {
			changed = append(changed, table.Name)
		}
		if c.Rows != c.RowsBefore {
			t.Errorf("%s: %d rows, %d before", table.Name, c.Rows, c.RowsBefore)
		}
	}
	if s.findings(t) != "as the manifest says and as the mirror projects" {
		t.Error(s.findings(t))
	}
	return changed
}

const (
	oneSalt     = "sixteen-bytes-or-more"
	anotherSalt = "another-salt-of-the-tests"
)

// TestRulesComeAndGoWithoutACall: plan says which tables a run will rewrite, the
// run rewrites those and no others, no gate closes, and verify doesn't take the
// tables of former rules for wrong.
func TestRulesComeAndGoWithoutACall(t *testing.T) {
	s := newStand(t, 300, nil)
	s.pipeline.API.PerSecond, s.pipeline.API.PerHour = 1e6, 1e6
	s.run(t, nil).want(t, OK)
	first := s.published(t)
	for _, step := range []struct {
		name  string
		rules schemas.Rules
		salt  string
		want  []string // parts of what plan says
		same  string   // a table that stays
	}{
		{"the first rules", rules(), oneSalt, []string{
			"clients will be rewritten by the privacy rules: phone keep → hash, email keep → mask, extra keep → drop",
			"calls will be rewritten by the privacy rules: caller keep → hash, extra keep → drop", "contact keep → mask", "fields.Город keep → drop", "raw keep → drop",
		}, ""},
		{"another salt", rules(), anotherSalt, []string{"clients will be rewritten by the privacy rules: phone hash → hash with another salt", "calls"}, "campaign_contacts"},
		{"one rule less", withoutRule("calls.caller"), anotherSalt, []string{"calls will be rewritten by the privacy rules: caller hash → keep"}, "clients"},
		{"no rules", nil, "", []string{"raw drop → keep", "fields.Город drop → keep", "contact mask → keep"}, ""},
	} {
		s.protect(step.rules, step.salt)
		if detail := s.findings(t); !strings.Contains(detail, "the privacy rules or the salt have changed since") {
			t.Errorf("%s: verify says %s", step.name, detail)
		}
		said := strings.Join(s.planned(t), "\n")
		for _, want := range step.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: plan says\n%s\nwant %s", step.name, said, want)
			}
		}
		for _, table := range s.republish(t) {
			if !strings.Contains(said, ": "+table+" will be rewritten") {
				t.Errorf("%s: %s was rewritten, and plan had said\n%s", step.name, table, said)
			}
			if table == step.same {
				t.Errorf("%s: %s was rewritten", step.name, table)
			}
		}
		if said := s.planned(t); len(said) > 0 {
			t.Errorf("%s: plan still says %q", step.name, said)
		}
	}
	last := s.published(t)
	for name, table := range first.Tables { // as if nothing had been
		for i, f := range table.Files {
			if f.Digest != last.Tables[name].Files[i].Digest {
				t.Errorf("%s %s is another", name, f.Partition)
			}
		}
	}
}

// TestWhatOlderSnapshotsShowIsSaid: by the run that comes with rules that hide
// more, unless older snapshots go with it.
func TestWhatOlderSnapshotsShowIsSaid(t *testing.T) {
	s, _ := filled(t, 20)
	var log bytes.Buffer
	publish := func(r schemas.Rules, keep int) string {
		log.Reset()
		s.options.Log = slog.New(slog.NewTextHandler(&log, nil))
		s.pipeline.Load[0].Parquet.Keep = keep
		s.protect(r, oneSalt)
		s.run(t, func(o *Options) { o.NoExtract = true }).want(t, OK)
		return log.String()
	}
	field := schemas.Rules{"orders.fields.a": schemas.MaskValue}
	for i, step := range []struct {
		rules schemas.Rules
		keep  int
		warns bool
	}{
		{nil, 3, false}, {field, 3, true}, {field, 3, false}, {schemas.Rules{"orders.fields.a": schemas.DropValue}, 3, true}, {field, 3, false},
		{rules(), 3, true}, {withoutRule("calls.caller"), 3, false}, {rules(), 1, false}, {nil, 3, false}, {rules(), 1, false},
	} {
		if said := publish(step.rules, step.keep); strings.Contains(said, "older snapshots show") != step.warns {
			t.Errorf("step %d: %q", i, said)
		}
	}
}

func withoutRule(name string) schemas.Rules {
	r := rules()
	delete(r, name)
	return r
}

func TestProtectedRowsAreTheSameWithAnyNumberOfWorkers(t *testing.T) {
	s, m := filled(t, 800)
	s.protect(rules(), oneSalt)
	var rows []string
	for _, workers := range []int{1, 5} {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		p, err := project(context.Background(), mem, m, spool(t), transformOptions(s.pipeline), workers)
		if err != nil {
			t.Fatal(err)
		}
		got := rowsInOrder(t, mem, p.snapshot)
		if workers > 1 {
			if diff := cmp.Diff(rows, got); diff != "" {
				t.Errorf("rows differ:\n%.2000s", diff)
			}
		}
		rows = got
		mem.AssertSize(t, 0)
	}
}

// TestWhatIsShownOfTheMirror: rejects and the rows of a client are as published,
// and only what show calls raw is as the API gave it.
func TestWhatIsShownOfTheMirror(t *testing.T) {
	s, _ := filled(t, 300)
	s.protect(rules(), oneSalt)
	n := 0
	show := func(r Row) error {
		n++
		if r.Get("raw") != nil {
			t.Errorf("a reject shows %v", r.Get("raw"))
		}
		return nil
	}
	if err := Rejects(context.Background(), s.pipeline, RejectFilter{}, show); err != nil || n == 0 {
		t.Errorf("%d rejects, %v", n, err)
	}
	s.pipeline.Transform.Salt = config.Secret{} // it isn't needed for rejects
	if err := Rejects(context.Background(), s.pipeline, RejectFilter{}, show); err != nil {
		t.Error(err)
	}
	s.protect(rules(), oneSalt)
	view, err := ShowClient(context.Background(), s.pipeline, 7)
	if err != nil {
		t.Fatal(err)
	}
	phone := ""
	for _, r := range view.Rows {
		if r.Table.ID == schemas.Clients {
			phone, _ = r.Get("phone").(string)
		}
	}
	if len(phone) != 32 || strings.Contains(string(view.Raw.Row), phone) || !strings.Contains(string(view.Raw.Row), `"phone"`) {
		t.Errorf("the phone is %q; raw is %s", phone, view.Raw.Row)
	}
}

func TestWhatGoesOverTheNetworkInTheClear(t *testing.T) {
	for url, want := range map[string]bool{
		"clickhouse://etl@127.0.0.1:9000/db": false, "clickhouse://etl@[::1]/db": false, "clickhouse://etl@localhost/db?secure=false": false,
		"clickhouse://etl@ch.example:9000/db": true, "clickhouse://etl@10.0.0.1/db?secure=false": true, "clickhouse://etl@ch.example/db?secure=true": false,
	} {
		if inTheClear(config.Destination{ClickHouse: &config.ClickHouse{URL: url}}) != want {
			t.Errorf("%s: not %v", url, want)
		}
	}
	if inTheClear(config.Destination{Parquet: &config.Parquet{}}) {
		t.Error("a folder is not the network")
	}
}
