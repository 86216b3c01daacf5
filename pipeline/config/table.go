package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// key is one key of a map that fills a T: how its value is read, how it is shown
// (nil: not at all), and the keys below it.
type key[T any] struct {
	name  string
	need  Need // zero: that of the map around it
	set   func(c cursor, t *T, n *node)
	show  func(s *source, t *T) any
	below []known
}

// table is all the keys of a map. where completes "it belongs …"; each entry of
// required is a key, or a|b where either will do.
type table[T any] struct {
	where    string
	keys     []key[T]
	required []string
}

// known is a key and where it belongs.
type known struct{ name, where string }

func (tab table[T]) known() []known {
	var out []known
	for _, k := range tab.keys {
		out = append(append(out, known{k.name, tab.where}), k.below...)
	}
	return out
}

func (tab table[T]) find(name string) *key[T] {
	i := slices.IndexFunc(tab.keys, func(k key[T]) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return &tab.keys[i]
}

// read fills t from a map.
func (tab table[T]) read(c cursor, t *T, n *node) {
	if n.kind != mapKind && n.kind != nullKind {
		c.fault(n, "wants keys and values, not %v", n.kind)
		return
	}
	if !c.spend(n, len(n.pairs)+1) {
		return
	}
	for _, p := range n.pairs {
		if c.full() {
			return
		}
		if k := tab.find(p.name); k != nil {
			k.set(c.enter(p.name, p.at, k.need), t, p.value)
			continue
		}
		c.add(p.at, "%s", unknownKey(p.name, tab.known(), tab.where, c.all))
	}
	tab.exclude(c, n)
	if !c.partial {
		tab.require(c, n)
	}
}

// exclude reports a key that stands beside its _file twin.
func (tab table[T]) exclude(c cursor, n *node) {
	for _, p := range n.pairs {
		if base, ok := strings.CutSuffix(p.name, fileSuffix); ok && n.find(base) != nil {
			c.enter(p.name, p.at, 0).add(p.at, "%s and %s exclude each other",
				c.enter(base, p.at, 0).path, c.enter(p.name, p.at, 0).path)
		}
	}
}

func (tab table[T]) require(c cursor, n *node) {
	for _, r := range tab.required {
		names := strings.Split(r, "|")
		if slices.ContainsFunc(names, func(name string) bool { return n.find(name) != nil }) {
			continue
		}
		for i, name := range names {
			names[i] = c.enter(name, n.at, 0).path
		}
		c.add(n.at, "%s is missing", strings.Join(names, " or "))
	}
}

// print gives what read would take.
func (tab table[T]) print(s *source, t *T) yaml.MapSlice {
	out := yaml.MapSlice{}
	for _, k := range tab.keys {
		if v := k.show(s, t); v != nil {
			out = append(out, yaml.MapItem{Key: k.name, Value: v})
		}
	}
	return out
}

// leaf is a key with a single value.
func leaf[T, V any](name string, at func(*T) *V, parse func(scalar) (V, error)) key[T] {
	set := func(c cursor, t *T, n *node) {
		s, ok := c.field(n, at(t))
		if !ok {
			return
		}
		v, err := parse(s)
		if err != nil {
			c.fault(n, "%v", err)
			return
		}
		*at(t) = v
	}
	return key[T]{name: name, set: set, show: shower(at)}
}

// shower prints a field; one that is not set yet as it was written.
func shower[T, V any](at func(*T) *V) func(*source, *T) any {
	return func(s *source, t *T) any {
		if m, _ := s.mark(at(t)); m.unset != "" {
			return m.unset
		}
		return shown(*at(t))
	}
}

// group is a key with a map below it, always there.
func group[T, V any](name string, need Need, at func(*T) *V, tab table[V]) key[T] {
	return key[T]{
		name:  name,
		need:  need,
		set:   func(c cursor, t *T, n *node) { tab.read(c, at(t), n) },
		show:  func(s *source, t *T) any { return tab.print(s, at(t)) },
		below: tab.known(),
	}
}

// choice is a key with a map below it, there only if the file has it.
func choice[T, V any](name string, at func(*T) **V, fresh func() *V, tab table[V]) key[T] {
	set := func(c cursor, t *T, n *node) {
		*at(t) = fresh()
		c.marks[at(t)] = mark{at: c.keyAt, path: c.path}
		tab.read(c, *at(t), n)
	}
	show := func(s *source, t *T) any {
		if *at(t) == nil {
			return nil
		}
		return tab.print(s, *at(t))
	}
	return key[T]{name: name, set: set, show: show, below: tab.known()}
}

// list is a key with a list of maps. The entries don't move once they are read:
// what waits for Resolve points into them.
func list[T, V any](name string, need Need, at func(*T) *[]V, fresh func() V, tab table[V]) key[T] {
	set := func(c cursor, t *T, n *node) {
		if !c.isList(n) {
			return
		}
		c.marks[at(t)] = mark{at: n.at, path: c.path}
		out := make([]V, len(n.items))
		for i, item := range n.items {
			out[i] = fresh()
			c.marks[&out[i]] = mark{at: item.at, path: c.entry(i).path}
			tab.read(c.entry(i), &out[i], item)
		}
		*at(t) = out
	}
	show := func(s *source, t *T) any {
		out := []yaml.MapSlice{}
		for i := range *at(t) {
			out = append(out, tab.print(s, &(*at(t))[i]))
		}
		return out
	}
	return key[T]{name: name, need: need, set: set, show: show, below: tab.known()}
}
