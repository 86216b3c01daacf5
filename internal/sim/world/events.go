package world

import "strconv"

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// moment returns a whole second of the client's life.
func (g *gen) moment() int64 { return g.from + g.Int64N((g.to-g.from)/second)*second }

// later returns a second up to most milliseconds after at.
func (g *gen) later(at, most int64) int64 { return at + (1+g.Int64N(most/second))*second }

// nextID numbers the client's visits and orders.
func (g *gen) nextID() string {
	g.serial++
	return strconv.FormatInt(g.client*100_000+g.serial, 10)
}

// session adds a visit and what happened during it.
func (g *gen) session() {
	at := g.moment()
	g.visit(at)
	for range g.IntN(3) {
		at = g.later(at, 5*minute)
		g.siteEvent(at)
	}
	if g.chance(0.12) {
		at = g.later(at, 3*minute)
		g.appearance(at)
		if g.chance(0.35) {
			g.caught(g.later(at, 2*minute))
		}
	}
}

func (g *gen) visit(at int64) {
	g.open("visit", at)
	g.must("visitId", g.nextID())
	src := pick(g.rng, sources)
	g.text("sourceId", src.id)
	g.device()
	g.text("sourceTitle", src.title)
	g.text("sourceIcon", icons+src.icon)
	if it := g.close(); it.Broken == "" && g.quirk(0.003) {
		g.repeatVisit(it.clone())
	}
}

// device adds the nested object, [] for an empty one as PHP has it.
func (g *gen) device() {
	switch {
	case g.gapObject("device"):
	case g.quirk(badShare):
		g.add("device", badCell(BadValue, pick(g.rng, []string{`"Mac, Chrome"`, `3`, `[1]`})))
	default:
		g.add("device", object(g.deviceFields()...))
	}
}

// gapObject adds what stands for a missing object, and says so.
func (g *gen) gapObject(key string) bool {
	if g.plain {
		return false
	}
	switch p := g.Float64(); {
	case p < 0.004:
	case p < 0.008:
		g.add(key, Cell{Kind: Object, Form: Null})
	case p < 0.04:
		g.add(key, Cell{Kind: Object, Form: Empty})
	case p < 0.044:
		g.add(key, Cell{Kind: Object})
	default:
		return false
	}
	return true
}

// deviceFields builds the nested fields at the arena's end and takes them off
// again, so that they get the quirks of any text.
func (g *gen) deviceFields() []Field {
	from := len(g.arena)
	system, agent := pick(g.rng, systems), pick(g.rng, agents)
	g.text("os", system.title)
	g.text("os_icon", icons+"os/"+system.icon)
	g.text("agent", agent.title)
	g.text("agent_icon", icons+"browsers/"+agent.icon)
	g.boolean("is_mobile", system.id == "m")
	if g.quirk(0.02) {
		g.add("screen", object(Field{"width", literal("1920")}, Field{"экран", textCell("широкий")}))
	}
	sub := append([]Field(nil), g.arena[from:]...)
	g.arena = g.arena[:from]
	return sub
}

func (g *gen) boolean(key string, v bool) {
	c := Cell{Kind: Bool}
	if v {
		c.Num = 1
	}
	switch {
	case g.gap(key, Bool):
		return
	case g.quirk(badShare):
		c = badCell(BadValue, pick(g.rng, []string{`"maybe"`, `2`, `{"is":true}`}))
	case g.quirk(0.08):
		c.Form = pick(g.rng, []Form{ZeroOne, QuotedBit})
	}
	g.add(key, c)
}

// repeatVisit adds the visit once more under the same id, told differently: of
// the two the greatest canonical JSON stays.
func (g *gen) repeatVisit(it Item) {
	it.set("sourceTitle", textCell(pick(g.rng, sources).title))
	if f := it.find("visitId"); f.Form == Plain && g.chance(0.5) {
		it.set("visitId", Cell{Kind: Text, Text: f.Text, Form: Bare})
	}
	if g.chance(0.3) { // exactly equal
		it = g.items[len(g.items)-1].clone()
	}
	g.items = append(g.items, it)
}

func (g *gen) siteEvent(at int64) {
	kind := pick(g.rng, siteEvents)
	g.open("event", at)
	g.text("metaId", kind.id)
	g.text("name", kind.title)
	g.twice(g.close(), "name")
}

func (g *gen) appearance(at int64) {
	g.open("lead_hunter_appearance", at)
	g.text("page", pick(g.rng, pages))
	g.twice(g.close(), "page")
}

func (g *gen) caught(at int64) {
	g.open("lead_hunter_caught", at)
	g.text("page", pick(g.rng, pages))
	g.text("name", g.name)
	g.text("field", g.phone)
	g.text("status", pick(g.rng, []string{"1", "1", "1", "1", "0", "2"}))
	g.twice(g.close(), "page")
}

func (g *gen) call() {
	g.open("call", g.moment())
	status := pick(g.rng, callStatuses)
	g.text("callee", pick(g.rng, callees))
	g.text("caller", g.phone)
	seconds := int64(0)
	if status == "ANSWER" {
		seconds = int64(g.between(5, 1800))
	}
	g.whole("duration", seconds)
	g.text("status", status)
	g.text("file_url", "https://records.example.com/"+strconv.FormatInt(g.at/second, 10)+".mp3")
	g.twice(g.close(), "callee")
}

// twice repeats a few items: equal ones, of which both are rows, or ones that
// share the time and so the key of the event id.
func (g *gen) twice(it *Item, other string) {
	if it.Broken != "" || !g.quirk(0.006) {
		return
	}
	again := it.clone()
	if g.chance(0.5) {
		again.set(other, textCell(pick(g.rng, pages)))
	}
	g.items = append(g.items, again)
}

// unknown adds an event of a type that has no table.
func (g *gen) unknown() {
	typ := pick(g.rng, unknownTypes)
	g.open(typ, g.moment())
	if g.chance(0.02) {
		g.typ = "7"
		g.arena[g.start].Cell = Cell{Kind: Text, Text: "7", Form: Bare}
	}
	g.add("text", textCell("Здравствуйте! "+g.name))
	g.add("channel", object(Field{"id", literal(strconv.Itoa(g.between(1, 99)))}, Field{"tags", Cell{Kind: List, Form: Empty}}))
	g.close()
}
