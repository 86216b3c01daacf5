package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"roistat-etl/schemas"
)

// privacyKey reads the privacy rules and judges them by the tables.
func privacyKey() key[Transform] {
	set := func(c cursor, t *Transform, n *node) {
		c.marks[&t.Privacy] = mark{at: c.keyAt, path: c.path}
		if n.kind != mapKind && n.kind != nullKind {
			c.fault(n, "wants keys and values, not %v", n.kind)
			return
		}
		for _, p := range n.pairs {
			c.enter(p.name, p.at, 0).rule(t, p)
		}
	}
	return key[Transform]{name: "privacy", set: set, show: showPrivacy}
}

func (c cursor) rule(t *Transform, p pair) {
	droppable, fault := ruled(p.name)
	if fault != "" {
		c.add(p.at, "privacy rule %q: %s", shorten(p.name), fault)
	}
	if t.Privacy == nil {
		t.Privacy = schemas.Rules{}
	}
	t.Privacy[p.name] = "" // known even while its action is not
	s, ok := c.scalar(p.value)
	if !ok {
		return
	}
	action, err := word(schemas.Actions()...)(s)
	switch {
	case err != nil:
		c.fault(p.value, "%v", err)
	case fault == "" && schemas.Action(action) == schemas.DropValue && !droppable:
		c.fault(p.value, "wants hash, mask or keep: the column must not become null")
	}
	t.Privacy[p.name] = schemas.Action(action)
}

// ruled says whether what a rule names may be dropped, or what is wrong with its name.
func ruled(name string) (droppable bool, fault string) {
	if key, ok := strings.CutPrefix(name, schemas.FieldsPrefix); ok {
		if key == "" || strings.ContainsFunc(key, isControl) {
			return false, "wants " + schemas.FieldsPrefix + "KEY, without control characters"
		}
		return true, ""
	}
	table, column, ok := strings.Cut(name, ".")
	if !ok || table == "" || column == "" {
		return false, "wants TABLE.COLUMN or " + schemas.FieldsPrefix + "KEY"
	}
	t, ok := schemas.ByName(table)
	if !ok {
		near, _ := nearest(table, tableNames())
		return false, fmt.Sprintf("there is no table %s; the nearest is %s", shorten(table), near)
	}
	if i := t.Column(column); i >= 0 {
		return schemas.Droppable(t, t.Columns[i]), columnFault(t, t.Columns[i])
	}
	return false, noColumn(t, column)
}

func tableNames() (names []string) {
	for _, t := range schemas.Tables() {
		names = append(names, t.Name)
	}
	return names
}

func noColumn(t *schemas.Table, name string) string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	near, _ := nearest(name, names)
	return fmt.Sprintf("%s has no column %s; the nearest is %s", t.Name, shorten(name), near)
}

// columnFault says why no rule can be for a column.
func columnFault(t *schemas.Table, c schemas.Column) string {
	switch {
	case schemas.Protectable(t, c):
		return ""
	case c.Kind == schemas.Map:
		return "a rule is for one key of the map: " + schemas.FieldsPrefix + "KEY"
	case !c.Nullable:
		return "the column can't be null, so no rule can be for it"
	default:
		return fmt.Sprintf("the column is of type %s; rules are for text and enum", c.Kind)
	}
}

func showPrivacy(_ *source, t *Transform) any {
	out := yaml.MapSlice{}
	for _, name := range slices.Sorted(maps.Keys(t.Privacy)) {
		out = append(out, yaml.MapItem{Key: name, Value: string(t.Privacy[name])})
	}
	return out
}
