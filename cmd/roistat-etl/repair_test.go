package main

import (
	"os"
	"strings"
	"testing"

	"roistat-etl/internal/clickhousetest"
)

// TestRepairInClickHouse damages what ClickHouse shows in every way that a hand can:
// verify names table and partition and what helps, a repair mends it without a call,
// and enters itself in the lists of runs.
func TestRepairInClickHouse(t *testing.T) {
	w := newWarehouse(t, clickhousetest.Start(t, clickhousetest.Options{}))
	for _, c := range []struct{ name, damage, says string }{
		{"a value", "ALTER TABLE %[1]s.orders UPDATE status_title = 'forged' WHERE 1 SETTINGS mutations_sync=2", w.database + ".orders, partition "},
		{"a value of a table that is not split", "ALTER TABLE %[1]s.clients UPDATE name = 'forged' WHERE 1 SETTINGS mutations_sync=2", w.database + ".clients: the server's rows"},
		{"rows lost", "ALTER TABLE %[1]s.visits DELETE WHERE 1 SETTINGS mutations_sync=2", w.database + ".visits, partition "},
		{"rows added", "INSERT INTO %[1]s.orders SELECT * FROM %[1]s.orders", w.database + ".orders, partition "},
		{"a table dropped", "DROP TABLE %[1]s.calls SYNC", w.database + ".calls is missing"},
		{"a column added", "ALTER TABLE %[1]s.visits ADD COLUMN note String", w.database + ".visits was altered: it has the column note String"},
		{"a column dropped", "ALTER TABLE %[1]s.visits DROP COLUMN source_title", w.database + ".visits has other columns"},
		{"a column of another type", "ALTER TABLE %[1]s.calls MODIFY COLUMN duration_seconds Nullable(Int32)", w.database + ".calls was altered"},
		{"the books lost", "TRUNCATE TABLE %[1]s._partitions", "_partitions says nothing of run"},
		{"the books dropped", "DROP TABLE %[1]s._partitions SYNC", "_partitions says nothing of run"},
		{"a view dropped", "DROP VIEW %[1]s.daily_funnel", w.database + ".daily_funnel is missing"},
		{"everything dropped", "DROP DATABASE %[1]s SYNC", "nothing is published"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.statements(t, c.damage)
			f := want(t, 1, etl(w.dir, "verify"))
			if !strings.Contains(f.stdout, c.says) || !strings.Contains(f.stdout, "verify --repair") {
				t.Errorf("no %q and no remedy in\n%s", c.says, f.stdout)
			}
			if f := want(t, 0, etl(w.dir, "verify", "--repair")); strings.Contains(f.stdout, "not as it should be") {
				t.Error(f.stdout)
			}
			w.verify(t)
			run := strings.TrimSpace(w.server.Query(t, "SELECT run FROM "+w.database+"._runs ORDER BY run DESC LIMIT 1"))
			if f := want(t, 0, etl(w.dir, "status", "--json")); run == "" || strings.Count(f.stdout, run) < 2 {
				t.Errorf("run %q is not among the runs and what is shown:\n%s", run, f.stdout)
			}
		})
	}
}

// TestRepairInABucket damages, cuts, removes and adds objects.
func TestRepairInABucket(t *testing.T) {
	b := newBucket(t)
	want(t, 0, b.etl(b.dir, nil, "run"))
	for name, damage := range map[string]func(file string) error{
		"a flipped byte": func(file string) error {
			text, err := os.ReadFile(file)
			if err == nil {
				text[len(text)/2] ^= 1
				err = os.WriteFile(file, text, 0o600)
			}
			return err
		},
		"a cut object":  func(file string) error { return os.Truncate(file, 10) },
		"a lost object": os.Remove,
		"one too many": func(file string) error {
			return os.WriteFile(strings.ReplaceAll(file, "part-0000", "part-0001"), []byte("x"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			shown := b.shown(t)
			if err := damage(b.server.File("bucket", "bi/tables/snapshots/"+shown+"/clients/part-0000.parquet")); err != nil {
				t.Fatal(err)
			}
			f := want(t, 1, b.etl(b.dir, nil, "verify"))
			if !strings.Contains(f.stdout, "s3://bucket/bi/tables/snapshots/"+shown+"/clients/part-000") || !strings.Contains(f.stdout, "verify --repair") {
				t.Errorf("neither path nor remedy in\n%s", f.stdout)
			}
			want(t, 0, b.etl(b.dir, nil, "verify", "--repair"))
			want(t, 0, b.etl(b.dir, nil, "verify"))
			if b.shown(t) <= shown {
				t.Errorf("%s is shown", b.shown(t))
			}
		})
	}
}
