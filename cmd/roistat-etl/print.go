package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"roistat-etl/internal/untrusted"
)

// printJSON prints a value as one line of JSON.
func (a *app) printJSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := a.stdout.Write(untrusted.JSON(b.Bytes()))
	return err
}

// printf prints text for a person; a stdout that can't be written to is an error.
func (a *app) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format, args...)
	return err
}

// table lays out text in columns. What is printed into it can't fail; flush can.
type table struct {
	*tabwriter.Writer
	text strings.Builder
}

func newTable() *table {
	t := &table{}
	t.Writer = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	return t
}

// flush writes what was laid out.
func (t *table) flush(w io.Writer) error {
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, t.text.String())
	return err
}
