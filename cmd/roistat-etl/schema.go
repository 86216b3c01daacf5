package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"roistat-etl/schemas"
)

// formatMark stands where a publishing puts its run and its mirror.
const formatMark = "[run=RUN mirror=ID]"

func (a *app) schemaCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the tables, the DDL or the data dictionary; needs no file",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			write, ok := schemaFormats()[format]
			if !ok {
				return usageError{fmt.Errorf("--format %s: it is one of table, sql, json, markdown", format)}
			}
			return write(a.stdout)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table, sql, json or markdown")
	return cmd
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

func schemaFormats() map[string]func(io.Writer) error {
	return map[string]func(io.Writer) error{
		"table":    schemaTable,
		"sql":      schemaSQL,
		"json":     schemaJSON,
		"markdown": func(w io.Writer) error { _, err := io.WriteString(w, schemas.Dictionary()); return err },
	}
}

func schemaTable(w io.Writer) error {
	t := newTable()
	for i, table := range schemas.Tables() {
		if i > 0 {
			fmt.Fprintln(t.Writer)
		}
		fmt.Fprintf(t.Writer, "%s: %s\n", table.Name, table.Comment)
		for _, c := range table.Columns {
			fmt.Fprintf(t.Writer, "  %s\t%s\t%s\t%s\n", c.Name, c.Type(), c.From, c.Comment)
		}
	}
	return t.flush(w)
}

func schemaSQL(w io.Writer) error {
	_, err := io.WriteString(w, strings.Join(schemas.Statements(formatMark, "UTC"), ";\n\n")+";\n")
	return err
}

type columnJSON struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Nullable   bool   `json:"nullable"`
	Arrow      string `json:"arrow"`
	ClickHouse string `json:"clickhouse"`
	From       string `json:"from"`
	Comment    string `json:"comment"`
}

type tableJSON struct {
	Name      string       `json:"name"`
	Version   int          `json:"version"`
	Comment   string       `json:"comment"`
	Partition string       `json:"partition"`
	OrderBy   string       `json:"order_by"`
	Columns   []columnJSON `json:"columns"`
}

func schemaJSON(w io.Writer) error {
	type viewJSON struct {
		Name    string `json:"name"`
		Comment string `json:"comment"`
	}
	var doc struct {
		Schema int         `json:"schema"`
		Tables []tableJSON `json:"tables"`
		Views  []viewJSON  `json:"views"`
	}
	doc.Schema = 1
	for _, t := range schemas.Tables() {
		doc.Tables = append(doc.Tables, tableToJSON(t))
	}
	for _, v := range schemas.Views(schemas.ClickHouse, "UTC") {
		doc.Views = append(doc.Views, viewJSON{v.Name, v.Comment})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}

func tableToJSON(t *schemas.Table) tableJSON {
	out := tableJSON{Name: t.Name, Version: t.Version, Comment: t.Comment, OrderBy: t.OrderBy, Partition: "none"}
	if t.Partition == schemas.Monthly {
		out.Partition = "month"
	}
	for i, c := range t.Columns {
		out.Columns = append(out.Columns, columnJSON{
			c.Name, c.Kind.String(), c.Nullable, t.Arrow().Field(i).Type.String(), c.ClickHouse(), c.From, c.Comment,
		})
	}
	return out
}
