// Package pipeline turns a pipeline of pipelines.yaml into a run, and a run into
// a report.
//
// A run takes the lock of its mirror, extracts into it, projects the whole
// mirror into spilled rows, and publishes them to every destination: all are
// staged, then all are checked, then they commit in the configured order. What
// went wrong is an [Error] with a [Class]; which exit code that becomes is
// decided by the program. Every way a run can end gives a [Report].
//
// The reading commands (status, verify, rejects, show) work on the mirror and
// the destinations as they are, without a lock, also while a run is on.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/extract"
	"roistat-etl/extract/backup"
	"roistat-etl/extract/mirror"
	"roistat-etl/load"
	"roistat-etl/pipeline/config"
	"roistat-etl/transform"
)

// Progress tells how far the extraction of a run is.
type Progress = extract.Progress

// Snapshot is one look at a Progress.
type Snapshot = extract.Snapshot

// Options are what a command line adds to a pipeline's configuration.
type Options struct {
	Budget    *int           // feed calls; nil: as configured
	Deadline  *time.Duration // of the extraction; nil: as configured
	Full      bool           // every feed read before the start is due
	NoExtract bool           // project and publish from the mirror alone
	NoPublish bool           // extract only
	Accept    []string       // gates that may be passed once
	Adopt     bool           // publish over another mirror's work
	Wait      time.Duration  // for the lock
	Workers   int            // of projection and loading; 0: one a core
	SaveEvery time.Duration  // between two copies of the mirror; 0: 20 minutes

	Log      *slog.Logger
	Progress *Progress       // tells how far the extraction is; may be nil
	Begun    func(*Report)   // called once the run has its mirror and its name; may be nil
	ExitCode func(Class) int // for the report

	Transport http.RoundTripper // replaces the network, in tests
}

// Run runs a pipeline once. The report says everything, failures included; its
// Error is set whenever the outcome is neither ok nor partial.
func Run(ctx context.Context, p *config.Pipeline, o Options) *Report {
	return execute(ctx, p, o, nil)
}

// execute is a run, which may be there to repair what is published.
func execute(ctx context.Context, p *config.Pipeline, o Options, found damage) *Report {
	start := time.Now()
	r := &running{pipeline: p, options: o, began: start, damage: found, log: o.Log.With("pipeline", p.Name)}
	name, err := newRun(start)
	r.report = newReport(name, p.Name, p.Project, start)
	if err == nil {
		err = r.locked(ctx)
	}
	if err != nil { // what went wrong after the report had been finished
		r.finish(errors.Join(r.failed, err))
	}
	if r.mirror == nil {
		r.report.recall(context.WithoutCancel(ctx), p.Mirror)
	}
	return r.report
}

// running is one run under way.
type running struct {
	pipeline     *config.Pipeline
	options      Options
	damage       damage // that is repaired; nil: none
	log          *slog.Logger
	report       *Report
	held         *held
	mirror       *mirror.Mirror // that is held
	mirrorID     string
	destinations []destination
	extracted    *extract.Result
	live         int64 // clients, of the projection that is published
	erased       erased
	clockOff     bool // by the API's
	began        time.Time
	eachApart    bool  // what one destination refuses doesn't stop the others
	failed       error // as the report says it
}

// locked runs with the mirror held.
func (r *running) locked(ctx context.Context) error {
	return r.hold(ctx, r.stages)
}

// hold holds the mirror for as long as the stages need it, and keeps the report.
func (r *running) hold(ctx context.Context, stages func(context.Context) error) (err error) {
	h, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close(context.WithoutCancel(ctx))) }()
	if r.mirrorID, err = h.ID(ctx); err != nil {
		return aborted(ctx, err)
	}
	r.held, r.mirror = h, h.Mirror
	return h.guard(ctx, func(ctx context.Context) error {
		refused := r.lookAhead(ctx)
		if err := r.begin(ctx); err != nil {
			return errors.Join(aborted(ctx, err), closeDestinations(r.destinations))
		}
		if r.options.Begun != nil {
			r.options.Begun(r.report)
		}
		return r.whole(ctx, func(ctx context.Context) error {
			if refused != nil {
				return refused
			}
			return stages(ctx)
		})
	})
}

// begin enters the run in the mirror, before anything is asked or published: the
// mirror knows every run that it may have published, also one that is killed.
func (r *running) begin(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("enter the run: %w", err)
	}
	return r.mirror.BeginRun(ctx, mirror.Begun{Run: r.report.Run, StartedAt: r.report.StartedAt, Host: host, PID: os.Getpid()})
}

// whole is the run from its first stage to the record of it. That is kept in the
// mirror, and the mirror in its copy.
func (r *running) whole(ctx context.Context, stages func(context.Context) error) error {
	err := aborted(ctx, stages(ctx))
	if cause := context.Cause(ctx); errors.Is(cause, backup.ErrTaken) {
		err = cause
	}
	unhurried := context.WithoutCancel(ctx)
	r.finish(errors.Join(err, r.state(unhurried)))
	if unlisted := r.enter(unhurried); unlisted != nil {
		err = errors.Join(err, unlisted)
		r.finish(err)
	}
	unkept := r.record(unhurried)
	if unsaved := r.held.last(ctx); unsaved != nil {
		r.finish(errors.Join(err, unsaved))
		unkept = r.record(unhurried)
	}
	return errors.Join(unkept, closeDestinations(r.destinations))
}

// open takes the mirror, waiting for it as long as was asked for. The run is
// named when it tries: the one that publishes later must have the greater name.
func (r *running) open(ctx context.Context) (*held, error) {
	if r.pipeline.MirrorBackup == "" && isAbsent(r.pipeline.Mirror) && r.damage == nil {
		if err := aborted(ctx, r.refuseAbsent(ctx)); err != nil {
			return nil, err
		}
	}
	if err := r.something(); err != nil {
		return nil, err
	}
	first := true
	name := func() (string, error) {
		if first {
			first = false
			return r.report.Run, nil
		}
		name, err := newRun(time.Now())
		r.report.Run = name
		return name, err
	}
	return hold(ctx, r.pipeline, holding{
		name: name, until: r.began.Add(r.options.Wait), exists: r.options.NoExtract, adopt: r.options.Adopt,
		every: r.options.SaveEvery, log: r.log, absent: r.refuseAbsent,
	})
}

// something refuses to publish from a mirror that isn't there, before one is made.
func (r *running) something() error {
	_, err := os.Stat(r.pipeline.Mirror)
	if r.options.NoExtract && r.pipeline.MirrorBackup == "" && errors.Is(err, fs.ErrNotExist) {
		if r.damage != nil {
			return nothingToRepairFrom(r.pipeline.Mirror)
		}
		return nothingToPublish(r.pipeline.Mirror)
	}
	return nil
}

// filled refuses to publish from a mirror that no run has brought anything into:
// import and forget make one, too.
func (r *running) filled(ctx context.Context) error {
	by, err := r.mirror.Meta(ctx, metaExtracted)
	if err == nil && by == "" && r.options.NoExtract {
		return nothingToPublish(r.pipeline.Mirror)
	}
	return err
}

// mirrorError gives an error of opening a mirror its class.
func mirrorError(ctx context.Context, err error) error {
	var newer *mirror.NewerError
	var unfit *mirror.UnfitError
	var known *Error
	switch {
	case errors.As(err, &known):
		return err
	case interrupted(ctx):
		return classed(Aborted, "%w", err)
	case errors.As(err, &newer), errors.As(err, &unfit), errors.Is(err, mirror.ErrNotMirror):
		return classed(Misconfigured, "%w", err)
	default:
		return classed(Broken, "%w", err)
	}
}

// record keeps the report in the mirror, whatever came of the run.
func (r *running) record(ctx context.Context) error {
	before, err := latestBut(ctx, r.mirror.Reader, r.report.Run)
	if err != nil {
		return err
	}
	r.report.carry(before)
	text, err := r.report.keep()
	if err != nil {
		return err
	}
	return r.mirror.SaveRun(ctx, mirror.Run{
		Run: r.report.Run, StartedAt: r.report.StartedAt, FinishedAt: r.report.FinishedAt, ExitCode: r.report.ExitCode, Report: text,
	})
}

// stages is the run proper: extract, transform, load.
func (r *running) stages(ctx context.Context) (err error) {
	if err := r.filled(ctx); err != nil {
		return err
	}
	r.noteRepair()
	if err := errors.Join(r.finishCut(ctx), r.clean(ctx)); err != nil {
		return err
	}
	if !r.options.NoExtract {
		if err := r.timed(&r.report.Details.Stages.Extract, func() error { return r.extract(ctx) }); err != nil {
			return err
		}
		if err := r.purge(ctx); err != nil {
			return err
		}
	}
	// What is published must not be newer than the copy, or the next night could not go on from it.
	if !r.options.NoPublish {
		if err := r.held.save(ctx); err != nil {
			return fmt.Errorf("nothing was published: %w", err)
		}
	}
	spool, err := load.NewSpool(filepath.Dir(r.pipeline.Mirror))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	var rows *projection
	err = r.timed(&r.report.Details.Stages.Transform, func() (err error) {
		rows, err = project(ctx, memory.NewGoAllocator(), r.mirror, spool, transformOptions(r.pipeline), r.workers())
		return err
	})
	if err != nil {
		return err
	}
	r.report.Rejects = RejectCounts{Items: rows.counts.itemRejects, Fields: rows.counts.fieldRejects}
	r.report.Details.Rejects = rows.counts.reasons
	return r.timed(&r.report.Details.Stages.Load, func() error { return r.publish(ctx, rows) })
}

// purge deletes the raw data of clients that left long ago.
func (r *running) purge(ctx context.Context) error {
	if r.clockOff {
		return nil
	}
	n, err := r.mirror.PurgeGone(ctx, time.Now().Add(-r.pipeline.Transform.RetainGone))
	if n > 0 {
		r.log.Info("deleted the raw data of clients that left", "clients", n)
	}
	return err
}

func (r *running) workers() int {
	if r.options.Workers > 0 {
		return r.options.Workers
	}
	return runtime.GOMAXPROCS(0)
}

func (r *running) timed(d *time.Duration, f func() error) error {
	start := time.Now()
	err := f()
	*d = time.Since(start)
	return err
}

func transformOptions(p *config.Pipeline) transform.Options {
	return transform.Options{
		Project: p.Project, Location: p.Transform.Timezone, KeepGone: p.Transform.GoneClients == config.GoneKeep,
		Rules: p.Transform.Privacy, Salt: []byte(p.Transform.Salt.Reveal()),
	}
}
