package world

import "math"

// WhaleItems is the number of items in the whale's feed before any night.
const WhaleItems = 20_000

// How active clients are: two in a hundred never came, the rest follow a
// log-normal law cut at mostItems, about 19 items on average over all.
const (
	emptyShareOfClients = 0.02
	activityMu          = 2.37
	activitySigma       = 1.12
	mostItems           = 3000
)

// size draws how many items a client has.
func (w *World) size(r rng, id int64) int {
	if w.cfg.Whale && id == w.whale() {
		return WhaleItems
	}
	if r.chance(emptyShareOfClients) {
		return 0
	}
	n := int(math.Exp(activityMu + activitySigma*r.NormFloat64()))
	return min(max(n, 1), mostItems)
}

// base makes the feed a client starts with: its life before the first night,
// or its first day if it was born in one.
func (w *World) base(id int64, born int) *gen {
	g := &gen{rng: w.rng(forFeed, id, 0), client: id}
	who := w.profile(id)
	g.phone, g.name = who.phone, who.name
	n := w.size(g.rng, id)
	g.from, g.to = w.start+g.Int64N((w.end-w.start)*3/4/second)*second, w.end
	if n >= WhaleItems {
		g.from = w.start
	}
	if born > 0 {
		n, g.from, g.to = min(n, 8), w.nightStart(born), w.nightStart(born)+20*hour
	}
	g.items = make([]Item, 0, n+8)
	g.arena = make([]Field, 0, 9*n+64)
	for len(g.items) < n {
		g.activity()
	}
	g.items = g.items[:n]
	if g.chance(0.3) {
		g.Shuffle(n, func(i, j int) { g.items[i], g.items[j] = g.items[j], g.items[i] })
	}
	return g
}

// activity adds one thing the client did: some items.
func (g *gen) activity() {
	switch p := g.Float64(); {
	case p < 0.58:
		g.session()
	case p < 0.86:
		g.order()
	case p < 0.98 || g.plain:
		g.call()
	default:
		g.unknown()
	}
}
