package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

const maxFilters = 64 << 10

var (
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	// yamlNumber is what a YAML reader may take for a number, though JSON doesn't.
	yamlNumber = regexp.MustCompile(`^[-+]?(\.?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|0[xXoObB][0-9a-fA-F_]+|\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

func operators() []string { return []string{"<", "<=", "=", "!=", ">", ">=", "in", "null", "like"} }

// filtersKey reads filters into the JSON that the API takes: a bare list of
// conditions, or two or more of them under and or or. Numbers stay as written.
func filtersKey() key[Extract] {
	set := func(c cursor, t *Extract, n *node) {
		c.marks[&t.Filters] = mark{at: n.at, path: c.path}
		faults, waiting := len(c.list), len(c.later)
		text := c.filters(n)
		switch {
		case len(c.list) > faults:
		case len(c.later) > waiting:
			c.marks[&t.Filters] = mark{n.at, c.path, text}
		case len(text) > maxFilters:
			c.fault(n, "come to %d bytes of JSON: at most %d are taken", len(text), maxFilters)
		case text != "[]":
			t.Filters = json.RawMessage(text)
		}
	}
	return key[Extract]{name: "filters", set: set, show: showFilters}
}

func (c cursor) filters(n *node) string {
	switch {
	case n.kind == mapKind && len(n.pairs) == 1 && (n.pairs[0].name == "and" || n.pairs[0].name == "or"):
		return c.joined(n.pairs[0])
	case n.kind == listKind || n.kind == nullKind:
		return c.conditions(n.items)
	}
	c.fault(n, "wants a list of conditions, or one of and, or with two or more")
	return ""
}

// joined reads what is under and or or.
func (c cursor) joined(p pair) string {
	c = c.enter(p.name, p.at, 0)
	if !c.isList(p.value) {
		return ""
	}
	if len(p.value.items) < 2 {
		c.fault(p.value, "wants two or more conditions: write a single one as the bare list [[field, operator, value]]")
		return ""
	}
	return `{"` + p.name + `":` + c.conditions(p.value.items) + `}`
}

func (c cursor) conditions(items []*node) string {
	out := make([]string, 0, len(items))
	size := 0
	for i, n := range items {
		if size > maxFilters {
			break
		}
		text := c.entry(i).condition(n)
		size += len(text)
		out = append(out, text)
	}
	return "[" + strings.Join(out, ",") + "]"
}

func (c cursor) condition(n *node) string {
	if n.kind != listKind || len(n.items) != 3 {
		c.fault(n, `wants a condition [field, operator, value], such as ["revenue", ">", 0]`)
		return ""
	}
	name, ok := c.scalar(n.items[0])
	if ok && name.text == "" {
		c.fault(n.items[0], "wants the name of a field first")
	}
	if n.items[1].kind == nullKind {
		c.fault(n.items[1], `wants quotes around the operator "null"`)
		return ""
	}
	op, ok := c.scalar(n.items[1])
	if ok && !slices.Contains(operators(), op.text) {
		c.fault(n.items[1], "wants one of %s, not %q", strings.Join(operators(), " "), shorten(op.raw))
	}
	return "[" + quote(name.text) + "," + quote(op.text) + "," + c.operand(n.items[2], op.text) + "]"
}

func (c cursor) operand(n *node, op string) string {
	if op != "in" {
		return c.json(n)
	}
	if n.kind != listKind || len(n.items) == 0 {
		c.fault(n, "wants a list of one or more values for in")
		return ""
	}
	out := make([]string, len(n.items))
	for i, item := range n.items {
		out[i] = c.json(item)
	}
	return "[" + strings.Join(out, ",") + "]"
}

// json gives a single value as JSON.
func (c cursor) json(n *node) string {
	switch n.kind {
	case nullKind:
		return "null"
	case boolKind:
		return strings.ToLower(n.text)
	}
	s, ok := c.scalar(n)
	switch {
	case !ok: // what is printed of a variable that isn't set
		return quote(n.text)
	case n.quoted:
		return quote(s.text)
	case jsonNumber.MatchString(s.text):
		return s.text
	case yamlNumber.MatchString(s.text):
		c.fault(n, "wants a number as JSON writes it, or a text in quotes, not %q", shorten(s.raw))
	}
	return quote(s.text)
}

// quote gives a JSON string with its letters and signs unescaped.
func quote(text string) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return `""` // no text can fail
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// flow is JSON, which is YAML too.
type flow string

// MarshalYAML gives the JSON as it is.
func (f flow) MarshalYAML() ([]byte, error) { return []byte(f), nil }

func showFilters(s *source, t *Extract) any {
	if m, _ := s.mark(&t.Filters); m.unset != "" {
		return flow(m.unset)
	}
	if t.Filters == nil {
		return []yaml.MapSlice{}
	}
	return flow(escape(string(t.Filters)))
}
