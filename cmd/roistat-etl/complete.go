package main

import (
	"strings"

	"github.com/spf13/cobra"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

// completions teaches the shell the names of pipelines and the values of flags.
func (a *app) completions(commands []*cobra.Command) {
	values := map[string][]string{"accept": pipeline.GateNames(), "progress": {"auto", "bar", "log", "none"}}
	for _, c := range commands {
		if strings.Contains(c.Use, "[PIPELINE…]") {
			c.ValidArgsFunction = a.completePipelines
		}
		for flag, list := range values {
			if c.Flags().Lookup(flag) != nil {
				// It fails only for a flag that isn't there.
				_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
			}
		}
	}
}

// completePipelines names the configured pipelines; with a configuration that
// can't be read there is nothing to offer, and the command itself says why.
func (a *app) completePipelines(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	f, err := config.Load(a.configPath, a.getenv)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, p := range f.Pipelines {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
