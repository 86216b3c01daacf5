package importer

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Shown is how many faults, repeats and first rows a [Report] names.
const (
	Shown      = 20
	shownFirst = 3
)

// Report is what a file holds.
type Report struct {
	Rows      int64
	Good      int64 // rows that can be sent
	Calls     int64 // to send them
	Faults    int64 // of the others; a row may have several
	Shown     []Fault
	First     []string // rows as they are sent, JSON
	Repeats   int64    // rows whose id an earlier row has
	Repeated  []Repeat // the first of them
	Unchecked int64    // rows whose ids were not compared, for there are too many
}

// Check reads the whole file and tells what it holds. A batch has size rows. Each
// fault is given to each, in the order of the file. Nothing is sent. A file that
// can't be used is a [*BadFileError].
func (f *File) Check(ctx context.Context, mem memory.Allocator, size int, each func(Fault) error) (_ *Report, err error) {
	b, err := newBatcher(ctx, f, allocator(mem), size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.rows.Close()) }()
	c := &check{each: each}
	b.seen = c.row
	for {
		batch, err := b.fill(ctx)
		if err != nil {
			return nil, err
		}
		if len(batch.rows) > 0 {
			c.report.Calls++
		}
		if batch.last {
			break
		}
	}
	c.report.Repeats, c.report.Repeated = c.ids.repeats()
	c.report.Unchecked = c.ids.unchecked
	return &c.report, f.Unchanged()
}

// check is a reading of the whole file.
type check struct {
	report Report
	ids    ids
	each   func(Fault) error
}

// row looks at a row. text is its JSON, nil if it isn't sent.
func (c *check) row(r *row, text []byte) error {
	c.report.Rows++
	if id := r.cells[idColumn].text; id != "" {
		c.ids.add(id, r.at.line)
	}
	if text != nil {
		c.report.Good++
		if len(c.report.First) < shownFirst {
			c.report.First = append(c.report.First, string(text))
		}
		return nil
	}
	for _, f := range r.faults {
		c.report.Faults++
		if len(c.report.Shown) < Shown {
			c.report.Shown = append(c.report.Shown, f)
		}
		if err := c.each(f); err != nil {
			return err
		}
	}
	return nil
}
