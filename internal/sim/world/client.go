package world

import (
	"fmt"
	"strconv"
)

// profile is who a client is, whatever it did.
type profile struct{ name, phone, email, company, comment string }

func (w *World) profile(id int64) profile {
	r := w.rng(forProfile, id, 0)
	p := profile{
		name:    pick(r, firstNames) + " " + pick(r, lastNames),
		phone:   "79" + fmt.Sprintf("%09d", r.IntN(1e9)),
		company: pick(r, companies),
		comment: pick(r, comments),
	}
	host := pick(r, mailHosts)
	if r.chance(0.7) {
		p.email = "client" + strconv.FormatInt(id, 10) + "@" + host
		if r.quirk(0.05) {
			p.email = "Client." + strconv.FormatInt(id, 10) + "@" + host
		}
	}
	return p
}

// Row is one entry of the client list.
type Row struct {
	ID     int64  // 0: a row without a usable id
	Broken Reason // why there is no usable id
	Fields []Field
}

// AppendRow appends the row as the API writes it.
func AppendRow(dst []byte, r *Row) []byte { return asIs.object(dst, r.Fields) }

// Find returns the cell of that name, or nil.
func (r *Row) Find(key string) *Cell {
	for i := range r.Fields {
		if r.Fields[i].Key == key {
			return &r.Fields[i].Cell
		}
	}
	return nil
}

// totals is what Roistat says of a client in the list, taken from its feed.
type totals struct {
	orders             int64
	revenue, cost      int64
	visit, first, last int64 // 0: never
	source             named
}

func (f *Feed) totals() totals {
	var t totals
	for i := range f.Items {
		it := &f.Items[i]
		switch {
		case it.Broken != "":
		case it.Type == "order":
			t.addOrder(it)
		case it.Type == "visit" && (t.visit == 0 || it.At < t.visit):
			t.visit, t.source = it.At, named{}
			if c := it.find("sourceId"); c != nil && !c.IsNull() {
				t.source.id = c.Text
			}
		}
	}
	return t
}

func (t *totals) addOrder(it *Item) {
	t.orders++
	t.last = max(t.last, it.At)
	if t.first == 0 || it.At < t.first {
		t.first = it.At
	}
	if c := it.find("revenue"); c != nil && !c.IsNull() {
		t.revenue += c.Num
	}
	if c := it.find("cost"); c != nil && !c.IsNull() {
		t.cost += c.Num
	}
}

// Row makes the client's row; its forms depend on the id alone, so that a row
// changes only where its values do.
func (w *World) Row(f *Feed) *Row {
	g := &gen{rng: w.rng(forRow, f.Client, 0)}
	who, t := w.profile(f.Client), f.totals()
	g.add("id", g.rowID(f.Client))
	g.rowTime("first_visit_date", t.visit)
	g.text("external_id", strconv.FormatInt(100+f.Client, 10))
	g.text("name", who.name)
	g.text("phone", who.phone)
	g.optional("email", who.email)
	g.rowTime("first_order_date", t.first)
	g.rowTime("last_order_date", t.last)
	g.count("order_count", t.orders)
	g.money("revenue", t.revenue)
	g.money("profit", t.revenue-t.cost)
	g.birthday()
	g.optional("company", who.company)
	g.optional("comment", who.comment)
	g.text("client_url", "http://example.crm.com/contacts/"+strconv.FormatInt(100+f.Client, 10))
	g.marker(t)
	g.extras()
	return &Row{ID: f.Client, Fields: g.arena}
}

func (g *gen) rowID(id int64) Cell {
	c := Cell{Kind: Int, Num: id}
	if g.quirk(0.05) {
		c.Form = pick(g.rng, []Form{Quoted, DotZero})
	}
	return c
}

// rowTime adds a date of the row; 0 is never.
func (g *gen) rowTime(key string, at int64) {
	switch {
	case at == 0 && g.quirk(0.2):
		g.add(key, Cell{Kind: Time, Form: pick(g.rng, []Form{Empty, ZeroDate})})
	case at == 0:
		g.add(key, Cell{Kind: Time, Form: Null})
	case g.quirk(badShare):
		g.add(key, badCell(BadTime, `"soon"`))
	default:
		g.add(key, g.timeCell(at-at%second))
	}
}

// optional adds a text that is often missing: ” or null.
func (g *gen) optional(key, v string) {
	switch {
	case v != "":
		g.text(key, v)
	case g.chance(0.5):
		g.add(key, Cell{Kind: Text, Form: Null})
	default:
		g.add(key, textCell(""))
	}
}

func (g *gen) count(key string, n int64) {
	c := Cell{Kind: Int, Num: n}
	switch {
	case g.gap(key, Int):
		return
	case g.quirk(badShare):
		c = badCell(BadValue, `"many"`)
	case g.quirk(0.1):
		c.Form = pick(g.rng, []Form{Quoted, DotZero})
	}
	g.add(key, c)
}

func (g *gen) birthday() {
	c := Cell{Kind: Time, Form: Null}
	switch {
	case g.chance(0.3):
		c = Cell{Kind: Time, Form: DateOnly, Num: int64(g.between(-14_000, 12_000)) * day}
	case g.quirk(0.1):
		c.Form = pick(g.rng, []Form{Empty, ZeroDate})
	case g.quirk(badShare * 2):
		c = badCell(BadTime, `"19.05.1980"`)
	}
	g.add("birth_date", c)
}

// marker adds the source of the first visit.
func (g *gen) marker(t totals) {
	src := named{icon: "arrow-right.png"}
	for _, s := range sources {
		if t.source.id != "" && s.id == t.source.id {
			src = s
		}
	}
	if src.id == "" {
		g.add("first_visit_marker", Cell{Kind: Text, Form: Null})
	} else {
		g.text("first_visit_marker", src.id)
	}
	g.text("first_visit_marker_alias", src.title)
	g.text("first_visit_marker_icon", icons+src.icon)
	g.text("first_visit_marker_alias_level_1", src.title)
}

// junkRow is a row of the list without a usable id; n picks which.
func (w *World) junkRow(n int64) *Row {
	g := &gen{rng: w.rng(forRow, -n, 0)}
	row := &Row{Broken: NoID}
	switch n % 4 {
	case 0:
		g.add("id", Cell{Kind: Int, Form: Null})
	case 1:
		g.add("id", badCell(BadValue, pick(g.rng, []string{`"abc"`, `12.5`, `{"id":3}`})))
		row.Broken = BadValue
	case 2:
		g.add("id", Cell{Kind: Int, Form: Empty})
	}
	g.add("name", textCell("nobody"))
	g.add("revenue", literal("0"))
	row.Fields = g.arena
	return row
}
