package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"roistat-etl/internal/regular"
	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
	"roistat-etl/pipeline/watch"
	"roistat-etl/schemas"
)

// statusRuns is how many past runs a status shows in text and JSON.
const statusRuns = 10

func (a *app) statusCommand() *cobra.Command {
	var page string
	cmd := &cobra.Command{
		Use:   "status [PIPELINE…]",
		Short: "Show past runs, the age of the feeds and what is published; works offline",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.readable(args)
			if err != nil {
				return err
			}
			if page != "" {
				return statusPage(cmd.Context(), list, page)
			}
			for _, p := range list {
				s, err := readStatus(cmd.Context(), p, pipeline.StatusOptions{Runs: statusRuns})
				if err != nil {
					return err
				}
				if err := a.printStatus(s); err != nil {
					return err
				}
			}
			return nil
		},
	}
	a.jsonFlag(cmd, "print JSON, a line a pipeline")
	cmd.Flags().StringVar(&page, "html", "", "write a page with pictures into this file instead")
	return cmd
}

func readStatus(ctx context.Context, p *config.Pipeline, o pipeline.StatusOptions) (*pipeline.Status, error) {
	s, err := pipeline.ReadStatus(ctx, p, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return s, nil
}

// statusPage writes the page by rename, so that who looks finds a whole one.
func statusPage(ctx context.Context, list []*config.Pipeline, path string) error {
	if err := regular.Check(path); err != nil {
		return usageError{fmt.Errorf("--html %w", err)}
	}
	var all []*pipeline.Status
	for _, p := range list {
		s, err := readStatus(ctx, p, pipeline.StatusOptions{Runs: watch.PageRuns, Use: true})
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	return regular.Replace(path, func(w io.Writer) error { return watch.WritePage(w, all, time.Now()) })
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
	if s.Forgotten > 0 {
		fmt.Fprintf(&t.text, "  forgotten  %s clients%s\n", humanize.Comma(s.Forgotten), unended(s.Erasing))
	}
	for _, d := range s.Destinations {
		fmt.Fprintf(&t.text, "  %s  %s  %s\n", d.Kind, d.Target, d.Summary())
	}
	fmt.Fprint(t.Writer, "  run\tstarted\ttook\toutcome\tfeeds\tleft\tfailed\n")
	for _, r := range s.Runs {
		fmt.Fprintf(t.Writer, "  %s\t%s\t%s\t%s\t%d\t%d\t%d\n", r.Run, r.StartedAt.Format("2006-01-02 15:04"), took(r), r.Outcome, r.Feeds.Fetched, r.Feeds.Left, r.Feeds.Failed)
	}
	return t.flush(a.stdout)
}

// unended says that an erasure has not come to its end.
func unended(is bool) string {
	if is {
		return ", some of whom may still be shown or lie in the mirror's file: forget them again, or run"
	}
	return ""
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
