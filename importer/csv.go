package importer

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"roistat-etl/schemas"
)

// maxRecord is the most bytes of a record of CSV or a line of NDJSON.
const maxRecord = 16 << 20

// csvRows reads CSV.
type csvRows struct {
	text   *text
	csv    *csv.Reader
	header []string
	next   int64 // row
	end    int64 // line that the last record ended in
}

func openCSV(f *File) (*csvRows, error) {
	t := newText(io.NewSectionReader(f, 0, f.Size()))
	c := &csvRows{text: t, csv: csv.NewReader(bufio.NewReaderSize(t, textBuffer))}
	c.csv.ReuseRecord = true
	header, err := c.read()
	if errors.Is(err, io.EOF) {
		return nil, badFile("the file is empty: it needs a header with the columns id and name")
	}
	if err != nil {
		return nil, err
	}
	c.header = slices.Clone(header)
	at := func(i int) place { line, column := c.csv.FieldPos(i); return place{int64(line), int64(column)} }
	return c, checkHeader(c.header, at)
}

// checkHeader trims the names of the columns and refuses a header that lacks one
// or has one twice.
func checkHeader(header []string, at func(int) place) error {
	wrong := func(i int, format string, args ...any) error {
		p := at(i)
		return &BadFileError{Line: p.line, Column: p.column, Text: fmt.Sprintf(format, args...)}
	}
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		header[i] = name
		known, field := columnOf(name)
		key := fmt.Sprint(known, field)
		switch {
		case name == "", known < 0 && field == "":
			return wrong(i, "column %d of the header has no name", i+1)
		case seen[key]:
			return wrong(i, "the header has the column %q twice", cut(name))
		}
		seen[key] = true
	}
	for _, required := range columnTable[:nameColumn+1] {
		if !slices.Contains(header, required) {
			return wrong(0, "the header has no column %s%s: it has %s", required, likely(header, required), cut(strings.Join(header, ", ")))
		}
	}
	return nil
}

// likely says what may be wrong with a header that lacks a column.
func likely(header []string, required string) string {
	for _, name := range header {
		if strings.EqualFold(name, required) {
			return fmt.Sprintf(" (%s is written in small letters)", required)
		}
	}
	for _, c := range ";\t|" {
		if len(header) == 1 && strings.ContainsRune(header[0], c) {
			return fmt.Sprintf(" (columns are separated by commas, not by %q)", c)
		}
	}
	return ""
}

// cut shortens what a message quotes.
func cut(s string) string {
	const most = 120
	for i := range s {
		if i > most {
			return s[:i] + "…"
		}
	}
	return s
}

// read reads a record, of which no more than maxRecord is held.
func (c *csvRows) read() ([]string, error) {
	c.text.limit = c.csv.InputOffset() + maxRecord + textBuffer
	c.text.overrun = &BadFileError{Line: c.end + 1, Text: fmt.Sprintf("the record that begins here has more than %d MiB: is a quote never closed?", maxRecord>>20)}
	record, err := c.csv.Read()
	var wrong *csv.ParseError
	if errors.As(err, &wrong) && !errors.Is(err, csv.ErrFieldCount) {
		return nil, quotes(wrong)
	}
	if last := len(record) - 1; last >= 0 {
		line, _ := c.csv.FieldPos(last)
		c.end = int64(line + strings.Count(record[last], "\n"))
	}
	return record, err
}

// quotes says what is wrong with the quotes of a record.
func quotes(e *csv.ParseError) error {
	if e.StartLine != e.Line {
		return &BadFileError{Line: int64(e.StartLine), Text: fmt.Sprintf("a quote in the record that begins here is never closed (read up to line %d)", e.Line)}
	}
	return &BadFileError{Line: int64(e.Line), Column: int64(e.Column), Text: `a quote is not closed, or stands within a field, where it must be doubled ("") and the field quoted`}
}

// Next implements rows.
func (c *csvRows) Next(r *row) error {
	record, err := c.read()
	short := errors.Is(err, csv.ErrFieldCount)
	if err != nil && !short {
		return err
	}
	at := func(i int) place { line, column := c.csv.FieldPos(i); return place{int64(line), int64(column)} }
	r.reset(c.next, at(0))
	c.next++
	if short {
		r.fault(r.at, "", schemas.BadValue, "the row has %d columns, the header %d", len(record), len(c.header))
		r.raw, err = json.Marshal(record)
		return err
	}
	for i, text := range record {
		r.set(c.header[i], textValue(text), at(i))
	}
	return nil
}

// Close implements rows.
func (c *csvRows) Close() error { return nil }
