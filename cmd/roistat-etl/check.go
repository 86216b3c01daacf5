package main

import (
	"github.com/spf13/cobra"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [PIPELINE…]",
		Short: "Check configuration, key, permissions, mirror and destinations",
		Long:  "Checks everything that a run needs, with at most three calls, and changes nothing. Exits 0, 1, 2 or 4.",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.pipelines(args)
			if err == nil {
				err = resolve(list, config.NeedAll)
			}
			if err != nil {
				return a.badConfiguration(err)
			}
			for _, p := range list {
				err := pipeline.Check(cmd.Context(), p, pipeline.Options{}, func(f pipeline.Finding) error {
					a.codes = append(a.codes, checkCode(f.Class()))
					return a.printFinding(f)
				})
				if err != nil {
					return err
				}
			}
			return errReported
		},
	}
	a.jsonFlag(cmd, "print JSON, a line a check")
	return cmd
}

// checkCode is the exit code of a finding: a gate that a run would stop at is the configuration's fault.
func checkCode(c pipeline.Class) int {
	if c == pipeline.Stopped {
		return exitUsage
	}
	return codeOf(c)
}

// badConfiguration prints the finding of a configuration that can't be used.
func (a *app) badConfiguration(err error) error {
	a.codes = append(a.codes, exitUsage)
	f := pipeline.Finding{Check: "config", Detail: err.Error(), Remedy: "correct the file: see docs/configuration.md"}
	if err := a.printFinding(f); err != nil {
		return err
	}
	return errReported
}

func (a *app) printFinding(f pipeline.Finding) error {
	if a.json {
		return a.printJSON(f)
	}
	mark, remedy := "ok   ", ""
	if !f.OK {
		mark = "WRONG"
		if f.Remedy != "" {
			remedy = "\n       " + f.Remedy
		}
	}
	return a.printf("%s  %-11s  %s%s\n", mark, f.Check, f.Detail, remedy)
}
