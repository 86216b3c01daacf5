package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"roistat-etl/extract"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/bucket"
	"roistat-etl/load"
	"roistat-etl/load/clickhouse"
	"roistat-etl/load/parquet"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
)

// destination is one entry of a pipeline's load list.
type destination struct {
	load.Destination
	kind, target string
}

// String names the destination in errors.
func (d destination) String() string { return d.kind + " " + d.target }

// openDestinations makes the destinations in the configured order.
func openDestinations(p *config.Pipeline) ([]destination, error) { return openWith(p, nil) }

// openWith is openDestinations for who wants to be told what is waited for.
func openWith(p *config.Pipeline, log *slog.Logger) ([]destination, error) {
	var out []destination
	for _, l := range p.Load {
		switch {
		case l.Parquet != nil:
			d, err := openParquet(p, l.Parquet, log)
			if err != nil {
				return nil, errors.Join(classed(Misconfigured, "parquet %s: %w", l.Parquet.Path, err), closeDestinations(out))
			}
			out = append(out, destination{Destination: d, kind: "parquet", target: l.Parquet.Path})
		case l.ClickHouse != nil:
			d, err := clickhouse.New(clickhouse.Options{URL: l.ClickHouse.URL, Password: l.ClickHouse.Password.Reveal(), CAFile: l.ClickHouse.CAFile})
			if err != nil {
				return nil, classed(Misconfigured, "clickhouse: %w", err)
			}
			out = append(out, destination{Destination: d, kind: "clickhouse", target: strings.TrimPrefix(d.String(), "clickhouse ")})
		}
	}
	return out, nil
}

// openParquet makes a destination of a folder or a bucket. What goes into a bucket
// is made beside the mirror, where the spilled rows are, too.
func openParquet(p *config.Pipeline, l *config.Parquet, log *slog.Logger) (load.Destination, error) {
	o := parquet.Options{Path: l.Path, Compression: l.Compression, Keep: l.Keep, Scratch: filepath.Dir(p.Mirror), Log: log}
	if !strings.HasPrefix(l.Path, bucket.Scheme) {
		return parquet.New(o)
	}
	if _, err := os.Stat(o.Scratch); err != nil { // who only reads has no mirror, and needs none
		o.Scratch = ""
	}
	return parquet.NewBucket(o)
}

// closeDestinations gives back what the destinations hold.
func closeDestinations(list []destination) error {
	var all []error
	for _, d := range list {
		if c, ok := d.Destination.(io.Closer); ok {
			all = append(all, c.Close())
		}
	}
	return errors.Join(all...)
}

// finishCut lets the destinations finish commits that were cut, before anything
// else. One that is away is asked again when it is published to; one that
// refuses for good ends the run before it has cost a call.
func (r *running) finishCut(ctx context.Context) error {
	if r.options.NoPublish {
		return nil
	}
	for _, d := range r.destinations {
		c, ok := d.Destination.(load.Recoverer)
		if !ok || r.damage[d.target] != nil { // a repair knows best what it finds there
			continue
		}
		err := c.Recover(ctx, r.mirrorID)
		switch {
		case load.Refuses(err):
			return publishError(ctx, fmt.Errorf("%s: %w", d, err))
		case err != nil:
			r.log.Warn("the destination can't be reached yet", "destination", d.String(), "error", err)
		}
	}
	return nil
}

// enter writes the run down at the destinations that keep a list of runs and show it.
func (r *running) enter(ctx context.Context) error {
	for i, d := range r.destinations {
		c, ok := d.Destination.(load.Recorder)
		if !ok || r.report.Destinations[i].State != string(load.Published) {
			continue
		}
		x, err := r.runRecord()
		if err != nil {
			return err
		}
		if err := c.Record(ctx, x); err != nil {
			return publishError(ctx, fmt.Errorf("%s shows the run, but can't list it: %w", d, err))
		}
	}
	return nil
}

// runRecord is the run as a destination lists it.
func (r *running) runRecord() (load.RunRecord, error) {
	text, err := r.report.encode()
	x := load.RunRecord{
		Run: r.report.Run, Pipeline: r.report.Pipeline, Project: r.report.Project, StartedAt: r.report.StartedAt, FinishedAt: r.report.FinishedAt,
		ExitCode: r.report.ExitCode, Outcome: string(r.report.Outcome), LiveClients: r.live, NeverFetched: r.report.Feeds.NeverFetched,
		Left: r.report.Feeds.Left, Rejects: r.report.Tables[schemas.Get(schemas.Rejects).Name].Rows, Report: text,
	}
	if at := r.report.Feeds.OldestAt; at != nil {
		x.OldestFeed = *at
	}
	return x, err
}

// publish judges the projection and, if it may pass, brings it to all destinations.
func (r *running) publish(ctx context.Context, rows *projection) error {
	published, err := r.published(ctx)
	if err != nil {
		return err
	}
	if r.erased, err = pendingErasure(ctx, r.mirror.Reader); err != nil {
		return err
	}
	if err := r.forgive(ctx); err != nil {
		return err
	}
	partitions := rows.snapshot.Partitions()
	r.countTables(partitions, published)
	if r.options.NoPublish {
		return r.endFull(ctx)
	}
	if err := r.judge(ctx, rows, published); err != nil {
		return err
	}
	// Whatever becomes of the publishing: these feeds have passed.
	if err := r.mirror.Accept(ctx); err != nil {
		return err
	}
	r.live = rows.counts.live
	outcomes, err := load.Publish(ctx, r.targets(), r.publishing(rows), rows.snapshot, r.workers())
	for i, o := range outcomes {
		r.report.Destinations[i].State, r.report.Destinations[i].Run = string(o.State), o.Run
	}
	if err != nil {
		return publishError(ctx, err)
	}
	return r.settle(context.WithoutCancel(ctx))
}

// publishing is what the run says of itself to a destination.
func (r *running) publishing(rows *projection) load.Run {
	return load.Run{
		Run: r.report.Run, Pipeline: r.pipeline.Name, Project: r.pipeline.Project, Mirror: r.mirrorID,
		ReportTimezone: r.pipeline.Transform.ReportTimezone.String(), LiveClients: rows.counts.live, Adopt: r.options.Adopt,
	}
}

// settle ends what a publishing ends.
func (r *running) settle(ctx context.Context) error {
	for i := range r.destinations {
		if err := errors.Join(r.warnOfOlder(ctx, i), r.noteShown(ctx, i)); err != nil {
			return err
		}
	}
	return errors.Join(r.endErasure(ctx), r.mirror.SetMeta(ctx, mirror.MetaRejectsDropped, ""), r.endFull(ctx))
}

// forgive tells the gates of the rejects of imports that were dropped: they are no loss.
func (r *running) forgive(ctx context.Context) error {
	text, err := r.mirror.Meta(ctx, mirror.MetaRejectsDropped)
	if err != nil || text == "" {
		return err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	r.erased.Rows[schemas.Rejects.String()] += n
	return err
}

// noteShown notes which extraction a destination shows and under which privacy
// rules, so that verify knows when to compare it with the mirror.
func (r *running) noteShown(ctx context.Context, i int) error {
	extracted, err := r.mirror.Meta(ctx, metaExtracted)
	if err != nil {
		return err
	}
	rules, err := protectionOf(r.pipeline).encode()
	if err != nil {
		return err
	}
	d := r.destinations[i]
	return errors.Join(
		r.mirror.SetMeta(ctx, metaShown(d), shown(r.report.Destinations[i].Run, extracted)),
		r.mirror.SetMeta(ctx, metaProtection(d), rules),
	)
}

// endFull ends a full reading whose run has come to its end; one that was cut
// short is gone on with.
func (r *running) endFull(ctx context.Context) error {
	return extract.EndFull(ctx, r.mirror, r.options.Full && r.extracted != nil && r.extracted.Stopped == "")
}

// metaShown is the mirror's key for what a destination shows.
func metaShown(d destination) string { return "shown by " + d.String() }

// shown pairs a published run with the extraction whose rows it shows.
func shown(run, extracted string) string { return run + " of " + extracted }

func (r *running) targets() []load.Destination {
	out := make([]load.Destination, len(r.destinations))
	for i, d := range r.destinations {
		out[i] = d
		if anew := r.damage[d.target]; anew != nil {
			out[i] = &repaired{d.Destination, d.String(), anew}
		}
	}
	return out
}

// published reads what each destination shows; nil where nothing does.
func (r *running) published(ctx context.Context) ([]*load.Manifest, error) {
	out := make([]*load.Manifest, len(r.destinations))
	var first error
	r.report.Destinations = make([]DestinationState, len(r.destinations))
	for i, d := range r.destinations {
		state := &r.report.Destinations[i]
		*state = DestinationState{Kind: d.kind, Target: d.target, State: string(load.Skipped)}
		m, err := d.Published(ctx)
		if err != nil && first == nil {
			first = publishError(ctx, fmt.Errorf("%s: %w", d, err))
		}
		if m != nil {
			out[i], state.Run = m, m.Run
		}
	}
	return out, first
}

// publishError gives an error of a destination its class.
func publishError(ctx context.Context, err error) error {
	switch {
	case interrupted(ctx):
		return classed(Aborted, "interrupted while publishing; what was published before is unchanged: %w", err)
	case errors.Is(err, load.ErrForeign):
		return classed(Stopped, "%w: if this mirror is to replace that one, run once with --adopt", err)
	case mirrorLost(err):
		return classed(Broken, "%w", err)
	case load.Refuses(err):
		return classed(Misconfigured, "%w", err)
	default:
		return classed(Broken, "%w; what was fetched is kept: run again later", err)
	}
}

// countTables fills the report's tables. What was before is what the first destination shows.
func (r *running) countTables(partitions []load.Partition, published []*load.Manifest) {
	var before *load.Manifest
	if len(published) > 0 {
		before = published[0]
	}
	for _, t := range schemas.Tables() {
		c := TableCounts{}
		if before != nil {
			c.RowsBefore = before.Tables[t.Name].Rows
		}
		for _, p := range partitions {
			if p.Table == t.ID {
				c.Rows += p.Rows
				c.Partitions++
				if !showsRows(before, p) {
					c.Changed++
				}
			}
		}
		r.report.Tables[t.Name] = c
	}
}

// showsRows tells whether the partition's rows are published, by whatever writer.
func showsRows(m *load.Manifest, p load.Partition) bool {
	return m != nil && func() bool { _, ok := m.Same(p, m.Writer); return ok }()
}

// judge evaluates the gates and ownership; a gate that stops restores the feeds of the last good run.
func (r *running) judge(ctx context.Context, rows *projection, published []*load.Manifest) error {
	if err := r.judgeLineage(ctx, published); err != nil {
		return err
	}
	r.report.Gates = judge(r.evidence(rows, published), r.limits())
	for _, g := range r.report.Gates {
		if g.Accepted {
			r.report.Reasons = append(r.report.Reasons, fmt.Sprintf("gate %s was passed by --accept: %s", g.Name, g.Detail))
		}
	}
	names := stopped(r.report.Gates)
	if len(names) == 0 {
		return nil
	}
	if _, err := r.mirror.Restore(ctx); err != nil {
		return err
	}
	if err := r.endFull(ctx); err != nil { // what was read is not trusted: the next one reads anew
		return err
	}
	return classed(Stopped, "stopped by %s; what was published before is unchanged", strings.Join(names, ", "))
}

func (r *running) evidence(rows *projection, published []*load.Manifest) evidence {
	e := evidence{
		failed: r.report.Feeds.Failed, attempted: r.report.Feeds.Fetched + r.report.Feeds.Failed,
		feedRejects: rows.counts.feedRejects, items: rows.counts.items, live: rows.counts.live,
		rows: map[schemas.ID]int64{}, published: published, accepted: map[string]bool{}, erased: r.erased,
	}
	for _, t := range schemas.Tables() {
		e.rows[t.ID] = r.report.Tables[t.Name].Rows
	}
	for _, name := range r.options.Accept {
		e.accepted[name] = true
	}
	return e
}

func (r *running) limits() Limits {
	g := r.pipeline.Gates
	return Limits{
		FailedClients: float64(g.MaxFailedClients), ClientDrop: float64(g.MaxClientDrop),
		RowDrop: float64(g.MaxRowDrop), Rejects: float64(g.MaxRejects),
	}
}
