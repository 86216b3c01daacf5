package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// source is what a pipeline remembers of the text it was read from. It holds no
// secret.
type source struct {
	file  string
	at    place
	marks map[any]mark // by the address of the field
	later []deferred
}

// mark tells of a field that the file sets. unset is its text as written, if a
// variable in it has no value.
type mark struct {
	at    place
	path  string
	unset string
}

// deferred is what can only be judged once it is needed: run gives the fault, or
// "". It may fill a field.
type deferred struct {
	need Need
	at   place
	run  func() string
}

// mark gives what is known of a field; false if it has its default, or if the
// pipeline was not read from a file.
func (s *source) mark(field any) (mark, bool) {
	if s == nil {
		return mark{}, false
	}
	m, ok := s.marks[field]
	return m, ok
}

// where gives the place of a field, or the pipeline's own if it has its default.
func (s *source) where(field any) place {
	if m, ok := s.mark(field); ok {
		return m.at
	}
	return s.at
}

// cursor is the position of the walk through the nodes, passed by value.
type cursor struct {
	*problems
	*source
	env     func(string) (string, bool)
	all     []known // every key there is, for hints
	need    Need
	path    string
	keyAt   place
	partial bool // these are defaults: nothing is required
}

// enter goes down to a key.
func (c cursor) enter(name string, at place, need Need) cursor {
	c.path = strings.TrimPrefix(c.path+"."+name, ".")
	c.keyAt = at
	if need != 0 {
		c.need = need
	}
	return c
}

// entry goes down to an entry of a list. Entries are never merged, so they are
// whole even in the defaults.
func (c cursor) entry(i int) cursor {
	c.path += "[" + strconv.Itoa(i) + "]"
	c.partial = false
	return c
}

// fault reports a value; the message continues the key's path.
func (c cursor) fault(n *node, format string, args ...any) {
	if n.kind == badKind {
		return
	}
	c.add(n.at, "%s %s", c.path, fmt.Sprintf(format, args...))
}

// spend counts values; false: the aliases of a small file came to too many.
func (c cursor) spend(n *node, values int) bool {
	within := c.spent <= maxValues
	c.spent += values
	if within && c.spent > maxValues {
		c.add(n.at, "with aliases and defaults put in, the file comes to more than %d values", maxValues)
	}
	return c.spent <= maxValues
}

// isList tells whether n is a list, empty where nothing is written.
func (c cursor) isList(n *node) bool {
	if n.kind != listKind && n.kind != nullKind {
		c.fault(n, "wants a list, not %v", n.kind)
		return false
	}
	return true
}

// scalar is a single value with its variables put in.
type scalar struct {
	text   string
	quoted bool   // a text even if it looks like a number
	raw    string // as written: what messages may show
}

// wants is the error of a scalar that is no such thing.
func (s scalar) wants(what string) error {
	format := "wants %s, not %q"
	switch {
	case s.text != s.raw:
		format = "wants %s, not what %q comes to"
	case s.quoted && jsonNumber.MatchString(s.text):
		format = "wants %s, not the text %q"
	}
	return fmt.Errorf(format, what, shorten(s.raw))
}

// field reads the single value of a field and remembers its place.
func (c cursor) field(n *node, field any) (scalar, bool) {
	waiting := len(c.later)
	s, ok := c.scalar(n)
	m := mark{at: n.at, path: c.path}
	if len(c.later) > waiting {
		m.unset = n.text
	}
	c.marks[field] = m
	return s, ok
}

// scalar reads a single value. It gives false where there is none, or none yet;
// that was then reported, or will be by Resolve.
func (c cursor) scalar(n *node) (scalar, bool) {
	if !c.single(n) {
		return scalar{}, false
	}
	text, err := expand(n.text, c.env)
	var unset *unsetError
	switch {
	case errors.As(err, &unset) && c.need != 0:
		c.later = append(c.later, deferred{c.need, n.at, func() string { return c.path + " " + err.Error() }})
	case err != nil:
		c.fault(n, "%v", err)
	default:
		return scalar{text, n.quoted && !strings.Contains(n.text, "$"), n.text}, true
	}
	return scalar{}, false
}

func (c cursor) single(n *node) bool {
	switch n.kind {
	case textKind:
		return true
	case nullKind:
		c.fault(n, `has no value: write "" or leave the key out`)
	default:
		c.fault(n, "wants a single value, not %v", n.kind)
	}
	return false
}

// shorten cuts what a message quotes.
func shorten(text string) string {
	if r := []rune(text); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return text
}
