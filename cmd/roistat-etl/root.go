package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"roistat-etl/internal/untrusted"
	"roistat-etl/pipeline/config"
)

// app is what all commands share. codes are the exit codes of the pipelines, in order.
type app struct {
	stdout, stderr io.Writer
	getenv         func(string) (string, bool)
	configPath     string
	json           bool
	codes          []int
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "roistat-etl",
		Short: "Brings Roistat marketing data into Parquet tables, every night, whole",
		Long: `roistat-etl brings the clients of Roistat projects, each client's feed and the
campaign contacts into Parquet tables, every night, whole.

Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 published, but not
everything that was due; 4 refused by the API for good; 5 a gate stopped the
publishing; 130 interrupted, resumable.`,
		Version:       versionText(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q; see roistat-etl --help", args[0])}
			}
			return cmd.Help()
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", "pipelines.yaml", "configuration file")
	root.AddCommand(a.runCommand(), a.planCommand(), a.checkCommand(), a.schemaCommand(), a.statusCommand(), a.verifyCommand(), a.rejectsCommand(), a.showCommand(), a.importCommand(), a.forgetCommand())
	root.AddCommand(a.generateCommand(), a.pipelinesCommand())
	a.completions(root.Commands())
	return root
}

// pipelines loads the configuration and picks the named pipelines; none named means all.
func (a *app) pipelines(names []string) ([]*config.Pipeline, error) {
	f, err := config.Load(a.configPath, a.getenv)
	if err != nil {
		return nil, usageError{err}
	}
	list, err := f.Select(names)
	if err != nil {
		return nil, usageError{err}
	}
	return list, nil
}

// logger writes text to a terminal and JSON elsewhere.
func (a *app) logger(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, at slog.Attr) slog.Attr {
		if err, ok := at.Value.Any().(error); ok {
			at.Value = slog.StringValue(untrusted.Line(err.Error(), 0))
		} else if at.Value.Kind() == slog.KindString {
			at.Value = slog.StringValue(untrusted.Line(at.Value.String(), 0))
		}
		return at
	}}
	if a.terminal() {
		return slog.New(slog.NewTextHandler(a.stderr, o))
	}
	return slog.New(slog.NewJSONHandler(a.stderr, o))
}

// terminal tells whether stderr is one.
func (a *app) terminal() bool {
	f, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// jsonFlag gives a command --json.
func (a *app) jsonFlag(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&a.json, "json", false, what)
}
