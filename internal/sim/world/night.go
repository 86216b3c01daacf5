package world

// night applies what night n did to the client: some new items, a changed order
// with its row, now and then an item that vanishes.
func (g *gen) night(w *World, n int) {
	g.rng = w.rng(forNight, g.client, n)
	g.from, g.to = w.nightStart(n), w.nightStart(n)+20*hour
	if len(g.items) > 0 && g.chance(0.15) {
		g.vanishItem()
	}
	if g.chance(0.5) {
		g.changeOrder()
	}
	if g.chance(0.15) {
		g.order()
	}
	g.session()
}

// vanishItem takes an item out of the feed.
func (g *gen) vanishItem() {
	n := g.IntN(len(g.items))
	g.items = append(g.items[:n], g.items[n+1:]...)
}

// changeOrder gives the newest order another status, and tells of it.
func (g *gen) changeOrder() {
	newest := -1
	for i := range g.items {
		it := &g.items[i]
		if it.Type == "order" && it.Broken == "" && (newest < 0 || it.At > g.items[newest].At) {
			newest = i
		}
	}
	if newest < 0 {
		return
	}
	it := g.items[newest].clone()
	id, price := it.find("id").Text, int64(g.between(1, 2_000_000))
	o := orderLife{id: id, title: id, updated: g.moment(), status: pick(g.rng, statuses[1:])}
	it.set("status", textCell(o.status.id))
	it.set("statusType", textCell(o.status.icon))
	it.set("statusTitle", textCell(o.status.title))
	it.set("updateDate", Cell{Kind: Time, Num: o.updated})
	if g.chance(0.3) {
		it.set("revenue", g.moneyCell(price))
		it.set("formattedRevenue", textCell(rubles(price)))
	}
	g.items[newest] = it
	g.statusChange(&o)
}
