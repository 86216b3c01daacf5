package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	readersDatabase = "bench_readers"
	readersRows     = 10_000_000 // of visits
	readersNights   = 7          // in which a hundredth of the clients came again
	readersGoal     = 3          // times as fast
	asked           = 7          // times a round
)

// readers are the questions that an analyst asks of both tables.
type readers struct {
	rows, again int64
	parts       string
	questions   []*question
}

// question is what the answers took, in milliseconds.
type question struct {
	name, sql    string
	clean, final series
	ratio        series
}

func questions() []*question {
	const month, year = "occurred_at >= '2025-05-01' AND occurred_at < '2025-06-01'", "occurred_at >= '2025-01-01' AND occurred_at < '2026-01-01'"
	return []*question{
		{name: "visits by source, a month", sql: "SELECT source_title, count() FROM %s WHERE " + month + " GROUP BY source_title"},
		{name: "visits by source, a year", sql: "SELECT source_title, count() FROM %s WHERE " + year + " GROUP BY source_title"},
		{name: "visitors by day, a month", sql: "SELECT toDate(occurred_at) AS day, uniqExact(client_id) FROM %s WHERE " + month + " GROUP BY day"},
	}
}

// measureReaders copies the published visits until they are many into a table as
// ours and into a ReplacingMergeTree, to which nights then bring some clients
// again, and asks both the same.
func (b *bench) measureReaders(ctx context.Context, s *clickhouseServer) (*readers, error) {
	r := &readers{questions: questions()}
	if err := s.empty(ctx, readersDatabase); err != nil {
		return nil, err
	}
	if err := r.fill(ctx, s); err != nil {
		return nil, err
	}
	for range asked * b.rounds {
		for _, q := range r.questions {
			clean, err := s.ask(ctx, q.sql, "clean")
			if err != nil {
				return nil, err
			}
			final, err := s.ask(ctx, q.sql, "replacing FINAL")
			if err != nil {
				return nil, err
			}
			q.clean.add(clean)
			q.final.add(final)
			q.ratio.add(final / clean)
		}
	}
	for _, q := range r.questions {
		if err := s.agree(ctx, q); err != nil {
			return nil, err
		}
	}
	return r, s.drop(ctx, readersDatabase)
}

// fill makes both tables, and waits until the server has nothing more to merge.
func (r *readers) fill(ctx context.Context, s *clickhouseServer) error {
	const visits = oursDatabase + ".visits"
	have, err := s.number(ctx, "SELECT count() FROM "+visits)
	if err != nil {
		return err
	}
	if have == 0 {
		return errors.New("there are no visits to copy")
	}
	const clean, replacing = readersDatabase + ".clean", readersDatabase + ".replacing"
	const keys = " PARTITION BY toYYYYMM(occurred_at) ORDER BY (toDate(occurred_at), client_id, event_id)"
	statements := []string{
		"CREATE TABLE " + clean + " AS " + visits + " ENGINE = MergeTree" + keys,
		"ALTER TABLE " + clean + " ADD COLUMN version UInt32",
		"CREATE TABLE " + replacing + " AS " + clean + " ENGINE = ReplacingMergeTree(version)" + keys,
		"INSERT INTO " + clean + " SELECT * REPLACE (client_id + copy * 1000000000 AS client_id, " +
			"substring(lower(hex(sipHash128(event_id, copy))), 1, 24) AS event_id), 0 FROM " + visits +
			fmt.Sprintf(" ARRAY JOIN range(%d) AS copy", (readersRows+have-1)/have),
		"INSERT INTO " + replacing + " SELECT * FROM " + clean,
	}
	for night := range readersNights {
		statements = append(statements, fmt.Sprintf("INSERT INTO %s SELECT * REPLACE (%d AS version) FROM %s WHERE cityHash64(client_id, %[2]d) %% 100 = 0", replacing, night+1, clean))
	}
	for _, q := range statements {
		if _, err := s.query(ctx, "%s", q); err != nil {
			return err
		}
	}
	return r.settle(ctx, s)
}

// settle waits for the merges, and notes what they left.
func (r *readers) settle(ctx context.Context, s *clickhouseServer) error {
	for quiet := 0; quiet < 10; {
		n, err := s.number(ctx, "SELECT count() FROM system.merges WHERE database = '%s'", readersDatabase)
		if err != nil {
			return err
		}
		if quiet++; n > 0 {
			quiet = 0
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
	var err error
	if r.rows, err = s.number(ctx, "SELECT count() FROM %s.clean", readersDatabase); err != nil {
		return err
	}
	if r.again, err = s.number(ctx, "SELECT count() FROM %s.replacing", readersDatabase); err != nil {
		return err
	}
	parts, err := s.query(ctx, "SELECT countIf(table = 'clean'), countIf(table = 'replacing'), uniqExact(partition) FROM system.parts WHERE active AND database = '%s'", readersDatabase)
	if err == nil {
		r.parts = fmt.Sprintf("%s and %s parts in %s months", parts[0][0], parts[0][1], parts[0][2])
	}
	return err
}

// ask is how long an answer takes, in milliseconds.
func (s *clickhouseServer) ask(ctx context.Context, sql, table string) (float64, error) {
	start := time.Now()
	_, err := s.query(ctx, sql+" FORMAT Null", readersDatabase+"."+table)
	return float64(time.Since(start).Microseconds()) / 1000, err
}

// agree sees that both tables answer alike.
func (s *clickhouseServer) agree(ctx context.Context, q *question) error {
	clean, err := s.query(ctx, q.sql+" ORDER BY ALL", readersDatabase+".clean")
	if err != nil {
		return err
	}
	final, err := s.query(ctx, q.sql+" ORDER BY ALL", readersDatabase+".replacing FINAL")
	if err != nil {
		return err
	}
	if fmt.Sprint(clean) != fmt.Sprint(final) {
		return fmt.Errorf("the two tables give other answers to: %s", q.name)
	}
	return nil
}

func (r *readers) text() string {
	text := fmt.Sprintf("\n### Readers\n\n%d visits (those of the first world, copied under other ids) in a MergeTree as ours, and in a ReplacingMergeTree to which %d nights brought a hundredth of the clients again "+
		"(%d rows), read with FINAL: the same answers. %s, after the server had merged what it would.\n\n"+
		"| question | MergeTree, ms | ReplacingMergeTree FINAL, ms | ratio |\n|---|---|---|---|\n", r.rows, readersNights, r.again, r.parts)
	for _, q := range r.questions {
		text += fmt.Sprintf("| %s | %s | %s | %s |\n", q.name, q.clean.show("%.0f"), q.final.show("%.0f"), q.ratio.show("%.1f"))
	}
	month := r.questions[0].ratio.median()
	return text + fmt.Sprintf("\n%s: goal %d times or more: %s.\n", r.questions[0].name, readersGoal, verdict(month >= readersGoal))
}
