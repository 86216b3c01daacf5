package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

// forgetFlags are the flags of forget.
type forgetFlags struct {
	pipelines []string
	wait      time.Duration
	accept    []string
}

func (a *app) forgetCommand() *cobra.Command {
	f := &forgetFlags{}
	cmd := &cobra.Command{
		Use:   "forget CLIENT… [PIPELINE…]",
		Short: "Erase clients from the mirror and from all that was published, for good",
		Long: `Erases clients, in all pipelines or in those named: from the mirror's file to the
last byte, from the tables, and with all older snapshots. Their ids stay, so
that they are not fetched again; there is no way back. A number is a client;
pipelines whose names are numbers are named by --pipeline. It makes no call:
erase the client in Roistat too.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.forget(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.pipelines, "pipeline", nil, "only in this pipeline; may be repeated; all arguments are clients then")
	fl.DurationVar(&f.wait, "wait", 0, "how long to wait for a run of the same mirror")
	fl.StringSliceVar(&f.accept, "accept", nil, "pass a gate once: "+strings.Join(pipeline.GateNames(), ", "))
	a.jsonFlag(cmd, "print the reports as JSON, a line a pipeline")
	return cmd
}

// forget erases the clients pipeline by pipeline. One that fails doesn't stop the others.
func (a *app) forget(ctx context.Context, f *forgetFlags, args []string) error {
	if err := checkGates(f.accept); err != nil {
		return err
	}
	if f.wait < 0 {
		return usageError{errors.New("--wait can't be negative")}
	}
	clients, names, err := f.sort(args)
	if err != nil {
		return err
	}
	if err := f.ambiguous(a, clients); err != nil {
		return err
	}
	list, err := a.projectable(names)
	if err != nil {
		return err
	}
	o := pipeline.Options{Accept: f.accept, Wait: f.wait, ExitCode: codeOf, Log: a.logger(slog.LevelWarn)}
	for _, p := range list {
		e := pipeline.Forget(ctx, p, clients, o)
		a.codes = append(a.codes, e.ExitCode)
		if err := a.printErasure(e); err != nil {
			return err
		}
	}
	return errReported
}

// sort tells clients from pipelines.
func (f *forgetFlags) sort(args []string) (clients []int64, names []string, err error) {
	names = slices.Clone(f.pipelines)
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		switch {
		case err == nil && !slices.Contains(clients, id):
			clients = append(clients, id)
		case err != nil && len(f.pipelines) > 0:
			return nil, nil, usageError{fmt.Errorf("%q is no client id: a whole number", arg)}
		case err != nil:
			names = append(names, arg)
		}
	}
	if len(clients) == 0 {
		return nil, nil, usageError{errors.New("name the clients: roistat-etl forget CLIENT… [PIPELINE…]")}
	}
	return clients, names, nil
}

// ambiguous refuses a number that may be meant as a pipeline.
func (f *forgetFlags) ambiguous(a *app, clients []int64) error {
	if len(f.pipelines) > 0 {
		return nil
	}
	all, err := a.pipelines(nil)
	if err != nil {
		return err
	}
	for _, id := range clients {
		name := strconv.FormatInt(id, 10)
		if slices.ContainsFunc(all, func(p *config.Pipeline) bool { return p.Name == name }) {
			return usageError{fmt.Errorf("%s is also the name of a pipeline: name the pipelines by --pipeline, then all arguments are clients", name)}
		}
	}
	return nil
}

func (a *app) printErasure(e *pipeline.Erasure) error {
	if !a.json {
		return e.WriteText(a.stdout)
	}
	return a.printJSON(e)
}
