package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/regular"
	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
	"roistat-etl/pipeline/watch"
)

// runFlags are the flags of run.
type runFlags struct {
	budget                     int
	deadline, wait             time.Duration
	full, noExtract, noPublish bool
	adopt                      bool
	accept                     []string
	parallel                   int
	progress, metricsFile      string
	budgetIsSet, deadlineIsSet bool
}

func (a *app) runCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run [PIPELINE…]",
		Short: "Extract, transform and publish",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.changed(cmd)
			return a.run(cmd.Context(), f, args)
		},
	}
	f.due(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.noExtract, "no-extract", false, "rebuild and publish from the mirror alone")
	fl.BoolVar(&f.noPublish, "no-publish", false, "extract and project, publish nothing")
	fl.StringSliceVar(&f.accept, "accept", nil, "pass a gate once: "+strings.Join(pipeline.GateNames(), ", "))
	fl.BoolVar(&f.adopt, "adopt", false, "publish over what another mirror published")
	fl.DurationVar(&f.wait, "wait", 0, "how long to wait for another run of the same mirror")
	fl.IntVar(&f.parallel, "parallel", 1, "pipelines at once")
	fl.StringVar(&f.progress, "progress", "auto", "auto, bar, log or none")
	fl.StringVar(&f.metricsFile, "metrics-file", "", "write how the runs went here, as Prometheus text")
	a.jsonFlag(cmd, "print the reports as JSON, a line a pipeline")
	return cmd
}

// due adds the flags that say which feeds are due.
func (f *runFlags) due(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.IntVar(&f.budget, "budget", 0, "feed calls to spend at most; 0: no limit")
	fl.DurationVar(&f.deadline, "deadline", 0, "time after which the extraction ends and the publishing begins, as 6h; 0: none")
	fl.BoolVar(&f.full, "full", false, "every feed read before the start is due")
}

// changed notes which flags stand on the command line.
func (f *runFlags) changed(cmd *cobra.Command) {
	f.budgetIsSet, f.deadlineIsSet = cmd.Flags().Changed("budget"), cmd.Flags().Changed("deadline")
}

// check finds what is wrong with the flags before anything is done.
func (f *runFlags) check() error {
	if err := checkGates(f.accept); err != nil {
		return err
	}
	switch {
	case f.budget < 0, f.deadline < 0, f.wait < 0:
		return usageError{fmt.Errorf("--budget, --deadline and --wait can't be negative")}
	case f.parallel < 1:
		return usageError{fmt.Errorf("--parallel %d: at least 1", f.parallel)}
	case !slices.Contains([]string{"auto", "bar", "log", "none"}, f.progress):
		return usageError{fmt.Errorf("--progress %s: it is one of auto, bar, log, none", f.progress)}
	case f.metricsFile != "" && !isFolder(filepath.Dir(f.metricsFile)):
		return usageError{fmt.Errorf("--metrics-file %s: there is no such folder", f.metricsFile)}
	case f.metricsFile != "" && regular.Check(f.metricsFile) != nil:
		return usageError{fmt.Errorf("--metrics-file %w", regular.Check(f.metricsFile))}
	case f.noExtract && (f.full || f.budgetIsSet || f.deadlineIsSet):
		return usageError{fmt.Errorf("--no-extract makes no calls: --full, --budget and --deadline don't go with it")}
	}
	return nil
}

// checkGates finds names that no gate has.
func checkGates(names []string) error {
	for _, g := range names {
		if !slices.Contains(pipeline.GateNames(), g) {
			return usageError{fmt.Errorf("--accept %s: there is no such gate; there are %s", g, strings.Join(pipeline.GateNames(), ", "))}
		}
	}
	return nil
}

// run runs the named pipelines and prints their reports in the configured
// order. One that fails doesn't stop the others; a signal stops all.
func (a *app) run(ctx context.Context, f *runFlags, names []string) error {
	if err := f.check(); err != nil {
		return err
	}
	list, err := a.pipelines(names)
	if err != nil {
		return err
	}
	need := config.NeedAll
	if f.noExtract {
		need &^= config.NeedAPI
	}
	if err := resolve(list, need); err != nil {
		return err
	}
	lineage, err := watch.NewLineage(a.getenv, release())
	if err != nil {
		return usageError{err}
	}
	view := a.newView(f.progress, f.parallel)
	reports := make([]*pipeline.Report, len(list))
	var g errgroup.Group
	g.SetLimit(f.parallel)
	for i, p := range list {
		g.Go(func() (err error) {
			reports[i], err = a.runOne(ctx, f, view, lineage, p)
			return err
		})
	}
	err = g.Wait() // only a terminal that can't be written to
	if f.metricsFile != "" {
		err = errors.Join(err, watch.WriteMetrics(f.metricsFile, reports))
	}
	for _, r := range reports {
		a.codes = append(a.codes, r.ExitCode)
		err = errors.Join(err, a.printReport(r))
	}
	if !a.json && len(reports) > 1 {
		err = errors.Join(err, pipeline.WriteSummary(a.stdout, reports))
	}
	if err != nil {
		return err
	}
	return errReported
}

// runOne runs a pipeline while its progress is shown.
func (a *app) runOne(ctx context.Context, f *runFlags, v *view, lineage *watch.Lineage, p *config.Pipeline) (*pipeline.Report, error) {
	progress := &pipeline.Progress{}
	watched, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return v.watch(watched, p.Name, progress) })
	o := runOptions(f)
	o.Log, o.Progress = v.log, progress
	o.Begun = func(r *pipeline.Report) { warnOf(a.logger(slog.LevelWarn), p, lineage.Begun(ctx, p, r)) }
	report := pipeline.Run(ctx, p, o)
	warnOf(a.logger(slog.LevelWarn), p, lineage.Ended(ctx, p, report))
	stop()
	return report, g.Wait()
}

// warnOf warns that a catalogue could not be told of a run, which is no fault of the run.
func warnOf(log *slog.Logger, p *config.Pipeline, err error) {
	if err != nil {
		log.Warn("the run goes on, but its lineage is not known", "pipeline", p.Name, "error", err)
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// resolve settles what the command needs, for all pipelines, before the first call.
func resolve(list []*config.Pipeline, need config.Need) error {
	if err := config.Resolve(list, need); err != nil {
		return usageError{err}
	}
	return nil
}

func runOptions(f *runFlags) pipeline.Options {
	o := pipeline.Options{
		Full: f.full, NoExtract: f.noExtract, NoPublish: f.noPublish, Accept: f.accept, Adopt: f.adopt, Wait: f.wait, ExitCode: codeOf,
	}
	if f.budgetIsSet {
		o.Budget = &f.budget
	}
	if f.deadlineIsSet {
		o.Deadline = &f.deadline
	}
	return o
}

func (a *app) printReport(r *pipeline.Report) error {
	if !a.json {
		return r.WriteText(a.stdout)
	}
	return a.printJSON(r)
}
