package config

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
