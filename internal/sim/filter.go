package sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"roistat-etl/internal/sim/world"
)

// condition is one triple of a filter.
type condition struct {
	field, op string
	value     any // as encoding/json decodes it, numbers as json.Number
}

// filter is conditions that all, or any, must hold.
type filter struct {
	any   bool
	conds []condition
}

// parseFilter reads a bare list of triples, or one under and / or. Null, [] and
// {} filter nothing.
func parseFilter(raw json.RawMessage) (filter, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return filter{}, nil
	}
	if raw[0] == '[' {
		conds, err := parseTriples(raw)
		return filter{conds: conds}, err
	}
	var groups struct{ And, Or json.RawMessage }
	if err := json.Unmarshal(raw, &groups); err != nil {
		return filter{}, refuse("request_data_validation_error", "filters: neither a list nor an object")
	}
	if len(groups.Or) > 0 {
		conds, err := parseTriples(groups.Or)
		return filter{any: true, conds: conds}, err
	}
	if len(groups.And) == 0 {
		return filter{}, nil
	}
	conds, err := parseTriples(groups.And)
	if err == nil && len(conds) == 1 {
		err = refuse("internal_error", "something went wrong") // as the real service does
	}
	return filter{conds: conds}, err
}

func parseTriples(raw json.RawMessage) ([]condition, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var triples [][]any
	if err := dec.Decode(&triples); err != nil {
		return nil, refuse("request_data_validation_error", "filters: not a list of triples")
	}
	conds := make([]condition, 0, len(triples))
	for i, t := range triples {
		c, err := parseCondition(t)
		if err != nil {
			return nil, refuse("request_data_validation_error", "filter %d: %v", i, err)
		}
		conds = append(conds, c)
	}
	return conds, nil
}

func parseCondition(t []any) (condition, error) {
	if len(t) != 3 {
		return condition{}, fmt.Errorf("has %d parts, not three", len(t))
	}
	field, ok1 := t[0].(string)
	op, ok2 := t[1].(string)
	if !ok1 || !ok2 {
		return condition{}, fmt.Errorf("field and operator must be texts")
	}
	switch op = strings.ToLower(op); op {
	case "<", "<=", "=", "!=", ">", ">=", "null", "like":
	case "in":
		if _, ok := t[2].([]any); !ok {
			return condition{}, fmt.Errorf("in takes a list")
		}
	default:
		return condition{}, fmt.Errorf("there is no operator %q", op)
	}
	return condition{field, op, t[2]}, nil
}

func (f filter) holds(r *world.Row) bool {
	for i := range f.conds {
		if f.conds[i].holds(r) == f.any {
			return f.any
		}
	}
	return !f.any || len(f.conds) == 0
}

// holds compares a row's truth, not its spelling. A condition on a field that
// rows don't have is ignored.
func (c *condition) holds(r *world.Row) bool {
	cell := r.Find(c.field)
	if cell == nil {
		return true
	}
	if c.op == "null" {
		return cell.IsNull() != (c.value == false)
	}
	if cell.IsNull() {
		return c.op == "!=" && c.value != nil
	}
	have := plainText(cell)
	switch c.op {
	case "like":
		return like(have, scalar(c.value))
	case "in":
		for _, v := range c.value.([]any) {
			if compare(have, scalar(v)) == 0 {
				return true
			}
		}
		return false
	}
	return ordered(compare(have, scalar(c.value)), c.op)
}

func ordered(d int, op string) bool {
	switch op {
	case "<":
		return d < 0
	case "<=":
		return d <= 0
	case "=":
		return d == 0
	case "!=":
		return d != 0
	case ">":
		return d > 0
	default:
		return d >= 0
	}
}

// plainText is a cell's truth as a filter sees it.
func plainText(c *world.Cell) string {
	switch c.Kind {
	case world.Int, world.Bool:
		return strconv.FormatInt(c.Num, 10)
	case world.Money:
		return strconv.FormatFloat(float64(c.Num)/100, 'f', 2, 64)
	case world.Time:
		return world.SQLTime(c.Num)
	default:
		return c.Text
	}
}

func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// compare compares as numbers if both are, else as texts.
func compare(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// like is SQL's: % and _ are wild, letters match in any case; without a wild
// one the text is looked for anywhere.
func like(have, pattern string) bool {
	if !strings.ContainsAny(pattern, "%_") {
		return strings.Contains(strings.ToLower(have), strings.ToLower(pattern))
	}
	expr := regexp.QuoteMeta(pattern)
	expr = strings.NewReplacer("%", ".*", "_", ".").Replace(expr)
	return regexp.MustCompile("(?is)^" + expr + "$").MatchString(have)
}

// match is a set of rows of the list.
type match struct {
	rows, total int
	offsets     []int // in the whole list; nil: all rows
}

func (m *match) offset(n int) int {
	if m.offsets == nil {
		return n
	}
	return m.offsets[n]
}

// matches remembers the rows of the last few filters, so that the pages of one
// listing don't each go through all rows.
type matches struct {
	mu    sync.Mutex
	state *world.State
	by    map[string]*match
}

// maxMatches bounds how many filters are remembered.
const maxMatches = 16

// match returns the rows that the filter lets through.
func (s *Server) match(state *world.State, raw json.RawMessage) (*match, error) {
	f, err := parseFilter(raw)
	if err != nil {
		return nil, err
	}
	if len(f.conds) == 0 {
		return &match{rows: state.Listed(), total: state.Total()}, nil
	}
	s.found.mu.Lock()
	defer s.found.mu.Unlock()
	if s.found.state != state || len(s.found.by) >= maxMatches {
		s.found.state, s.found.by = state, map[string]*match{}
	}
	m := s.found.by[string(raw)]
	if m == nil {
		m = scan(state, f)
		s.found.by[string(raw)] = m
	}
	return m, nil
}

func scan(state *world.State, f filter) *match {
	m := &match{offsets: []int{}}
	for n := range state.Listed() {
		if r := state.Row(n); f.holds(r) {
			m.offsets = append(m.offsets, n)
			if r.ID != 0 {
				m.total++
			}
		}
	}
	m.rows = len(m.offsets)
	return m
}
