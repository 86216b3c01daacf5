package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
)

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [PIPELINE…]",
		Short: "Show past runs, the age of the feeds and what is published; works offline",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.readable(args)
			if err != nil {
				return err
			}
			for _, p := range list {
				s, err := pipeline.ReadStatus(cmd.Context(), p)
				if err != nil {
					return fmt.Errorf("%s: %w", p.Name, err)
				}
				if err := a.printStatus(s); err != nil {
					return err
				}
			}
			return nil
		},
	}
	a.jsonFlag(cmd, "print JSON, a line a pipeline")
	return cmd
}

// readable picks pipelines for a command that reads mirrors and destinations only.
func (a *app) readable(names []string) ([]*config.Pipeline, error) {
	list, err := a.pipelines(names)
	if err != nil {
		return nil, err
	}
	return list, resolve(list, config.NeedMirror|config.NeedTransform|config.NeedLoad|config.NeedPassword)
}

// projectable picks pipelines for a command that also makes rows of some tables,
// of all if it names none: those that hash need their salt.
func (a *app) projectable(names []string, tables ...*schemas.Table) ([]*config.Pipeline, error) {
	list, err := a.readable(names)
	if err != nil {
		return nil, err
	}
	var hashing []*config.Pipeline
	for _, p := range list {
		rules := func(t *schemas.Table) bool { return p.Transform.Privacy.Only(t).Hash() }
		if len(tables) == 0 || slices.ContainsFunc(tables, rules) {
			hashing = append(hashing, p)
		}
	}
	return list, resolve(hashing, config.NeedSalt)
}

func (a *app) printStatus(s *pipeline.Status) error {
	if a.json {
		return a.printJSON(s)
	}
	t := newTable()
	fmt.Fprintf(&t.text, "%s\n  feeds  %s live clients, %s never read; half are younger than %s, 95%% than %s\n", s.Pipeline,
		humanize.Comma(s.Feeds.Live), humanize.Comma(s.Feeds.NeverFetched), age(s.Feeds.P50AgeS), age(s.Feeds.P95AgeS))
	for _, d := range s.Destinations {
		fmt.Fprintf(&t.text, "  %s  %s  %s\n", d.Kind, d.Target, d.Summary())
	}
	fmt.Fprint(t.Writer, "  run\tstarted\ttook\toutcome\tfeeds\tleft\tfailed\n")
	for _, r := range s.Runs {
		fmt.Fprintf(t.Writer, "  %s\t%s\t%s\t%s\t%d\t%d\t%d\n", r.Run, r.StartedAt.Format("2006-01-02 15:04"), took(r), r.Outcome, r.Feeds.Fetched, r.Feeds.Left, r.Feeds.Failed)
	}
	return t.flush(a.stdout)
}

// age writes seconds as a person says them, rounded up to a minute; null: nothing was read yet.
func age(seconds *int64) string {
	if seconds == nil {
		return "–"
	}
	return (time.Duration(*seconds)*time.Second + time.Minute).Truncate(time.Minute).String()
}

func took(r pipeline.Report) string {
	if r.FinishedAt.IsZero() {
		return "–"
	}
	return r.FinishedAt.Sub(r.StartedAt).Round(time.Second).String()
}
