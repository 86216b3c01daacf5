package privacy

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/internal/s3test"
	"roistat-etl/schemas"
)

// TestNothingIsLeft does all that can be done with the program, and searches all
// that is left for the key, the salt and persons.
func TestNothingIsLeft(t *testing.T) {
	s, db := newServer(t, 16), clickhousetest.Shared(t)
	database, bucket := db.Database(t), s3test.Start(t, "bucket")
	r := &trace{dir: t.TempDir(), env: append(s3test.Environ(bucket.Addr), "OPENLINEAGE_URL="+s.URL)}
	r.configure(t, s, fmt.Sprintf(`      - clickhouse: {url: %q, password: %s}
      - parquet: {path: "s3://bucket/tables", compression: none}
`, db.URL("etl", database), clickhousetest.Password), "    mirror_backup: s3://bucket/mirror\n")
	for _, step := range []struct {
		args string
		code int
		mode string
		kill time.Duration
	}{
		{"check", 0, "", 0},
		{"plan", 0, "", 0},
		{"run --json", 0, "", 0},
		{"run --progress log --metrics-file metrics.prom", 0, "", 0},
		{"run --full --progress bar", -1, "slow", 150 * time.Millisecond},
		{"run --full --json", 0, "", 0},
		{"run --full --json", 5, "fails", 0},
		{"run --full --accept max_failed_clients", 3, "fails", 0},
		{"run --full --json", 5, "odd", 0},
		{"run --json", 4, "refuses", 0},
		{"check --json", 4, "refuses", 0},
		{"plan", 4, "refuses", 0},
		{"import people.csv hidden --dry-run", 3, "", 0},
		{"import people.csv hidden --json", 3, "picky", 0},
		{"import people.csv hidden --again", 3, "", 0},
		{"import people.csv open --progress log", 3, "", 0},
		{"run --no-extract hidden", 0, "", 0},
		{"run -c wrong.yaml", 2, "", 0},
		{"run -c literal.yaml", 2, "", 0},
		{"check --json", 0, "", 0},
		{"plan --json", 0, "", 0},
		{"status", 0, "", 0},
		{"status --json", 0, "", 0},
		{"status --html status.html", 0, "", 0},
		{"verify --json", 0, "", 0},
		{"rejects hidden --json --limit 0", 0, "", 0},
		{"rejects hidden", 0, "", 0},
		{"show 1 --json", 0, "", 0},
		{"forget 1 5", 0, "", 0},
		{"forget 5 --json", 0, "", 0},
		{"verify", 0, "", 0},
		{"show 2", 0, "", 0},
	} {
		s.mode.Store(step.mode)
		if code := r.run(t, r.command(asItIs, strings.Fields(step.args)...), step.kill); code != step.code {
			last := r.said[len(r.said)-1]
			t.Errorf("%s: exit code %d, want %d\n%s%s", step.args, code, step.code, last.out, last.err)
		}
	}
	for _, found := range r.search(t) {
		t.Error(found)
	}
	r.forOwnerAlone(t)
	objects, err := append(secrets(), persons()...).Files(bucket.File("bucket", "tables"), nil)
	if _, absent := os.Stat(bucket.File("bucket", "tables/current.json")); err != nil || absent != nil || len(objects) > 0 {
		t.Errorf("in the bucket: %v, %v, %v", objects, err, absent)
	}
	if told := s.lineage.Bytes(); len(told) == 0 || append(secrets(), persons()...).In(told) != "" {
		t.Errorf("the lineage is %s", told)
	}
	if out := r.said[len(r.said)-1].out; persons().In([]byte(out)) == "" {
		t.Errorf("the person was never there: %s", out)
	}
	for _, table := range schemas.Tables() {
		rows, err := db.QueryAs(t.Context(), "admin", clickhousetest.Password, "SELECT * FROM "+database+"."+table.Name+" FORMAT TSVRaw")
		if err != nil || rows == "" {
			t.Errorf("%s: %v, %d bytes", table.Name, err, len(rows))
		}
		if word := append(secrets(), persons()...).In([]byte(rows)); word != "" {
			t.Errorf("in ClickHouse %s holds %s", table.Name, word)
		}
	}
}
