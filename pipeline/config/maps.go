package config

import (
	"maps"
	"slices"

	"github.com/goccy/go-yaml"
)

// metricsKey reads the metrics of a campaign: any name, for new ones come.
func metricsKey() key[Campaign] {
	parse := matching(metricPattern, "the name of a metric such as sent")
	set := func(c cursor, t *Campaign, n *node) {
		c.marks[&t.Metrics] = mark{at: n.at, path: c.path}
		if !c.isList(n) {
			return
		}
		if len(n.items) == 0 {
			c.fault(n, "wants one or more metrics")
			return
		}
		t.Metrics = c.texts(n.items, parse)
	}
	return key[Campaign]{name: "metrics", set: set, show: func(_ *source, t *Campaign) any { return shown(t.Metrics) }}
}

// texts reads a list of texts.
func (c cursor) texts(items []*node, parse func(scalar) (string, error)) []string {
	out := make([]string, len(items))
	if !c.spend(items[0], len(items)) {
		return out
	}
	for i, n := range items {
		s, ok := c.entry(i).scalar(n)
		if !ok {
			continue
		}
		var err error
		if out[i], err = parse(s); err != nil {
			c.entry(i).fault(n, "%v", err)
		}
	}
	return out
}

// privacyKey reads the privacy rules. Whether a column is there and may have its
// rule is judged where the tables are known.
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
	if !privacyPattern.MatchString(p.name) {
		c.add(p.at, "privacy rule %q: wants TABLE.COLUMN or orders.fields.KEY", shorten(p.name))
		return
	}
	if t.Privacy == nil {
		t.Privacy = map[string]string{}
	}
	t.Privacy[p.name] = "" // known even while its action is not
	s, ok := c.scalar(p.value)
	if !ok {
		return
	}
	action, err := word("hash", "mask", "drop", "keep")(s)
	if err != nil {
		c.fault(p.value, "%v", err)
	}
	t.Privacy[p.name] = action
}

func showPrivacy(_ *source, t *Transform) any {
	out := yaml.MapSlice{}
	for _, name := range slices.Sorted(maps.Keys(t.Privacy)) {
		out = append(out, yaml.MapItem{Key: name, Value: t.Privacy[name]})
	}
	return out
}
