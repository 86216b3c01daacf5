// Command roistat-sim is a stand-in for the Roistat API, for trying out
// roistat-etl and for tests: serve answers the API's methods over a port, truth
// writes what correct tables must hold.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"roistat-etl/internal/sim"
	"roistat-etl/internal/sim/world"
)

func main() { os.Exit(run()) }

// run returns the exit code: 0 done or told to stop, 1 failed.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := newRoot().ExecuteContext(ctx)
	if err != nil && !errors.Is(err, context.Canceled) { // canceled: told to stop before it listened
		fmt.Fprintln(os.Stderr, "roistat-sim:", err)
		return 1
	}
	return 0
}

// newRoot is the command tree; without a subcommand it serves.
func newRoot() *cobra.Command {
	root := newServe()
	root.Use = "roistat-sim"
	root.Short = "A stand-in for the Roistat API"
	root.Long = "A stand-in for the Roistat API. Without a subcommand it serves."
	root.SilenceUsage, root.SilenceErrors = true, true
	root.AddCommand(newServe(), newTruth())
	return root
}

// worldFlags adds the flags that choose a world.
func worldFlags(cmd *cobra.Command, cfg *world.Config) {
	f := cmd.Flags()
	f.IntVar(&cfg.Clients, "clients", cfg.Clients, "clients of the world")
	f.IntVar(&cfg.Months, "months", cfg.Months, "months of history, up to 2026-07-01")
	f.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "seed: the same one makes the same world")
	f.BoolVar(&cfg.Whale, "whale", cfg.Whale, "let one client have a feed of 20,000 items")
	f.BoolVar(&cfg.Plain, "plain", cfg.Plain, "no quirks: one spelling, nothing broken")
}

// shareFlag is a flag that reads 1% or 0.01.
type shareFlag float64

// String prints the share as it can be given.
func (s *shareFlag) String() string { return fmt.Sprintf("%g%%", float64(*s)*100) }

// Type names the kind of value in the help.
func (s *shareFlag) Type() string { return "share" }

// Set reads the share.
func (s *shareFlag) Set(v string) error {
	f, err := sim.ParseShare(v)
	*s = shareFlag(f)
	return err
}
