package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"roistat-etl/pipeline/config"
)

// listed is a pipeline for a scheduler, which must read names and projects as the
// program does: YAML has readers to whom no is false and 010 is 8.
type listed struct {
	Pipeline string `json:"pipeline"`
	Project  string `json:"project"` // empty if it can't be told
	Error    string `json:"error"`   // why not, as a variable that isn't set here
}

// pipelinesCommand tells schedulers what there is to run. It is for programs, and so
// not listed.
func (a *app) pipelinesCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "pipelines",
		Short:  "Print name and project of each pipeline as JSON, a line each, for schedulers",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list, err := a.pipelines(nil)
			if err != nil {
				return err
			}
			for _, p := range list {
				x := listed{Pipeline: p.Name}
				if err := p.Resolve(config.NeedProject); err != nil {
					x.Error = err.Error()
					a.logger(slog.LevelWarn).Error(x.Error, "pipeline", p.Name)
					a.codes = append(a.codes, exitUsage)
				} else {
					x.Project = p.Project
				}
				if err := a.printJSON(x); err != nil {
					return err
				}
			}
			return errReported
		},
	}
}
