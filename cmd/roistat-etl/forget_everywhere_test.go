package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/schemas"
)

// everywhere is a pipeline with a folder, a bucket and a database.
type everywhere struct {
	*inBucket
	db       *clickhousetest.Server
	database string
}

func newEverywhere(t *testing.T) *everywhere {
	t.Helper()
	e := &everywhere{inBucket: newBucket(t), db: clickhousetest.Start(t, clickhousetest.Options{})}
	e.database = e.db.Database(t)
	e.configure(t, e.dir, "extract: {campaigns: [{id: 2}]}", fmt.Sprintf(
		`load: [{parquet: {path: out}}, {clickhouse: {url: %q, password: %s}}, {parquet: {path: "s3://bucket/bi/tables"}}]`, e.db.URL("etl", e.database), clickhousetest.Password))
	return e
}

// in lists what is left of the persons, in all places.
func (e *everywhere) in(t *testing.T, people []person) (found []string) {
	t.Helper()
	for _, dir := range []string{e.dir, e.server.File("bucket", ""), e.db.Folder()} {
		more, err := tracesIn(dir, people)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, more...)
	}
	for _, table := range schemas.Tables() {
		rows := e.db.Query(t, "SELECT * FROM "+e.database+"."+table.Name+" FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0")
		for _, p := range people {
			for _, mark := range append(p.Marks, fmt.Sprintf(`"client_id":%d,`, p.Client)) {
				if strings.Contains(rows, mark) {
					found = append(found, "the table "+table.Name+" holds "+mark)
				}
			}
		}
	}
	return found
}

// parts opens the files of all parts in which the server keeps rows of a client:
// compressed as they are, they can't be searched.
func (e *everywhere) parts(t *testing.T, client int64) (files []*os.File) {
	t.Helper()
	for _, table := range schemas.Tables() {
		if table.Column("client_id") < 0 {
			continue
		}
		q := fmt.Sprintf("SELECT path FROM system.parts WHERE database = '%s' AND table = '%s' AND name IN (SELECT DISTINCT _part FROM %[1]s.%[2]s WHERE client_id = %d)", e.database, table.Name, client)
		for path := range strings.Lines(e.db.Query(t, q)) {
			names, err := filepath.Glob(filepath.Join(strings.TrimSpace(path), "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				f, err := os.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = f.Close() })
				files = append(files, f)
			}
		}
	}
	return files
}

// named lists those of the open files that have a name still.
func named(t *testing.T, files []*os.File) (left []string) {
	t.Helper()
	for _, f := range files {
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.Sys().(*syscall.Stat_t).Nlink > 0 {
			left = append(left, f.Name())
		}
	}
	return left
}

// erasure is what forget --json prints.
type erasure struct {
	Outcome      string
	Destinations []struct{ Kind, State string }
	StillShows   []string `json:"still_shows"`
}

func (e *everywhere) forget(t *testing.T, code int, ids ...string) (x erasure) {
	t.Helper()
	out := want(t, code, e.etl(e.dir, nil, append([]string{"forget", "--json"}, ids...)...)).stdout
	if err := json.Unmarshal([]byte(out), &x); err != nil {
		t.Fatal(err)
	}
	return x
}

// TestForgottenInEveryDestination looks for persons wherever they were, to the
// byte and to the file; and with ClickHouse away the others don't show them any
// more, and it doesn't once it is back.
func TestForgottenInEveryDestination(t *testing.T) {
	e := newEverywhere(t)
	for range 2 {
		want(t, 0, e.etl(e.dir, nil, "run", "--full"))
		if _, err := e.sim.control("POST", "/_sim/night?share=30%", ""); err != nil {
			t.Fatal(err)
		}
	}
	people := personsIn(t, e.dir, []string{"7", "9", "11", "12"})
	if len(e.in(t, people[:2])) < 12 || len(e.parts(t, 7)) == 0 {
		t.Fatalf("the search finds little even now: %v", e.in(t, people[:2]))
	}
	old := append(e.parts(t, 7), e.parts(t, 9)...)
	if x := e.forget(t, 0, "7", "9"); x.Outcome != "ok" || len(x.StillShows) > 0 {
		t.Errorf("%+v", x)
	}
	if found := e.in(t, people[:2]); len(found) > 0 {
		t.Errorf("found: %s", strings.Join(found, "\n"))
	}
	if left := named(t, old); len(left) > 0 {
		t.Errorf("the server has kept %v", left)
	}
	want(t, 0, e.etl(e.dir, nil, "verify"))

	old = append(e.parts(t, 11), e.parts(t, 12)...)
	e.db.Kill()
	x := e.forget(t, 1, "11", "12")
	if len(x.StillShows) != 1 || !strings.HasPrefix(x.StillShows[0], "clickhouse ") || x.Destinations[0].State != "published" || x.Destinations[2].State != "published" {
		t.Errorf("with ClickHouse away: %+v", x)
	}
	e.db.Restart()
	want(t, 1, e.etl(e.dir, nil, "verify")) // and it says why
	want(t, 0, e.etl(e.dir, nil, "run"))
	if found := e.in(t, people); len(found) > 0 {
		t.Errorf("after a run found: %s", strings.Join(found, "\n"))
	}
	if left := named(t, old); len(left) > 0 {
		t.Errorf("after a run the server has kept %v", left)
	}
	want(t, 0, e.etl(e.dir, nil, "verify"))
}
