package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"roistat-etl/schemas"
)

const nightDatabase = "roistat_night"

// sent is what a night sent, as the server has counted it.
type sent struct {
	clients   int64 // read again
	touched   int64 // partitions that hold rows of those clients
	differing int64 // partitions that hold other rows than before
	total     int64 // partitions
	expected  int64 // rows in the differing ones
	rows      int64 // rows that came by INSERT, but for the books
	inserts   int64 // INSERTs, books included
	all       int64 // rows in all partitions
}

// clickhouseNight publishes a world, lets a hundredth of its clients change, and
// publishes again. What was sent is asked of the server.
func (b *bench) clickhouseNight(ctx context.Context, s *clickhouseServer) (text string, err error) {
	api, err := b.startSim(ctx, world{largeWorld, months})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, api.stop()) }()
	p, err := b.newPlace("clickhouse-night", api.url)
	if err == nil {
		err = p.configure(toClickHouse, api.url, s.destination(nightDatabase))
	}
	if err != nil {
		return "", err
	}
	first, err := b.etlRun(ctx, p, "-c", toClickHouse)
	if err != nil {
		return "", err
	}
	before, err := s.lookAtNight(ctx)
	if err != nil {
		return "", err
	}
	if err := api.night(ctx); err != nil {
		return "", err
	}
	second, err := b.etlRun(ctx, p, "-c", toClickHouse)
	if err != nil {
		return "", err
	}
	n, err := s.sentSince(ctx, before)
	if err != nil {
		return "", err
	}
	if changed := second.changed(); changed != n.differing {
		return "", fmt.Errorf("the report says %d partitions changed, by the server %d did", changed, n.differing)
	}
	if n.rows != n.expected {
		return "", fmt.Errorf("%d rows were inserted, the partitions that changed hold %d", n.rows, n.expected)
	}
	return n.text(first, second), errors.Join(forget(p.dir), s.drop(ctx, nightDatabase))
}

// nightView is what the server shows at a moment.
type nightView struct {
	contents      map[string]content
	rows, inserts int64  // counted since the server's start
	fetched       string // the latest feed
}

func (s *clickhouseServer) lookAtNight(ctx context.Context) (v nightView, err error) {
	if v.contents, err = s.contents(ctx, nightDatabase); err != nil {
		return v, err
	}
	latest, err := s.query(ctx, "SELECT max(feed_fetched_at) FROM %s.clients", nightDatabase)
	if err != nil {
		return v, err
	}
	v.fetched = latest[0][0]
	v.rows, err = s.number(ctx, "SELECT value FROM system.events WHERE event = 'InsertedRows'")
	if err != nil {
		return v, err
	}
	v.inserts, err = s.number(ctx, "SELECT value FROM system.events WHERE event = 'InsertQuery'")
	return v, err
}

// sentSince compares what the server shows now with what it showed.
func (s *clickhouseServer) sentSince(ctx context.Context, before nightView) (n sent, err error) {
	now, err := s.lookAtNight(ctx)
	if err != nil {
		return n, err
	}
	books, err := s.number(ctx, "SELECT (SELECT count() FROM %[1]s._partitions WHERE run = (SELECT max(run) FROM %[1]s._partitions)) + 1 /* _runs */", nightDatabase)
	if err != nil {
		return n, err
	}
	n.rows, n.inserts = now.rows-before.rows-books, now.inserts-before.inserts
	for name, c := range now.contents {
		rows, err := strconv.ParseInt(c.rows, 10, 64)
		if err != nil {
			return n, err
		}
		n.total++
		n.all += rows
		if before.contents[name] != c {
			n.differing++
			n.expected += rows
		}
	}
	again := fmt.Sprintf("SELECT client_id FROM %s.clients WHERE feed_fetched_at > '%s'", nightDatabase, before.fetched)
	if n.clients, err = s.number(ctx, "SELECT count() FROM (%s)", again); err != nil {
		return n, err
	}
	var touched []string
	for _, t := range schemas.Tables() {
		if t.ID.IsEvents() || t.ID == schemas.Clients {
			touched = append(touched, fmt.Sprintf("(SELECT uniqExact(_partition_id) FROM %s.%s WHERE client_id IN (%s))", nightDatabase, t.Name, again))
		}
	}
	n.touched, err = s.number(ctx, "SELECT %s", strings.Join(touched, " + "))
	return n, err
}

// number is the answer to a question for one.
func (s *clickhouseServer) number(ctx context.Context, format string, args ...any) (int64, error) {
	rows, err := s.query(ctx, format, args...)
	if err != nil {
		return 0, err
	}
	if len(rows) == 0 {
		return 0, nil
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}

func (n sent) text(first, second outcome) string {
	row := func(name string, o outcome, rows string) string {
		return fmt.Sprintf("| %s | %d | %s | %.2f | %.2f |\n", name, o.report.Calls.Feed, rows, o.wall.Seconds(), o.cpu.Seconds())
	}
	text := fmt.Sprintf("\n### A night\n\n%d clients, a hundredth of which did something, from the API into ClickHouse. One run each.\n\n"+
		"| run | feed calls | rows inserted | wall s | CPU s |\n|---|---|---|---|---|\n", largeWorld)
	text += row("first", first, "all")
	text += row("the night after", second, fmt.Sprintf("%d of %d, in %d of %d partitions", n.rows, n.all, n.differing, n.total))
	return text + fmt.Sprintf("\nBy the server's own count (system.events, less the lines in `_partitions` and `_runs`) %d rows came in %d INSERTs, books included: "+
		"just the rows of the %d partitions whose hashes changed, which the report says too; the others were attached. "+
		"%d clients were read again; they have rows in %d partitions. Goal, only what the changed clients touch: %s.\n",
		n.rows, n.inserts, n.differing, n.clients, n.touched, verdict(n.differing <= n.touched))
}
