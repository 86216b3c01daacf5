package pipeline

import (
	"fmt"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// The names of the gates, as --accept and the report have them.
const (
	GateFailedClients = "max_failed_clients"
	GateClientDrop    = "max_client_drop"
	GateRowDrop       = "max_row_drop"
	GateRejects       = "max_rejects"
)

// GateNames lists the gates in the order they are checked.
func GateNames() []string {
	return []string{GateFailedClients, GateClientDrop, GateRowDrop, GateRejects}
}

// Below these counts a share says nothing, and the gate stays open.
const (
	fewFailures  = 5
	fewRejects   = 100
	fewTableRows = 1000
)

// Limits are the shares at which the gates close; 0.01 is 1%.
type Limits struct{ FailedClients, ClientDrop, RowDrop, Rejects float64 }

// evidence is what the gates judge: this run, and what each destination shows.
type evidence struct {
	failed, attempted  int64
	feedRejects, items int64
	live               int64
	rows               map[schemas.ID]int64
	published          []*load.Manifest // one a destination; nil: nothing yet
	accepted           map[string]bool
	erased             erased // what is published and was erased since: no loss
}

// judge evaluates all gates. A gate that was accepted passes and says so.
func judge(e evidence, l Limits) []Gate {
	gates := []Gate{
		closed(GateFailedClients, share(e.failed, e.attempted), l.FailedClients, e.failed > fewFailures,
			fmt.Sprintf("%d of %d feeds failed", e.failed, e.attempted)),
		e.clientDrop(l.ClientDrop),
		e.rowDrop(l.RowDrop),
		closed(GateRejects, share(e.feedRejects, e.items), l.Rejects, e.feedRejects > fewRejects,
			fmt.Sprintf("%d of %d items were rejected", e.feedRejects, e.items)),
	}
	for i := range gates {
		if g := &gates[i]; !g.Passed && e.accepted[g.Name] {
			g.Passed, g.Accepted = true, true
		}
	}
	return gates
}

// clientDrop compares the live clients with the most that any destination shows.
func (e evidence) clientDrop(limit float64) Gate {
	worst, detail := 0.0, ""
	for _, m := range e.published {
		if m == nil {
			continue
		}
		before := m.LiveClients - e.erased.Live
		if drop := share(before-e.live, before); drop > worst {
			worst, detail = drop, fmt.Sprintf("%d live clients, %d are published", e.live, before)
		}
	}
	return closed(GateClientDrop, worst, limit, true, detail)
}

// rowDrop finds the table that shrinks by the greatest share.
func (e evidence) rowDrop(limit float64) Gate {
	worst, detail := 0.0, ""
	for _, m := range e.published {
		if m == nil {
			continue
		}
		for _, t := range schemas.Tables() {
			before := m.Tables[t.Name].Rows - e.erased.Rows[t.Name]
			if before < fewTableRows {
				continue
			}
			if drop := share(before-e.rows[t.ID], before); drop > worst {
				worst, detail = drop, fmt.Sprintf("%s: %d rows, %d are published", t.Name, e.rows[t.ID], before)
			}
		}
	}
	return closed(GateRowDrop, worst, limit, true, detail)
}

// closed makes a gate: it stops when the share is above its limit and the numbers are large enough to tell.
func closed(name string, value, limit float64, enough bool, detail string) Gate {
	return Gate{Name: name, Value: value, Limit: limit, Passed: !enough || value <= limit, Detail: detail}
}

func share(part, whole int64) float64 {
	if whole <= 0 || part <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// stopped returns the gates that stop the publishing.
func stopped(gates []Gate) (names []string) {
	for _, g := range gates {
		if !g.Passed {
			names = append(names, g.Name)
		}
	}
	return names
}
