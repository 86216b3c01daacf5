package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

// importFlags are the flags of import.
type importFlags struct {
	dryRun, again bool
	batch         int
	wait          time.Duration
	progress      string
}

func (a *app) importCommand() *cobra.Command {
	f := &importFlags{}
	cmd := &cobra.Command{
		Use:   "import FILE PIPELINE",
		Short: "Send clients from CSV, NDJSON or Parquet into Roistat",
		Long: `Sends the clients of a file into the project of a pipeline, which creates or updates them.

The format is known by the extension: .csv (UTF-8 with a header), .ndjson, .jsonl or
.parquet. Columns id and name are required; phone, email, company and birth_date
(1980-01-31) are known; any other column NAME becomes the field NAME. An empty value
is null. The whole file is checked before the first call. What was sent is kept in
mind, so that an import that was interrupted goes on where it was.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("name the file and the pipeline: roistat-etl import FILE PIPELINE")}
			}
			return a.importFile(cmd.Context(), f, args[0], args[1])
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.dryRun, "dry-run", false, "check every row and show what would be sent; send nothing")
	fl.BoolVar(&f.again, "again", false, "send a file that was sent whole before once more")
	fl.IntVar(&f.batch, "batch", 100, "clients of a call")
	fl.DurationVar(&f.wait, "wait", 0, "how long to wait for a run of the same mirror")
	fl.StringVar(&f.progress, "progress", "auto", "auto, bar, log or none")
	a.jsonFlag(cmd, "print the report as JSON, one line")
	return cmd
}

// maxImportBatch is the greatest --batch.
const maxImportBatch = 10_000

func (f *importFlags) check() error {
	switch {
	case f.batch < 1 || f.batch > maxImportBatch:
		return usageError{fmt.Errorf("--batch %d: from 1 to %d", f.batch, maxImportBatch)}
	case f.wait < 0:
		return usageError{fmt.Errorf("--wait can't be negative")}
	case !slices.Contains([]string{"auto", "bar", "log", "none"}, f.progress):
		return usageError{fmt.Errorf("--progress %s: it is one of auto, bar, log, none", f.progress)}
	}
	return nil
}

// importMemory is to an import what memoryLimit is to the other commands: it
// holds little, and is held to it.
const importMemory = 80 << 20

// importFile sends a file and prints the report.
func (a *app) importFile(ctx context.Context, f *importFlags, file, name string) error {
	if err := f.check(); err != nil {
		return err
	}
	list, err := a.pipelines([]string{name})
	if err != nil {
		return err
	}
	need := config.NeedAPI | config.NeedMirror
	if f.dryRun {
		need = config.NeedMirror
	}
	if err := resolve(list, need); err != nil {
		return err
	}
	limitMemory(importMemory)
	v, progress := a.newView(f.progress, 1), &pipeline.Progress{}
	watched, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return v.watch(watched, name, progress) })
	report := pipeline.Import(ctx, list[0], pipeline.ImportOptions{
		File: file, Batch: f.batch, DryRun: f.dryRun, Again: f.again, Wait: f.wait, Log: v.log, Progress: progress, ExitCode: codeOf,
	})
	stop()
	err = g.Wait() // only a terminal that can't be written to
	a.codes = append(a.codes, report.ExitCode)
	if err := errors.Join(err, a.printImport(report)); err != nil {
		return err
	}
	return errReported
}

func (a *app) printImport(r *pipeline.ImportReport) error {
	if a.json {
		return a.printJSON(r)
	}
	return r.WriteText(a.stdout)
}
