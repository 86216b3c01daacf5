package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Error is one fault of a configuration file. Line and Column count from 1, in
// characters; Msg never holds a secret.
type Error struct {
	File         string
	Line, Column int
	Msg          string
}

// Error gives the fault as file:line:column: message.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// place is where something stands in the file.
type place struct{ line, column int }

// after tells whether p stands behind q.
func (p place) after(q place) bool {
	return p.line > q.line || p.line == q.line && p.column > q.column
}

// problems collects the faults of one file.
type problems struct {
	file  string
	list  []*Error
	spent int // values read, those of aliases and defaults once a use
}

// full tells that enough was found: the rest is not looked for.
func (p *problems) full() bool { return len(p.list) >= maxFaults }

func (p *problems) add(at place, format string, args ...any) {
	if p.full() {
		return
	}
	p.list = append(p.list, &Error{p.file, max(at.line, 1), max(at.column, 1), fmt.Sprintf(format, args...)})
}

// err joins what was found in line order. Faults of shared defaults, found once
// a pipeline, count once.
func (p *problems) err() error {
	slices.SortStableFunc(p.list, compareErrors)
	p.list = slices.CompactFunc(p.list, func(a, b *Error) bool { return *a == *b })
	all := make([]error, len(p.list))
	for i, e := range p.list {
		all[i] = e
	}
	return errors.Join(all...)
}

func compareErrors(a, b *Error) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Msg, b.Msg))
}
