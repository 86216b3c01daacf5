package clickhouse

import (
	"errors"
	"strings"
	"testing"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

func must(t testing.TB, outcomes []load.Outcome, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%+v: %v", outcomes, err)
	}
}

func TestNew(t *testing.T) {
	for url, want := range map[string]string{
		"clickhouse://etl@host/db":                  "clickhouse clickhouse://etl@host:9000/db",
		"clickhouse://etl@host:9001/db":             "clickhouse clickhouse://etl@host:9001/db",
		"clickhouse://host/db?secure=true":          "clickhouse clickhouse://default@host:9440/db",
		"clickhouse://host/db?secure=false":         "clickhouse clickhouse://default@host:9000/db",
		"http://host/db":                            "is not of the form",
		"clickhouse://host":                         "names no database",
		"clickhouse://host/a/b":                     "names no database",
		"clickhouse://host/db?skip_verify=true":     `the option "skip_verify"`,
		"clickhouse://host/db?secure=perhaps":       "not true or false",
		"clickhouse://host:port/db":                 "is not of the form",
		"clickhouse://etl@[::1]:9000/db?secure=1":   "clickhouse clickhouse://etl@[::1]:9000/db",
		"clickhouse://etl@host/db?compress=lz4&x=1": "the option",
	} {
		d, err := New(Options{URL: url, Password: "hush-hush"})
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got = d.String()
		}
		if !strings.Contains(got, want) || strings.Contains(got, "hush-hush") {
			t.Errorf("%s: %s", url, got)
		}
	}
	if _, err := New(Options{URL: "clickhouse://host/db", CAFile: "x.pem"}); err == nil {
		t.Error("ca_file without TLS was taken")
	}
	if _, err := New(Options{URL: "clickhouse://host/db?secure=true", CAFile: "absent.pem"}); err == nil {
		t.Error("an absent ca_file was taken")
	}
}

// TestEveryNightReplacesTheLast publishes other rows each time, some of them the same.
func TestEveryNightReplacesTheLast(t *testing.T) {
	p := newPlace(t)
	for i, seed := range []uint64{1, 2, 1, 3} {
		n := world(t, seed, 40)
		outcomes, err := publish(t, p.Destination, run(i+1), n)
		must(t, outcomes, err)
		p.shows(t, run(i+1), n)
	}
	if got := p.query(t, "SELECT count(DISTINCT run) FROM %s._partitions", p.name); got != "4\n" {
		t.Errorf("_partitions has %s runs", got)
	}
}

// TestWhatADatabaseRefuses tries what a person has to put right: each is refused
// for good, and nothing is touched.
func TestWhatADatabaseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		before string // what is done to the published tables
		want   string
	}{
		"a table of another's":     {"ALTER TABLE %s.visits MODIFY COMMENT 'mine'", "is not ours"},
		"a column that was added":  {"ALTER TABLE %s.visits ADD COLUMN note String", "was altered: it has the column note String"},
		"a column of another type": {"ALTER TABLE %s.calls MODIFY COLUMN duration_seconds Nullable(Int32)", "was altered"},
		"a view in a table's place": {
			"DROP TABLE %[1]s.calls; CREATE VIEW %[1]s.calls AS SELECT 1", "is not ours",
		},
		"a table in a view's place": {
			"DROP VIEW %[1]s.daily_funnel; CREATE TABLE %[1]s.daily_funnel (n UInt8) ENGINE = MergeTree ORDER BY n", "is a MergeTree, not a View",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			outcomes, err := publish(t, p.Destination, run(1), world(t, 1, 4))
			must(t, outcomes, err)
			for q := range strings.SplitSeq(c.before, "; ") {
				p.query(t, q, p.name)
			}
			before := p.query(t, "SELECT name, uuid, comment FROM system.tables WHERE database = '%s' ORDER BY name", p.name)
			outcomes, err = publish(t, p.Destination, run(2), world(t, 2, 4))
			if err == nil || !load.Refuses(err) || !strings.Contains(err.Error(), c.want) || outcomes[0].State != load.Failed {
				t.Errorf("%+v: %v", outcomes, err)
			}
			if after := p.query(t, "SELECT name, uuid, comment FROM system.tables WHERE database = '%s' ORDER BY name", p.name); after != before {
				t.Errorf("was\n%s\nis\n%s", before, after)
			}
		})
	}
}

// TestUsersThatMayNot publishes as users who lack something.
func TestUsersThatMayNot(t *testing.T) {
	p := newPlace(t)
	first := world(t, 1, 4)
	outcomes, err := publish(t, p.Destination, run(1), first)
	must(t, outcomes, err)
	for user, want := range map[string]string{
		"etl_readonly": "readonly", "bi": "", "nothing": "", "without_insert": "INSERT", "without_create_table": "CREATE TABLE",
		"without_table_engine": "TABLE ENGINE",
	} {
		d := as(t, p.server, user, p.name)
		_, err := publish(t, d, run(2), world(t, 2, 4))
		if err == nil || !load.Refuses(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), clickhousetest.Password) {
			t.Errorf("%s: %v", user, err)
		}
	}
	d := as(t, p.server, "etl_full", p.name)
	if _, err := publish(t, d, run(2), world(t, 2, 4)); err == nil || load.Refuses(err) {
		t.Errorf("a full disk may pass: %v", err)
	}
	p.shows(t, run(1), first)
}

// TestAWrongPassword has a server of its own: this build ends after it has refused
// a handshake.
func TestAWrongPassword(t *testing.T) {
	s := clickhousetest.Start(t, clickhousetest.Options{})
	d, err := New(Options{URL: s.URL("etl", "roistat_x"), Password: "wrong-password"})
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := publish(t, d, run(1), world(t, 1, 1))
	if err == nil || !load.Refuses(err) || !strings.Contains(err.Error(), "uthentication") || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("%+v: %v", outcomes, err)
	}
}

// TestCheckNamesTheMissingRight wants a GRANT for each right that a user lacks.
func TestCheckNamesTheMissingRight(t *testing.T) {
	p := newPlace(t)
	outcomes, err := publish(t, p.Destination, run(1), world(t, 1, 1))
	must(t, outcomes, err)
	for _, c := range p.Check(t.Context()) {
		if c.Err != nil {
			t.Errorf("%s: %v", c.What, c.Err)
		}
	}
	for user, want := range map[string]string{
		"without_select": "GRANT SELECT ON", "without_insert": "GRANT INSERT ON", "without_create_table": "GRANT CREATE TABLE ON",
		"without_drop_table": "GRANT DROP TABLE ON", // the rights for views come with those for tables
		"without_alter":      "GRANT ALTER TABLE ON", "without_table_engine": "GRANT TABLE ENGINE ON MergeTree TO", "without_select_on_system_parts": "GRANT SELECT ON system.parts TO",
	} {
		found := false
		for _, c := range as(t, p.server, user, p.name).Check(t.Context()) {
			found = found || c.Err != nil && load.Refuses(c.Err) && strings.HasPrefix(c.Remedy, want)
		}
		if !found {
			t.Errorf("%s: no %q", user, want)
		}
	}
	if got := p.query(t, "SELECT name FROM system.tables WHERE database = '%s' AND name LIKE '\\_check%%'", p.name); got != "" {
		t.Errorf("check left %s", got)
	}
}

// TestVerifyFindsDamage changes what is published by hand.
func TestVerifyFindsDamage(t *testing.T) {
	for name, c := range map[string]struct{ damage, want string }{
		"none":                {"", ""},
		"a row too few":       {"DELETE FROM %s.visits WHERE event_id = (SELECT min(event_id) FROM %[1]s.visits)", "the server has"},
		"a row too many":      {"INSERT INTO %s.clients SELECT * FROM %[1]s.clients LIMIT 1", "the server has"},
		"another value":       {"ALTER TABLE %s.clients UPDATE name = 'x' WHERE client_id = (SELECT min(client_id) FROM %[1]s.clients) SETTINGS mutations_sync = 1", "have the digest"},
		"a partition lost":    {"ALTER TABLE %s.rejects DROP PARTITION ID 'all'", "the server has 0 rows"},
		"a table lost":        {"DROP TABLE %s.calls SYNC", ".calls is missing"},
		"a view lost":         {"DROP VIEW %s.daily_funnel", "daily_funnel is missing"},
		"the books lost":      {"TRUNCATE TABLE %s._partitions", "says nothing of run"},
		"the books corrected": {"ALTER TABLE %s._partitions UPDATE rows = rows + 1 WHERE `table` = 'clients' SETTINGS mutations_sync = 1", "the server has"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			outcomes, err := publish(t, p.Destination, run(1), world(t, 1, 6))
			must(t, outcomes, err)
			if c.damage != "" {
				p.query(t, c.damage, p.name)
			}
			var bad []string
			err = p.Verify(t.Context(), func(f load.Finding) error {
				if !f.OK {
					bad = append(bad, f.Table+" "+f.Partition+": "+f.Detail)
				}
				return nil
			})
			if err != nil || (c.want == "") != (len(bad) == 0) || !strings.Contains(strings.Join(bad, "\n"), c.want) {
				t.Errorf("%v %q", err, bad)
			}
			// The next run repairs what it finds, without being told.
			n := world(t, 1, 6)
			outcomes, err = publish(t, p.Destination, run(2), n)
			must(t, outcomes, err)
			if name != "another value" { // the rows are as many as they should be: verify finds it
				p.shows(t, run(2-b2i(name == "none" || name == "a view lost")), n)
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestANewColumnReachesAnOldTable takes a column from published tables, as an
// older version would have left them.
func TestANewColumnReachesAnOldTable(t *testing.T) {
	p := newPlace(t)
	n := world(t, 1, 10)
	outcomes, err := publish(t, p.Destination, run(1), n)
	must(t, outcomes, err)
	p.query(t, "ALTER TABLE %s.visits DROP COLUMN device_agent_icon", p.name)
	changes, err := p.SchemaChanges(t.Context())
	if err != nil || len(changes) != 1 || !strings.Contains(changes[0], "visits gets the column device_agent_icon") {
		t.Errorf("%q, %v", changes, err)
	}
	outcomes, err = publish(t, p.Destination, run(2), n)
	must(t, outcomes, err)
	p.shows(t, run(2), n)
	if changes, err = p.SchemaChanges(t.Context()); err != nil || len(changes) != 0 {
		t.Errorf("%q, %v", changes, err)
	}
}

// TestACutCommitIsFinished swaps only some tables, as a commit that died would
// have, and wants the next run to finish it before anything else.
func TestACutCommitIsFinished(t *testing.T) {
	for name, swapped := range map[string][]schemas.ID{
		"after the first table": {schemas.Visits},
		"before the last":       {schemas.Visits, schemas.Orders, schemas.SiteEvents, schemas.Calls, schemas.Clients},
	} {
		for _, first := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", of the first run", false: ", of a later run"}[first], func(t *testing.T) {
				p := newPlace(t)
				if !first {
					outcomes, err := publish(t, p.Destination, run(1), world(t, 1, 5))
					must(t, outcomes, err)
				}
				n := world(t, 2, 5)
				p.cut(t, run(2), n, swapped)
				if err := p.Recover(t.Context(), run(2).Mirror); err != nil {
					t.Fatal(err)
				}
				p.shows(t, run(2), n)
				later := world(t, 3, 5)
				outcomes, err := publish(t, p.Destination, run(3), later)
				must(t, outcomes, err)
				p.shows(t, run(3), later)
			})
		}
	}
}

// cut stages a run and swaps some of its tables.
func (p place) cut(t *testing.T, r load.Run, n *load.Snapshot, swapped []schemas.ID) {
	t.Helper()
	prepared, err := load.Prepare(t.Context(), []load.Destination{p.Destination}, r, n, 2)
	if err != nil {
		t.Fatal(err)
	}
	_ = prepared // it dies here: neither committed nor aborted
	err = errors.Join(p.enter(t.Context(), r.Run, n.Partitions()), p.swap(t.Context(), mark{r.Run, r.Mirror}, swapped))
	if err != nil {
		t.Fatal(err)
	}
}

// TestADeadStageIsRemoved leaves a staging behind that never came to its commit.
func TestADeadStageIsRemoved(t *testing.T) {
	p := newPlace(t)
	first := world(t, 1, 5)
	outcomes, err := publish(t, p.Destination, run(1), first)
	must(t, outcomes, err)
	n := world(t, 2, 5)
	p.cut(t, run(2), n, nil)
	if err := p.Recover(t.Context(), "another mirror"); err != nil {
		t.Fatal(err)
	}
	if left := p.query(t, "SELECT count() FROM system.tables WHERE database = '%s' AND name LIKE '%%__next_%%'", p.name); left == "0\n" {
		t.Error("another mirror's tables were dropped")
	}
	if err := p.Recover(t.Context(), run(1).Mirror); err != nil {
		t.Fatal(err)
	}
	p.shows(t, run(1), first)
	if got := p.query(t, "SELECT DISTINCT run FROM %s._partitions", p.name); got != run(1).Run+"\n" {
		t.Errorf("_partitions names %s", got)
	}
}
