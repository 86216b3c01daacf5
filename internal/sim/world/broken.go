package world

// brokenShare is the share of items that can't be used at all; it stays well
// below the gate of one per cent.
const brokenShare = 0.003

var (
	notObjects = []string{`"oops"`, `17`, `null`, `true`, `[1,2]`, `"визит"`}
	badTimes   = []string{
		`"yesterday"`, `"2021-13-45T10:00:00+0000"`, `"9999-12-31T23:59:59+0000"`, `"0000-00-00 00:00:00"`,
		`"1969-12-31T23:59:59+0000"`, `"2025-02-30 10:00:00"`, `"10.11.2021 14:05"`,
	}
	noTypes = []Cell{{Kind: Text, Form: Null}, {Kind: Text, Form: Empty}, {Kind: Object}, {Kind: List, Form: Empty}}
)

// smash makes the item unusable in one of the ways a reader must survive.
func (g *gen) smash(it *Item) {
	switch n := g.IntN(5); {
	case n == 0:
		*it = Item{Broken: NotObject, Raw: pick(g.rng, notObjects)}
	case n == 1:
		it.Broken, it.Type = NoType, ""
		g.take(it, "type", noTypes)
	case n == 2 && idKey(it.Type) != "":
		it.Broken = NoID
		g.take(it, idKey(it.Type), []Cell{{Form: Null}, {Form: Empty}})
	case n <= 3:
		it.Broken = NoTime
		it.drop(otherTimeKey(timeKey(it.Type)))
		g.take(it, timeKey(it.Type), []Cell{{Kind: Time, Form: Null}, {Kind: Time, Form: Empty}})
	default:
		g.spoilTime(it)
	}
}

// take drops the field or puts one of the cells in its place.
func (g *gen) take(it *Item, key string, instead []Cell) {
	if n := g.IntN(len(instead) + 1); n < len(instead) {
		it.set(key, instead[n])
		return
	}
	it.drop(key)
}

// spoilTime leaves a time nobody can read; a good date beside a bad
// creationDate doesn't help.
func (g *gen) spoilTime(it *Item) {
	it.Broken = BadTime
	bad := badCell(BadTime, pick(g.rng, badTimes))
	it.drop("date")
	it.drop("creationDate")
	if g.chance(0.2) {
		it.set("creationDate", bad)
		it.set("date", Cell{Kind: Time, Num: it.At, Form: Millis})
		return
	}
	it.set(timeKey(it.Type), bad)
}
