package world

import (
	"strconv"
)

// order adds an order and its changes; its row shows the last of them.
func (g *gen) order() {
	at := g.moment()
	id := g.orderID()
	price := int64(g.between(1, 250)) * 100 * int64(g.between(1, 100))
	if g.chance(0.3) {
		price += int64(g.between(1, 99))
	}
	o := orderLife{id: id, title: id, at: at, price: price, cost: price * int64(g.between(30, 80)) / 100, status: statuses[0]}
	for range g.between(0, 3) {
		g.advance(&o)
	}
	g.orderItem(&o)
	if it := &g.items[len(g.items)-1]; it.Broken == "" && g.quirk(0.01) {
		g.repeatOrder(it.clone(), &o)
	}
}

// orderLife is an order while it changes.
type orderLife struct {
	id, title   string
	at, updated int64
	price, cost int64
	status      named
}

func (g *gen) orderID() string {
	id := g.nextID()
	switch g.IntN(3) {
	case 0:
		return id
	case 1:
		return "lead_" + id
	default:
		return "order_" + id
	}
}

// advance changes the order once and adds the item that tells of it.
func (g *gen) advance(o *orderLife) {
	last := max(o.at, o.updated)
	o.updated = g.later(last, 2*day)
	switch p := g.Float64(); {
	case p < 0.7:
		o.status = pick(g.rng, statuses[1:])
		g.statusChange(o)
	case p < 0.85:
		o.price += int64(g.between(1, 50)) * 100
		g.amountChange(o, "orderPriceChange", "price", "formattedPrice", o.price)
	default:
		o.cost += int64(g.between(1, 5000))
		g.amountChange(o, "orderCostChange", "cost", "formattedCost", o.cost)
	}
}

func (g *gen) statusChange(o *orderLife) {
	g.open("orderStatusChange", o.updated)
	g.text("order_id", o.id)
	g.text("order_title", o.title)
	g.text("status", o.status.id)
	g.text("statusType", o.status.icon)
	g.text("statusTitle", o.status.title)
	g.twice(g.close(), "order_title")
}

func (g *gen) amountChange(o *orderLife, typ, key, formatted string, cents int64) {
	g.open(typ, o.updated)
	g.text("order_id", o.id)
	g.text("order_title", o.title)
	g.money(key, cents)
	g.text(formatted, rubles(cents))
	g.twice(g.close(), "order_title")
}

func (g *gen) orderItem(o *orderLife) {
	g.open("order", o.at)
	g.must("id", o.id)
	g.text("name", o.title)
	g.text("status", o.status.id)
	g.text("statusType", o.status.icon)
	g.text("statusTitle", o.status.title)
	g.money("revenue", o.price)
	g.text("formattedRevenue", rubles(o.price))
	g.money("cost", o.cost)
	g.text("formattedCost", rubles(o.cost))
	g.orderFields()
	g.add("updateDate", g.updateCell(o.updated))
	g.close()
}

// updateCell is the time of the last change; 0 is never.
func (g *gen) updateCell(at int64) Cell {
	switch {
	case at == 0 && g.quirk(0.1):
		return Cell{Kind: Time, Form: pick(g.rng, []Form{Empty, ZeroDate})}
	case at == 0:
		return Cell{Kind: Time, Form: Null}
	case g.quirk(badShare * 2):
		return badCell(BadTime, pick(g.rng, []string{`"tomorrow"`, `1636553112`, `"2021-02-31 00:00:00"`}))
	}
	return g.timeCell(at)
}

// repeatOrder adds an older telling of the order, or one of the same time.
func (g *gen) repeatOrder(it Item, o *orderLife) {
	it.set("statusTitle", textCell(pick(g.rng, statuses).title))
	if g.chance(0.7) {
		it.set("updateDate", g.timeCell(o.at))
	}
	g.items = append(g.items, it)
}

// orderFields adds the custom fields of the CRM, often with Cyrillic names.
func (g *gen) orderFields() {
	switch {
	case g.gapObject("fields"):
	case g.quirk(badShare):
		g.add("fields", badCell(BadValue, pick(g.rng, []string{`"none"`, `[["a",1]]`, `0`})))
	default:
		g.add("fields", object(g.customFields()...))
	}
}

func (g *gen) customFields() []Field {
	f := []Field{
		{"status_name", textCell(pick(g.rng, statuses).title)},
		{"Менеджер", textCell(pick(g.rng, managers))},
		{"roistat", literal(strconv.FormatInt(g.client*100_000+g.serial, 10))},
	}
	city := pick(g.rng, cities)
	f = append(f, Field{"Город", textCell(city)}, Field{"landing", textCell("https://" + pages[0] + "?utm_source=" + pick(g.rng, sources).id)})
	if g.chance(0.6) {
		f = append(f, Field{"Адрес доставки", textCell(city + ", ул. Ленина, " + strconv.Itoa(g.between(1, 120)))})
	}
	if g.quirk(0.06) {
		f = append(f, g.oddField())
	}
	return f
}

// oddField is a custom field that is more, or less, than a text.
func (g *gen) oddField() Field {
	switch g.IntN(7) {
	case 0:
		return Field{"Доставка", object(Field{"тип", textCell("курьер")}, Field{"b", literal("1.50")}, Field{"a", list(textCell("x/y"), literal("2"))})}
	case 1:
		return Field{"tags", list(textCell("vip"), textCell("повтор"), Cell{Form: Null})}
	case 2:
		return Field{"Оплачено", literal(pick(g.rng, []string{"true", "false"}))}
	case 3:
		return Field{"Скидка", literal(pick(g.rng, []string{"12.50", "0", "-3", "1e2"}))}
	case 4:
		return Field{"comment", Cell{Form: Null}}
	case 5:
		return Field{"Комментарий", textCell(pick(g.rng, comments))}
	default:
		return Field{"status_name", textCell("второй раз")} // the same key twice: the last counts
	}
}

// rubles formats an amount as Roistat does: thousands parted by a no-break
// space, and one before the sign.
func rubles(cents int64) string {
	digits := strconv.FormatInt(cents/100, 10)
	b := make([]byte, 0, 24)
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b = append(b, "\u00a0"...)
		}
		b = append(b, digits[i])
	}
	if c := cents % 100; c != 0 {
		b = append(b, ',', byte('0'+c/10), byte('0'+c%10))
	}
	return string(append(b, "\u00a0₽"...))
}
