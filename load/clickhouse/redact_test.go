package clickhouse

import (
	"strings"
	"testing"
	"time"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
)

// TestRedactLeavesNoByteOfAReport: what a report in _runs named is gone from the
// table and from the server's disk, the other columns stay, and what a killed
// Redact has left goes, too.
func TestRedactLeavesNoByteOfAReport(t *testing.T) {
	server := clickhousetest.Start(t, clickhousetest.Options{})
	database := server.Database(t)
	d := as(t, server, "etl", database)
	outcomes, err := publish(t, d, run(1), withPerson(t, ""))
	must(t, outcomes, err)
	at := time.UnixMilli(1_700_000_000_000).UTC()
	for _, r := range []load.RunRecord{
		{Run: "20260101T000000Z-aaaaaa", Pipeline: "p", Project: "1", StartedAt: at, FinishedAt: at, ExitCode: 3, Outcome: "partial", LiveClients: 7, OldestFeed: at, Report: `{"error":"PERSONNAME person5@mail.ru"}`},
		{Run: "20260102T000000Z-aaaaaa", Pipeline: "p", Project: "1", StartedAt: at, FinishedAt: at, Outcome: "ok", Report: `{"error":null}`},
	} {
		if err := d.Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	describe := "SELECT name, type, comment FROM system.columns WHERE database = '" + database + "' AND table = '_runs' FORMAT CSV"
	rows := "SELECT * EXCEPT report FROM " + database + "._runs ORDER BY run FORMAT CSV"
	columns, before := server.Query(t, describe), server.Query(t, rows)
	if len(holders(t, server.Folder(), "PERSONNAME")) == 0 {
		t.Fatal("the search finds nothing even now")
	}
	server.Query(t, "CREATE TABLE "+database+"._runs__redacted (report String) ENGINE = MergeTree ORDER BY report")
	server.Query(t, "INSERT INTO "+database+"._runs__redacted VALUES ('PERSONNAME')")
	rewrite := func(report string) (string, error) {
		return strings.ReplaceAll(report, "PERSONNAME person5@mail.ru", "erased"), nil
	}
	for range 2 {
		if err := d.Redact(t.Context(), rewrite); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"PERSONNAME", "person5@mail.ru"} {
		for _, path := range holders(t, server.Folder(), text) {
			if !strings.Contains(path, "_log") && !strings.HasSuffix(path, ".log") { // of our own INSERT above
				t.Errorf("%s holds %s", path, text)
			}
		}
	}
	if server.Query(t, describe) != columns || server.Query(t, rows) != before {
		t.Errorf("more than the report has changed:\n%s\n%s", server.Query(t, describe), server.Query(t, rows))
	}
	if got := server.Query(t, "SELECT report FROM "+database+"._runs ORDER BY run FORMAT TSVRaw"); got != "{\"error\":\"erased\"}\n{\"error\":null}\n" {
		t.Errorf("reports: %s", got)
	}
	if got := server.Query(t, "SELECT name, comment FROM system.tables WHERE database = '"+database+"' AND name LIKE '\\_runs%' FORMAT CSV"); got != "\"_runs\",\"One row a run that published\"\n" {
		t.Errorf("tables: %s", got)
	}
}
