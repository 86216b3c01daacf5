package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

func (a *app) verifyCommand() *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "verify [PIPELINE…]",
		Short: "Audit what is published with an independent reader, and repair it",
		Long: `Audits what is published: every file is read by a library that did not write it,
and rows and digests are compared with the manifest; with the mirror too, where
nothing was extracted since the publishing. Exits 1 if anything is not as it
should be, and says which file or table that is, and what helps.

With --repair it then rebuilds from the mirror, without a call, what is damaged,
publishes it as a new run and audits again: 0 if all is well now.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.projectable(args)
			if err != nil {
				return err
			}
			bad := 0
			for _, p := range list {
				bad += a.verify(cmd.Context(), p, repair)
			}
			return a.audited(bad)
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "rebuild from the mirror what is damaged, publish it and audit again")
	a.jsonFlag(cmd, "print JSON, a line a destination, table and partition")
	return cmd
}

// audited ends the report by its sum; nothing follows it.
func (a *app) audited(bad int) error {
	if bad > 0 {
		a.codes = append(a.codes, exitFailed)
		if !a.json {
			return errors.Join(a.printf("%d of what was audited is not as it should be\n", bad), errReported)
		}
	}
	if len(a.codes) > 0 {
		return errReported
	}
	return nil
}

// verify audits one pipeline, repairs it if that was asked for, and returns how many
// findings are not as they should be in the end. What fails doesn't stop the others.
func (a *app) verify(ctx context.Context, p *config.Pipeline, repair bool) int {
	found, err := audit(ctx, p)
	switch {
	case err != nil || !repair:
		err = errors.Join(err, a.printAudit(found))
	case len(wrong(found)) == 0:
		err = errors.Join(a.printAudit(found), a.tell("%s: nothing is damaged, so nothing was published\n", p.Name))
	default:
		found, err = a.repair(ctx, p, found)
	}
	if err != nil {
		a.codes = append(a.codes, a.exitCode(err))
		_, _ = fmt.Fprintf(a.stderr, "roistat-etl: %s: %v\n", p.Name, err)
	}
	return len(wrong(found))
}

// audit collects what an audit finds, also where it fails.
func audit(ctx context.Context, p *config.Pipeline) (found []pipeline.Verified, err error) {
	err = pipeline.Verify(ctx, p, func(v pipeline.Verified) error {
		found = append(found, v)
		return nil
	})
	return found, err
}

// repair publishes anew what is damaged and audits again. As text it says what was
// found and what was done. Where it can't repair, what was found stands.
func (a *app) repair(ctx context.Context, p *config.Pipeline, found []pipeline.Verified) ([]pipeline.Verified, error) {
	if !a.json {
		if err := a.printAudit(wrong(found)); err != nil {
			return found, err
		}
	}
	r := pipeline.Repair(ctx, p, found, pipeline.Options{ExitCode: codeOf, Log: a.logger(slog.LevelWarn)})
	if r.Error != nil {
		return found, a.unrepaired(p, found, r)
	}
	for _, d := range r.Destinations {
		if err := a.tell("%s: %s %s: %s, shows run %s\n", p.Name, d.Kind, d.Target, d.State, d.Run); err != nil {
			return found, err
		}
	}
	found, err := audit(ctx, p)
	return found, errors.Join(err, a.printAudit(found))
}

// unrepaired says why what was found stays as it is. Of its codes only that of a
// signal counts: what is not as it should be is 1.
func (a *app) unrepaired(p *config.Pipeline, found []pipeline.Verified, r *pipeline.Report) error {
	if r.ExitCode == exitInterrupted {
		a.codes = append(a.codes, exitInterrupted)
	}
	if !a.json {
		return a.printf("%s: not repaired: %s\n", p.Name, *r.Error)
	}
	a.logger(slog.LevelWarn).Error("not repaired: "+*r.Error, "pipeline", p.Name)
	return a.printAudit(found)
}

// tell prints a line for a person, who reads no JSON.
func (a *app) tell(format string, args ...any) error {
	if a.json {
		return nil
	}
	return a.printf(format, args...)
}

// wrong are the findings that are not as they should be.
func wrong(found []pipeline.Verified) (out []pipeline.Verified) {
	for _, f := range found {
		if !f.OK {
			out = append(out, f)
		}
	}
	return out
}

// printAudit prints findings.
func (a *app) printAudit(found []pipeline.Verified) error {
	v := &verifyPrinter{app: a, tables: newTable()}
	for _, f := range found {
		if err := v.take(f); err != nil {
			return err
		}
	}
	v.line()
	return v.tables.flush(a.stdout)
}

// verifyPrinter prints findings: text shows what is wrong, and a line for each
// table that is right.
type verifyPrinter struct {
	app    *app
	tables *table
	sum    pipeline.Verified
	parts  int
}

// take prints a finding as JSON, or adds it to its table's line.
func (v *verifyPrinter) take(r pipeline.Verified) error {
	if v.app.json {
		return v.app.printJSON(r)
	}
	if r.Destination != v.sum.Destination || r.Table != v.sum.Table {
		v.line()
		v.sum, v.parts = pipeline.Verified{Destination: r.Destination, Table: r.Table, OK: true, Detail: r.Detail}, 0
	}
	v.parts++
	v.sum.Rows += r.Rows
	if !r.OK {
		v.sum.OK = false
		fmt.Fprintf(v.tables.Writer, "  %s\t%s %s\tWRONG\t%d rows\t%s\n", r.Destination, r.Table, r.Partition, r.Rows, r.Detail)
	}
	return nil
}

// line writes the line of the table that was just finished.
func (v *verifyPrinter) line() {
	if v.parts > 0 && v.sum.OK {
		fmt.Fprintf(v.tables.Writer, "  %s\t%s\tok\t%d rows\t%d partitions, %s\n", v.sum.Destination, v.sum.Table, v.sum.Rows, v.parts, v.sum.Detail)
	}
}
