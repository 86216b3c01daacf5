package world

import (
	"strconv"
)

// gen builds the items of one feed, one open item at a time.
type gen struct {
	rng
	client int64
	from   int64 // the span of its life, Unix milliseconds
	to     int64
	serial int64 // visits and orders so far, for their ids
	phone  string
	name   string
	items  []Item
	arena  []Field // where the fields of items lie, one after the other
	start  int     // the open item's first field
	at     int64
	typ    string
}

// The shares of the quirks of fields, each of all fields of its kind.
const (
	absentShare = 0.004
	nullShare   = 0.006
	emptyShare  = 0.004
	badShare    = 0.0008
	bareShare   = 0.15 // digits of a text as a number
)

// open starts an item of a type at a time.
func (g *gen) open(typ string, at int64) {
	g.start, g.typ = len(g.arena), typ
	g.add("type", textCell(typ))
	g.when(timeKey(typ), at)
}

func (g *gen) add(key string, c Cell) { g.arena = append(g.arena, Field{key, c}) }

// when adds the time of the item under its key, rarely under the other one.
func (g *gen) when(key string, at int64) {
	c := g.timeCell(at)
	g.at = c.Num
	switch {
	case g.quirk(0.01):
		key = otherTimeKey(key)
	case key == "creationDate" && g.quirk(0.004):
		g.add(key, Cell{Kind: Time, Form: Null})
		key = "date"
	}
	g.add(key, c)
}

func otherTimeKey(key string) string {
	if key == "date" {
		return "creationDate"
	}
	return "date"
}

// timeCell picks a spelling; the fractional ones bring milliseconds with them,
// and a time that has some can't be spelt otherwise.
func (g *gen) timeCell(at int64) Cell {
	c := Cell{Kind: Time, Num: at}
	if at%1000 != 0 {
		c.Form = Millis
		return c
	}
	if g.plain {
		return c
	}
	switch p := g.Float64(); {
	case p < 0.66:
	case p < 0.80:
		c.Form = Moscow
	case p < 0.86:
		c.Form = MoscowISO
	case p < 0.92:
		c.Form = Zoneless
	case p < 0.95:
		c.Form = Zulu
	case p < 0.97:
		c.Form = West
	default:
		c.Form = pick(g.rng, []Form{Millis, Micros})
		c.Num += int64(g.between(1, 999))
	}
	return c
}

// gap adds what stands for a missing value, in one of its ways, and says so.
func (g *gen) gap(key string, kind Kind) bool {
	if g.plain {
		return false
	}
	switch p := g.Float64(); {
	case p < absentShare:
	case p < absentShare+nullShare:
		g.add(key, Cell{Kind: kind, Form: Null})
	case p < absentShare+nullShare+emptyShare:
		g.add(key, Cell{Kind: kind, Form: Empty})
	default:
		return false
	}
	return true
}

// text adds an optional text.
func (g *gen) text(key, v string) {
	switch {
	case g.gap(key, Text):
	case g.quirk(badShare):
		g.add(key, badCell(BadValue, pick(g.rng, []string{`{"value":1}`, `["a","b"]`})))
	default:
		g.add(key, g.digits(v))
	}
}

// must adds a text that can't be missing, in either form if it is digits.
func (g *gen) must(key, v string) { g.add(key, g.digits(v)) }

func (g *gen) digits(v string) Cell {
	c := textCell(v)
	if isDigits(v) && g.quirk(bareShare) {
		c.Form = Bare
	}
	return c
}

// isDigits reports whether v could stand as a JSON number of the same text.
func isDigits(v string) bool {
	if v == "" || len(v) > 15 || (v[0] == '0' && len(v) > 1) {
		return false
	}
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return false
		}
	}
	return true
}

// money adds an optional amount.
func (g *gen) money(key string, cents int64) {
	switch {
	case g.gap(key, Money):
	case g.quirk(badShare * 2):
		g.add(key, badCell(BadMoney, pick(g.rng, []string{`"abc"`, `12.345`, `"0.005"`, `1e30`, `"1 000"`, `true`})))
	default:
		g.add(key, g.moneyCell(cents))
	}
}

func (r rng) moneyCell(cents int64) Cell {
	c := Cell{Kind: Money, Num: cents}
	if r.plain {
		return c
	}
	switch p := r.Float64(); {
	case p < 0.70:
	case p < 0.78:
		c.Form = Quoted
	case p < 0.86:
		c.Form = QuotedTwo
	case p < 0.94:
		c.Form = TwoPlaces
	case p < 0.97 && cents > 0:
		c.Form = NoiseUp
	case cents > 0:
		c.Form = NoiseDown
	}
	return c
}

// whole adds an optional whole number; the API likes them as strings.
func (g *gen) whole(key string, n int64) {
	switch {
	case g.gap(key, Int):
	case g.quirk(badShare * 3):
		g.add(key, badCell(BadValue, pick(g.rng, []string{`"n/a"`, `2.5`, `"1:05"`, `9223372036854775808`})))
	default:
		g.add(key, Cell{Kind: Int, Num: n, Form: g.wholeForm()})
	}
}

func (r rng) wholeForm() Form {
	if r.plain || r.chance(0.8) {
		return Quoted
	}
	return pick(r, []Form{Plain, DotZero})
}

// extras adds unknown keys to some items.
func (g *gen) extras() {
	if !g.quirk(0.02) {
		return
	}
	g.add("roistat_id", literal(strconv.Itoa(g.between(1, 1e6))))
	if g.chance(0.5) {
		g.add("utm", object(Field{"source", textCell("яндекс")}, Field{"tags", list(textCell("a/b"), literal("2"))}))
	}
}

// close ends the open item, breaks a few, and turns the order of some keys.
func (g *gen) close() *Item {
	g.extras()
	fields := g.arena[g.start:len(g.arena):len(g.arena)]
	it := Item{Type: g.typ, At: g.at, Fields: fields}
	if g.quirk(brokenShare) {
		g.smash(&it)
	}
	switch {
	case g.quirk(0.12):
		rotate(it.Fields)
	case g.quirk(0.02):
		g.Shuffle(len(it.Fields), func(i, j int) { it.Fields[i], it.Fields[j] = it.Fields[j], it.Fields[i] })
	}
	g.items = append(g.items, it)
	return &g.items[len(g.items)-1]
}

// rotate moves the first field, the type, to the end.
func rotate(f []Field) {
	if len(f) < 2 {
		return
	}
	first := f[0]
	copy(f, f[1:])
	f[len(f)-1] = first
}
