package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

func (a *app) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [PIPELINE…]",
		Short: "Audit what is published with an independent reader",
		Long: `Audits what is published: every file is read by a library that did not write it,
and rows and digests are compared with the manifest; with the mirror too, where
nothing was extracted since the publishing. Exits 1 if anything is not as it
should be.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.projectable(args)
			if err != nil {
				return err
			}
			bad := 0
			for _, p := range list {
				n, err := a.verify(cmd, p)
				if err != nil {
					return fmt.Errorf("%s: %w", p.Name, err)
				}
				bad += n
			}
			return a.audited(bad)
		},
	}
	a.jsonFlag(cmd, "print JSON, a line a destination, table and partition")
	return cmd
}

// audited ends the report by its sum; nothing follows it.
func (a *app) audited(bad int) error {
	if bad == 0 {
		return nil
	}
	a.codes = append(a.codes, exitFailed)
	if a.json {
		return errReported
	}
	return errors.Join(a.printf("%d of what was audited is not as it should be\n", bad), errReported)
}

// verify audits one pipeline and returns how many findings are not as they should be.
func (a *app) verify(cmd *cobra.Command, p *config.Pipeline) (int, error) {
	v := &verifyPrinter{app: a, tables: newTable()}
	if err := pipeline.Verify(cmd.Context(), p, v.take); err != nil {
		return v.bad, errors.Join(err, v.tables.flush(a.stdout))
	}
	v.line()
	return v.bad, v.tables.flush(a.stdout)
}

// verifyPrinter prints findings: text shows what is wrong, and a line for each
// table that is right.
type verifyPrinter struct {
	app    *app
	tables *table
	bad    int
	sum    pipeline.Verified
	parts  int
}

// take prints a finding as JSON, or adds it to its table's line.
func (v *verifyPrinter) take(r pipeline.Verified) error {
	if !r.OK {
		v.bad++
	}
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
