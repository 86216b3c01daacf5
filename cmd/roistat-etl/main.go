// Command roistat-etl brings a Roistat project's marketing data into Parquet
// tables, every night, whole.
//
// One file holds one command. Exit codes are decided here and nowhere else; the
// work is done by package pipeline.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"roistat-etl/internal/untrusted"
	"roistat-etl/pipeline"
)

func main() {
	stop := profile()
	code := Main(os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// memoryLimit is where the garbage collector begins to work harder. It is no hard
// bound: the program takes what it needs. GOMEMLIMIT in the environment wins.
const memoryLimit = 144 << 20

// garbage is how much may lie about before that, in percent of what is in use.
// GOGC in the environment wins.
const garbage = 200

// limitMemory sets the garbage collector's limit, unless the environment does.
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}

// Main runs one command line and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	limitMemory(memoryLimit)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stop := onSignal(cancel)
	defer stop()
	a := &app{stdout: untrusted.NewWriter(stdout), stderr: stderr, getenv: os.LookupEnv}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errReported) {
		_, _ = fmt.Fprintf(stderr, "roistat-etl: %s\n", untrusted.Lines(err.Error()))
	}
	return a.exitCode(err)
}

// onSignal cancels at the first SIGINT, SIGTERM or SIGHUP, which a terminal sends
// that is closed. The second finds the signals' own meaning restored and ends the
// process at once. A SIGHUP that is ignored, by nohup, stays so.
func onSignal(cancel context.CancelCauseFunc) (stop func()) {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	sig, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(sig, func() {
		cancel(pipeline.ErrInterrupted)
		stop()
	})
	return stop
}
