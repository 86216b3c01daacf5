package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"time"

	"roistat-etl/schemas"
)

// redactedTable is _runs while its reports are rewritten, then what it was.
const redactedTable = runsTable + "__redacted"

// runRow is a row of _runs.
type runRow struct {
	run, pipeline, project, outcome string
	started, finished               time.Time
	code                            int32
	clients, never, left, rejects   int64
	oldest                          *time.Time
	report                          string
}

func (r *runRow) values() []any {
	return []any{r.run, r.pipeline, r.project, r.started, r.finished, r.code, r.outcome, r.clients, r.never, r.left, r.rejects, r.oldest, r.report}
}

func (r *runRow) places() []any {
	return []any{&r.run, &r.pipeline, &r.project, &r.started, &r.finished, &r.code, &r.outcome, &r.clients, &r.never, &r.left, &r.rejects, &r.oldest, &r.report}
}

// Redact rewrites the reports in _runs: into a table of its own, which is
// exchanged for it, since a mutation would leave the old parts for minutes. The
// old one is dropped with its files, also one that a killed Redact has left.
func (d *Destination) Redact(ctx context.Context, rewrite func(report string) (string, error)) error {
	s, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	if _, ok := s.other[redactedTable]; ok {
		if err := d.drop(ctx, redactedTable); err != nil {
			return err
		}
	}
	if _, ok := s.other[runsTable]; !ok {
		return nil
	}
	rows, changed, err := d.redacted(ctx, rewrite)
	if err != nil || !changed {
		return err
	}
	create := strings.ReplaceAll(schemas.RunsStatement(), schemas.Ident(runsTable), schemas.Ident(redactedTable))
	if err := d.exec(ctx, create); err != nil {
		return fmt.Errorf("rewrite %s: %w", runsTable, err)
	}
	err = d.add(ctx, redactedTable, runsColumns(), func(row func(...any) error) error {
		for _, r := range rows {
			if err := row(r.values()...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.exec(ctx, "EXCHANGE TABLES "+schemas.Ident(redactedTable)+" AND "+schemas.Ident(runsTable)); err != nil {
		return fmt.Errorf("rewrite %s: %w", runsTable, err)
	}
	return d.drop(ctx, redactedTable)
}

// redacted reads _runs with its reports rewritten, and tells whether any changed.
func (d *Destination) redacted(ctx context.Context, rewrite func(report string) (string, error)) (rows []*runRow, changed bool, err error) {
	err = d.query(ctx, "SELECT "+columnList(runsColumns())+" FROM "+schemas.Ident(runsTable), func(scan func(...any) error) error {
		r := &runRow{}
		if err := scan(r.places()...); err != nil {
			return err
		}
		text, err := rewrite(r.report)
		if err != nil {
			return fmt.Errorf("the report of run %s: %w", r.run, err)
		}
		changed = changed || text != r.report
		r.report = text
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", runsTable, err)
	}
	return rows, changed, nil
}
