package main

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

func (a *app) planCommand() *cobra.Command {
	f := &runFlags{parallel: 1, progress: "none"}
	cmd := &cobra.Command{
		Use:   "plan [PIPELINE…]",
		Short: "Tell what a run would do: feeds due and why, calls, time, schema changes",
		Long:  "Tells what a run would do. Asks the API for one page of the client list; the rest comes from the mirror.",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.changed(cmd)
			if err := f.check(); err != nil {
				return err
			}
			list, err := a.pipelines(args)
			if err != nil {
				return err
			}
			if err := resolve(list, config.NeedAll); err != nil {
				return err
			}
			return a.each(list, func(p *config.Pipeline) error {
				plan, err := pipeline.MakePlan(cmd.Context(), p, runOptions(f))
				if err != nil {
					return err
				}
				return a.printPlan(plan)
			})
		},
	}
	f.due(cmd)
	a.jsonFlag(cmd, "print JSON, a line a pipeline")
	return cmd
}

func (a *app) printPlan(p *pipeline.Plan) error {
	if a.json {
		return a.printJSON(p)
	}
	n := humanize.Comma
	if err := a.printf("%s\n  clients  %s\n  feeds    %s never read, %s whose client changed, %s too old\n  calls    %s, about %s at the quota\n", p.Pipeline, n(p.Clients),
		n(p.FeedsDue.Never), n(p.FeedsDue.Changed), n(p.FeedsDue.Aged), n(p.Calls), time.Duration(p.Seconds)*time.Second); err != nil {
		return err
	}
	for _, change := range p.SchemaChanges {
		if err := a.printf("  schema   %s\n", change); err != nil {
			return err
		}
	}
	return nil
}

// each does something for every pipeline; one that fails doesn't stop the
// others. Of several failures the exit code is the first present of DESIGN's order.
func (a *app) each(list []*config.Pipeline, do func(*config.Pipeline) error) error {
	failed := false
	for _, p := range list {
		err := do(p)
		a.codes = append(a.codes, a.exitCode(err))
		if err != nil {
			failed = true
			_, _ = fmt.Fprintf(a.stderr, "roistat-etl: %s: %v\n", p.Name, err)
		}
	}
	if failed {
		return errReported
	}
	return nil
}
