package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roistat-etl/load"
)

// Record adds a run to _runs.
func (d *Destination) Record(ctx context.Context, r load.RunRecord) error {
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+ident(runsTable)+
		" (run, pipeline, project, started_at, finished_at, exit_code, outcome, clients, feeds_never_fetched, feeds_left, rejects, oldest_feed_at, report)")
	if err != nil {
		return fmt.Errorf("write %s: %w", runsTable, classify(err))
	}
	var oldest *time.Time
	if !r.OldestFeed.IsZero() {
		oldest = &r.OldestFeed
	}
	err = batch.Append(r.Run, r.Pipeline, r.Project, r.StartedAt, r.FinishedAt, int32(r.ExitCode), r.Outcome,
		r.LiveClients, r.NeverFetched, r.Left, r.Rejects, oldest, r.Report)
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", runsTable, err), batch.Abort())
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("write %s: %w", runsTable, classify(err))
	}
	return nil
}
