package main

import (
	"fmt"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"roistat-etl/internal/untrusted"
	"roistat-etl/pipeline"
	"roistat-etl/schemas"
)

func (a *app) rejectsCommand() *cobra.Command {
	var f pipeline.RejectFilter
	cmd := &cobra.Command{
		Use:   "rejects [PIPELINE…]",
		Short: "Show what could not be used and why, with the raw JSON",
		Long: `Shows what could not be used and why, as the table rejects has it: with the raw
JSON, unless there are privacy rules and rejects.raw is not kept by one of them.
What the API gave of a client, roistat-etl show CLIENT shows in any case.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRejectFilter(f); err != nil {
				return err
			}
			f.HasClient = cmd.Flags().Changed("client")
			list, err := a.projectable(args, schemas.Get(schemas.Rejects))
			if err != nil {
				return err
			}
			p := &rejectPrinter{app: a, text: newTable()}
			for _, one := range list {
				if err := pipeline.Rejects(cmd.Context(), one, f, p.take); err != nil {
					return fmt.Errorf("%s: %w", one.Name, err)
				}
			}
			return p.text.flush(a.stdout)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.Table, "table", "", "only of this table")
	fl.StringVar(&f.Reason, "reason", "", "only for this reason")
	fl.Int64Var(&f.Client, "client", 0, "only of this client")
	fl.IntVar(&f.Limit, "limit", 100, "rows a pipeline at most; 0: all")
	a.jsonFlag(cmd, "print JSON, a line a row")
	return cmd
}

func checkRejectFilter(f pipeline.RejectFilter) error {
	if _, ok := schemas.ByName(f.Table); f.Table != "" && !ok {
		return usageError{fmt.Errorf("--table %s: there is no such table; see roistat-etl schema", f.Table)}
	}
	if f.Limit < 0 {
		return usageError{fmt.Errorf("--limit can't be negative")}
	}
	return nil
}

// rejectPrinter prints rejects as JSON lines or as a table.
type rejectPrinter struct {
	app  *app
	text *table
	head bool
}

// rawShown is how much of the raw JSON the table shows; --json has it all.
const rawShown = 100

func (p *rejectPrinter) take(r pipeline.Row) error {
	if p.app.json {
		return p.app.printJSON(r)
	}
	if !p.head {
		p.head = true
		fmt.Fprint(p.text.Writer, "source\tclient\tordinal\ttype\tfield\treason\traw\n")
	}
	raw := r.Get("raw") // null where privacy rules silence it
	if text, ok := raw.(string); ok {
		raw = cut(text, rawShown)
	}
	fmt.Fprintf(p.text.Writer, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", show(r.Get("source")), show(r.Get("client_id")), show(r.Get("ordinal")),
		show(r.Get("type")), show(r.Get("field")), show(r.Get("reason")), show(raw))
	return nil
}

// show writes a value for a table: a dash where there is none, and on one line.
func show(v any) string {
	if v == nil {
		return "–"
	}
	return untrusted.Line(fmt.Sprint(v), 0)
}

// cut shortens a text to n bytes without breaking a letter.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
