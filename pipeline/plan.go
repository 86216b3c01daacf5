package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"roistat-etl/extract"
	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/load"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
)

// Plan is what a run would do.
type Plan struct {
	Pipeline      string   `json:"pipeline"`
	Clients       int64    `json:"clients"` // in the list, by the API
	FeedsDue      FeedsDue `json:"feeds_due"`
	Calls         int64    `json:"calls"`   // of list and feeds, as far as the budget goes
	Seconds       int64    `json:"seconds"` // that they take at the quota
	SchemaChanges []string `json:"schema_changes"`
}

// FeedsDue counts the feeds that are due, by reason.
type FeedsDue struct {
	Never   int64 `json:"never"`
	Changed int64 `json:"changed"`
	Aged    int64 `json:"aged"`
}

// MakePlan tells what a run with these options would do. It asks the API for
// one page of the list; the rest comes from the mirror and the destinations.
func MakePlan(ctx context.Context, p *config.Pipeline, o Options) (_ *Plan, err error) {
	client, err := newClient(p, o.Transport)
	if err != nil {
		return nil, classed(Misconfigured, "%w", err)
	}
	defer client.Close()
	m, err := readIfAny(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if !o.Adopt {
		if err := foresee(ctx, p, m.Reader); err != nil {
			return nil, err
		}
	}
	page, err := client.List(ctx, api.ListQuestion{Filters: p.Extract.Filters, Limit: int64(p.Extract.PageSize)})
	if err != nil {
		return nil, extractError(ctx, fmt.Errorf("list the clients: %w", err))
	}
	plan := &Plan{Pipeline: p.Name, Clients: page.Total, SchemaChanges: []string{}}
	spent, err := plan.readMirror(ctx, p, o, m.Reader)
	if err != nil {
		return nil, err
	}
	plan.cost(p, refreshOf(p, o).Budget, spent)
	return plan, plan.readDestinations(ctx, p, m.Reader)
}

// readMirror counts what is due, and returns the calls that the last hour has
// seen. A pipeline that never ran has no mirror.
func (n *Plan) readMirror(ctx context.Context, p *config.Pipeline, o Options, m *mirror.Reader) (spent int64, err error) {
	if m == nil {
		n.FeedsDue.Never = n.Clients
		return 0, nil
	}
	now := time.Now()
	refresh := refreshOf(p, o)
	if refresh.FullSince, err = extract.FullSince(ctx, m, refresh.MaxAge, now); err != nil {
		return 0, err
	}
	if refresh.Full && refresh.FullSince.IsZero() {
		refresh.FullSince = now
	}
	_, due, err := extract.Plan(ctx, m, refresh, now)
	if err != nil {
		return 0, err
	}
	stats, err := m.Stats(ctx, now)
	if err != nil {
		return 0, err
	}
	n.FeedsDue = FeedsDue{Never: due.Never + max(0, n.Clients-stats.Live-stats.Forgotten), Changed: due.Changed, Aged: due.Aged}
	journal, err := m.Journal(ctx, now.Add(-time.Hour))
	for _, c := range journal {
		spent += c.N
	}
	return spent, err
}

// cost reckons calls and time: so many calls in each sliding hour, at so many a second.
func (n *Plan) cost(p *config.Pipeline, budget, spent int64) {
	feeds := n.FeedsDue.Never + n.FeedsDue.Changed + n.FeedsDue.Aged
	if budget > 0 {
		feeds = min(feeds, budget)
	}
	page := int64(p.Extract.PageSize)
	n.Calls = feeds + (n.Clients+page-1)/page
	if n.Calls == 0 {
		return
	}
	perHour := int64(p.API.PerHour)
	last := n.Calls - 1 + min(spent, perHour) // the place of the last call among all of its hours
	wait := float64(last/perHour) * time.Hour.Seconds()
	n.Seconds = int64(math.Ceil(wait + float64(min(last%perHour+1, n.Calls))/p.API.PerSecond))
}

// readDestinations tells which tables a run would project anew, for other privacy
// rules or for their version.
func (n *Plan) readDestinations(ctx context.Context, p *config.Pipeline, m *mirror.Reader) (err error) {
	destinations, err := openDestinations(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDestinations(destinations)) }()
	changes, err := privacyChanges(ctx, p, m, destinations)
	if err != nil {
		return err
	}
	n.SchemaChanges = append(n.SchemaChanges, changes...)
	for _, d := range destinations {
		if e, ok := d.Destination.(load.Evolver); ok {
			changes, err := e.SchemaChanges(ctx)
			if err != nil {
				return publishError(ctx, fmt.Errorf("%s: %w", d, err))
			}
			for _, c := range changes {
				n.SchemaChanges = append(n.SchemaChanges, d.String()+": "+c)
			}
			continue
		}
		m, err := d.Published(ctx)
		if err != nil {
			return publishError(ctx, fmt.Errorf("%s: %w", d, err))
		}
		if m == nil {
			continue
		}
		for _, t := range schemas.Tables() {
			if have := m.Tables[t.Name].Version; have != t.Version {
				n.SchemaChanges = append(n.SchemaChanges, fmt.Sprintf("%s: %s has version %d, will have %d", d, t.Name, have, t.Version))
			}
		}
	}
	return nil
}
