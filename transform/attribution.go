package transform

import (
	"sort"
)

// attribution fills the columns of orders that tell of the visits before. A
// client's visits are written before its orders, sorted, so that they are the
// last rows of their table.
type attribution struct {
	visits *table
	at     *column
	before *column
	copies []copies
}

// copies are the two columns of orders that show a column of the first and the last visit.
type copies struct{ from, first, last *column }

func newAttribution(visits, orders *table) attribution {
	a := attribution{visits: visits, at: visits.column("occurred_at"), before: orders.column("visits_before")}
	add := func(from, to string) {
		a.copies = append(a.copies, copies{visits.column(from), orders.column("first_" + to), orders.column("last_" + to)})
	}
	add("visit_id", "visit_id")
	add("occurred_at", "visit_at")
	add("source_id", "source_id")
	add("source_title", "source_title")
	return a
}

// write writes the columns for an order of the given time, of a client with so many visits.
func (a *attribution) write(at int64, visits int) {
	first := a.visits.rows() - visits
	times := a.at.ints[first:]
	n := sort.Search(len(times), func(i int) bool { return times[i] > at })
	a.before.int(int64(n))
	for _, c := range a.copies {
		if n == 0 {
			c.first.null()
			c.last.null()
			continue
		}
		c.first.copyRow(c.from, first)
		c.last.copyRow(c.from, first+n-1)
	}
}
