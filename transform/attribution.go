package transform

import (
	"sort"

	"roistat-etl/schemas"
)

// attribution fills the columns of orders that tell of the visits before.
type attribution struct {
	visits      *decoder
	before      *column
	first, last ends
}

// ends are the columns of orders that show one visit; texts those of cells.
type ends struct {
	at    *column
	texts []*column
	cells []cell // of visits
}

func newAttribution(visits *decoder, orders *table) attribution {
	return attribution{
		visits: visits, before: orders.column("visits_before"),
		first: newEnds(visits, orders, "first_"), last: newEnds(visits, orders, "last_"),
	}
}

func newEnds(visits *decoder, orders *table, prefix string) ends {
	e := ends{at: orders.column(prefix + "visit_at")}
	for _, name := range []string{"visit_id", "source_id", "source_title"} {
		from := visits.table.column(name)
		for _, c := range visits.cells {
			if c.column == from {
				e.cells, e.texts = append(e.cells, c), append(e.texts, orders.column(prefix+name))
			}
		}
	}
	return e
}

// attribute writes the columns for an order of the given time, by the visits of
// the same feed, which were written before.
func (p *Projector) attribute(at int64) {
	a, visits := &p.attribution, p.feed.visits
	n := sort.Search(len(visits), func(i int) bool { return visits[i].at > at })
	a.before.int(int64(n))
	if n == 0 {
		a.first.none()
		a.last.none()
		return
	}
	p.visit(&a.first, visits[0])
	p.visit(&a.last, visits[n-1])
}

func (e *ends) none() {
	e.at.null()
	for _, c := range e.texts {
		c.null()
	}
}

// visit writes the columns that show a visit.
func (p *Projector) visit(e *ends, v ref) {
	f, d := &p.feed, p.attribution.visits
	e.at.int(v.at)
	members, _ := f.stowed(p.decoders.items, d, &f.rows[schemas.Visits][v.row], &p.writer)
	for i, c := range e.cells {
		text, ok := p.writer.scalar(members[c.slot].Val)
		if !ok {
			e.texts[i].null()
			continue
		}
		e.texts[i].text(text)
		p.size += len(text)
	}
}
