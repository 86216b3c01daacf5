package clickhouse

import (
	"context"
	"time"

	"roistat-etl/load"
)

// Record adds a run to _runs.
func (d *Destination) Record(ctx context.Context, r load.RunRecord) error {
	var oldest *time.Time
	if !r.OldestFeed.IsZero() {
		oldest = &r.OldestFeed
	}
	return d.add(ctx, runsTable, runsColumns(), func(row func(...any) error) error {
		return row(r.Run, r.Pipeline, r.Project, r.StartedAt, r.FinishedAt, int32(r.ExitCode), r.Outcome,
			r.LiveClients, r.NeverFetched, r.Left, r.Rejects, oldest, r.Report)
	})
}

func runsColumns() []string {
	return []string{
		"run", "pipeline", "project", "started_at", "finished_at", "exit_code", "outcome",
		"clients", "feeds_never_fetched", "feeds_left", "rejects", "oldest_feed_at", "report",
	}
}
