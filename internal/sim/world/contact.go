package world

import (
	"strconv"
	"strings"
	"sync"
)

// Campaigns is the number of campaigns a world has; their ids are 1 to it.
const Campaigns = 3

// contactRef says which client, and which of its one or two rows, a contact is.
type contactRef struct {
	client int64
	part   int
}

// Contact is one row of a campaign: an address and the count of each metric.
type Contact struct {
	Address string
	Form    Form // Empty: the metrics are []
	Metrics []Field
}

// reach is the share of the clients with an address that a campaign wrote to.
func reach(campaign int) float64 { return []float64{0.3, 0.5, 0.1}[campaign-1] }

// rememberContacts lists a campaign's contacts on the first call. Nights don't
// change them.
func rememberContacts(w *World, campaign int) func() []contactRef {
	return sync.OnceValue(func() []contactRef {
		var refs []contactRef
		for id := int64(1); id <= int64(w.cfg.Clients); id++ {
			luck := w.share(forContact, id, campaign)
			if luck >= reach(campaign) || w.profile(id).email == "" {
				continue
			}
			refs = append(refs, contactRef{id, 0})
			if !w.cfg.Plain && luck < reach(campaign)*0.02 {
				refs = append(refs, contactRef{id, 1})
			}
		}
		return refs
	})
}

// ContactCount is the number of rows of a campaign; 0 if there is no such one.
func (w *World) ContactCount(campaign int) int {
	if campaign < 1 || campaign > Campaigns {
		return 0
	}
	return len(w.contacts[campaign-1]())
}

// Contact makes the row with that number, from 0, of an existing campaign.
func (w *World) Contact(campaign, n int) Contact {
	ref := w.contacts[campaign-1]()[n]
	r := w.rng(forContact, ref.client, campaign*2+ref.part)
	c := Contact{Address: w.profile(ref.client).email}
	sent := int64(r.between(1, 4) + 4*ref.part)
	delivered := sent - int64(r.IntN(2))
	opened := int64(r.IntN(int(delivered) + 1))
	click := int64(r.IntN(int(opened) + 1))
	for i, n := range []int64{sent, delivered, opened, click, int64(r.IntN(8) / 7), int64(r.IntN(30) / 29)} {
		c.Metrics = append(c.Metrics, Field{metricNames[i], r.metric(n)})
	}
	if w.cfg.Loose {
		c.loosen(ref.client, campaign)
	}
	switch {
	case r.quirk(0.01):
		c.Metrics = append(c.Metrics, Field{"forwarded", Cell{Kind: Int, Num: 1}})
	case r.quirk(0.011):
		c.Form, c.Metrics = Empty, nil
	}
	return c
}

// loosen spells the contact as people do who write lists by hand. Every fifth row
// is that of somebody else, and names the client in a metric that is no number.
func (c *Contact) loosen(client int64, campaign int) {
	other := "list" + strconv.FormatInt(client, 10) + "@nobody.example"
	switch (client + int64(campaign)) % 5 {
	case 0:
		c.Address = "Bob <" + c.Address + ">"
	case 1:
		c.Address += ", " + other
	case 2:
		c.Address = strings.ToUpper(c.Address)
	case 3:
		c.Metrics[0].Cell = badCell(BadValue, `"as `+c.Address+` said"`)
		c.Address = other
	}
}

// metricNames are the documented metrics, in the order they are written.
var metricNames = []string{"sent", "delivered", "opened", "click", "unsubscribe", "spam"}

func (r rng) metric(n int64) Cell {
	c := Cell{Kind: Int, Num: n}
	switch {
	case r.quirk(0.001):
		return badCell(BadValue, pick(r, []string{`"many"`, `-1`, `1.5`}))
	case r.quirk(0.05):
		c.Form = Quoted
	}
	return c
}

// Asked keeps the metrics that were asked for and those nobody documented, as
// the API sends both.
func (c *Contact) Asked(metrics map[string]bool) []Field {
	var kept []Field
	for _, m := range c.Metrics {
		if metrics[m.Key] || !documented(m.Key) {
			kept = append(kept, m)
		}
	}
	return kept
}

func documented(metric string) bool {
	for _, m := range metricNames {
		if m == metric {
			return true
		}
	}
	return false
}

// AppendContact appends the row with the metrics that were asked for.
func AppendContact(dst []byte, c *Contact, metrics map[string]bool) []byte {
	cell := Cell{Kind: Object, Form: c.Form, Sub: c.Asked(metrics)}
	return asIs.object(dst, []Field{{"contact", textCell(c.Address)}, {"metrics", cell}})
}
