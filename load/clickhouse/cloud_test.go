package clickhouse

import (
	"errors"
	"strings"
	"testing"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// TestEnginesOfDatabases wants the reason in what is refused.
func TestEnginesOfDatabases(t *testing.T) {
	for engine, want := range map[string]string{
		"Atomic": "", "Shared": "",
		"Replicated": "the others would show another state",
		"Ordinary":   "has the engine Ordinary, which can't exchange tables at once",
		"Memory":     "can't exchange tables at once", "PostgreSQL": "can't exchange tables at once",
	} {
		err := judgeDatabase("db", engine)
		if want == "" && err != nil || want != "" && (!load.Refuses(err) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", engine, err)
		}
	}
	if err := judgeDatabase("db", ""); !errors.Is(err, errNoDatabase) {
		t.Errorf("none: %v", err)
	}
}

// TestEnginesOfTables gives published tables the engines that other servers report.
func TestEnginesOfTables(t *testing.T) {
	s := &state{live: map[schemas.ID]*table{}, other: map[string]string{runsTable: mergeTree, partitionsTable: mergeTree}}
	for _, t := range schemas.Tables() {
		s.live[t.ID] = &table{id: t.ID, name: t.Name, engine: mergeTree, ours: true, columns: columnsOf(t)}
	}
	for engine, want := range map[string]string{
		"MergeTree": "", "SharedMergeTree": "",
		"ReplicatedMergeTree":      "is ReplicatedMergeTree: tables are exchanged on one node",
		"ReplacingMergeTree":       "has the engine ReplacingMergeTree, not MergeTree",
		"SharedReplacingMergeTree": "has the engine SharedReplacingMergeTree, not MergeTree",
		"View":                     "has the engine View",
	} {
		for _, table := range []schemas.ID{schemas.Visits, schemas.Clients} {
			before := s.live[table].engine
			s.live[table].engine = engine
			err := s.foreign("db")
			if want == "" && err != nil || want != "" && (!load.Refuses(err) || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v", engine, err)
			}
			s.live[table].engine = before
		}
		for _, name := range []string{runsTable, partitionsTable} {
			s.other[name] = engine
			if err := s.foreign("db"); (err == nil) != (want == "") {
				t.Errorf("%s, %s: %v", name, engine, err)
			}
			s.other[name] = mergeTree
		}
	}
	s.other["daily_funnel"] = "SharedMergeTree"
	if err := s.foreign("db"); !load.Refuses(err) {
		t.Errorf("a table in a view's place: %v", err)
	}
}

// TestPublishAsInCloud publishes nights with what is done otherwise in ClickHouse
// Cloud: one connection for all statements, and tables without settings of their own.
func TestPublishAsInCloud(t *testing.T) {
	p := newPlace(t)
	if err := p.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p.cloud, p.settings = true, statementSettings()
	conn, err := p.connect(t.Context(), p.database, p.settings)
	if err != nil {
		t.Fatal(err)
	}
	p.conn = conn
	for i, seed := range []uint64{1, 2, 2} {
		n := world(t, seed, 20)
		outcomes, err := publish(t, p.Destination, run(i+1), n)
		must(t, outcomes, err)
		p.shows(t, run(min(i+1, 2)), n)
	}
	if got := p.query(t, "SELECT count() FROM system.tables WHERE database = '%s' AND create_table_query LIKE '%%dedup%%'", p.name); got != "0\n" {
		t.Errorf("%s tables have settings for a server's own disk", got)
	}
	for _, c := range p.Check(t.Context()) {
		if c.Err != nil {
			t.Errorf("%s: %v", c.What, c.Err)
		}
	}
}
