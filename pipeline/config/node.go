package config

import (
	"maps"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type kind int

const (
	badKind kind = iota // reported already
	nullKind
	boolKind
	textKind // any other scalar, numbers too
	mapKind
	listKind
)

// String names the kind as a message calls it.
func (k kind) String() string {
	return [...]string{"", "nothing", "true or false", "a single value", "keys and values", "a list"}[k]
}

// node is a YAML value with its place; aliases and merge keys are put in.
type node struct {
	kind   kind
	at     place
	text   string // of a scalar, as written; without quotes
	quoted bool   // or a block text: never a number
	pairs  []pair
	items  []*node
}

// pair is a key of a map, with its own place.
type pair struct {
	name  string
	at    place
	value *node
}

// find gives the pair of a key, or nil.
func (n *node) find(name string) *pair {
	for i := range n.pairs {
		if n.pairs[i].name == name {
			return &n.pairs[i]
		}
	}
	return nil
}

// converter makes nodes of the parser's tree. A nested anchor is known only once
// its value is complete, so no node can hold itself.
type converter struct {
	*problems
	anchors map[string]*node
}

func placeOf(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return place{1, 1}
	}
	return place{tk.Position.Line, tk.Position.Column}
}

// node converts one value; above is the place of what holds it.
func (c *converter) node(n ast.Node, above place) *node {
	switch n := n.(type) {
	case nil:
		return &node{kind: nullKind, at: above}
	case *ast.MappingNode:
		return c.mapping(n)
	case *ast.MappingValueNode:
		return c.pairs(placeOf(n.Key.GetToken()), []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		return c.list(n)
	case *ast.AnchorNode:
		return c.anchor(n)
	case *ast.AliasNode:
		return c.alias(n)
	}
	return c.scalar(n)
}

func (c *converter) scalar(n ast.Node) *node {
	tk := n.GetToken()
	out := &node{kind: textKind, at: placeOf(tk)}
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = nullKind
	case *ast.BoolNode:
		out.kind, out.text = boolKind, tk.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.text = tk.Value
	case *ast.StringNode:
		out.text, out.quoted = n.Value, tk.Type == token.DoubleQuoteType || tk.Type == token.SingleQuoteType
	case *ast.LiteralNode:
		out.text, out.quoted = n.Value.Value, true
	case *ast.TagNode:
		return c.bad(out.at, "YAML tags are not known here: quote the value if it is a text")
	default:
		return c.bad(out.at, "unexpected YAML %v", n.Type())
	}
	return out
}

// bad reports a value and gives a node that nothing else is said about.
func (c *converter) bad(at place, format string, args ...any) *node {
	c.add(at, format, args...)
	return &node{at: at}
}

func (c *converter) list(n *ast.SequenceNode) *node {
	out := &node{kind: listKind, at: placeOf(n.GetToken())}
	if len(n.Values) > maxList {
		return c.bad(out.at, "a list of %d entries: at most %d are taken", len(n.Values), maxList)
	}
	for _, v := range n.Values {
		out.items = append(out.items, c.node(v, out.at))
	}
	return out
}

func (c *converter) mapping(n *ast.MappingNode) *node {
	at := placeOf(n.Start)
	if !n.IsFlowStyle && len(n.Values) > 0 {
		at = placeOf(n.Values[0].Key.GetToken())
	}
	return c.pairs(at, n.Values)
}

func (c *converter) pairs(at place, values []*ast.MappingValueNode) *node {
	out := &node{kind: mapKind, at: at}
	seen := map[string]place{}
	var merged []*node
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, c.node(v.Value, placeOf(v.Key.GetToken())))
			continue
		}
		c.pair(out, seen, v)
	}
	own := maps.Clone(seen)
	for _, m := range merged {
		c.merge(out, seen, own, m)
	}
	return out
}

func (c *converter) pair(out *node, seen map[string]place, v *ast.MappingValueNode) {
	k := c.node(v.Key, out.at)
	value := c.node(v.Value, k.at)
	if k.kind == badKind {
		return
	}
	if k.kind == mapKind || k.kind == listKind {
		c.add(placeOf(v.Key.GetToken()), "a key must be a single text")
		return
	}
	if first, twice := seen[k.text]; twice {
		c.add(k.at, "duplicate key %q: it stands at line %d already", shorten(k.text), first.line)
		return
	}
	seen[k.text] = k.at
	out.pairs = append(out.pairs, pair{k.text, k.at, value})
}

// merge adds the keys of a << value that out doesn't have, nor an own twin of.
func (c *converter) merge(out *node, seen, own map[string]place, from *node) {
	switch from.kind {
	case mapKind:
		for _, p := range from.pairs {
			_, taken := seen[p.name]
			_, hidden := own[twin(p.name)]
			if taken || hidden {
				continue
			}
			seen[p.name] = p.at
			out.pairs = append(out.pairs, p)
		}
	case listKind:
		for _, m := range from.items {
			c.merge(out, seen, own, m)
		}
	case badKind:
	default:
		c.add(from.at, "<< wants an alias of keys and values, not %v", from.kind)
	}
}

func (c *converter) anchor(n *ast.AnchorNode) *node {
	out := c.node(n.Value, placeOf(n.Start))
	if n.Name != nil {
		c.anchors[n.Name.GetToken().Value] = out
	}
	return out
}

func (c *converter) alias(n *ast.AliasNode) *node {
	at := placeOf(n.Start)
	if n.Value == nil {
		return c.bad(at, "an alias without a name")
	}
	name := n.Value.GetToken().Value
	if out, ok := c.anchors[name]; ok {
		return out
	}
	return c.bad(at, "unknown alias %q", shorten(name))
}

// merge lays own over below: maps key by key, anything else as a whole. Of the
// pairs key and key_file, salt and salt_file, an own one hides the other below.
func merge(below, own *node) *node {
	if below == nil || below.kind != mapKind {
		return own
	}
	if own.kind == nullKind {
		return below
	}
	if own.kind != mapKind {
		return own
	}
	out := &node{kind: mapKind, at: own.at}
	for _, p := range own.pairs {
		if b := below.find(p.name); b != nil {
			p.value = merge(b.value, p.value)
		}
		out.pairs = append(out.pairs, p)
	}
	for _, p := range below.pairs {
		if own.find(p.name) == nil && own.find(twin(p.name)) == nil {
			out.pairs = append(out.pairs, p)
		}
	}
	return out
}
