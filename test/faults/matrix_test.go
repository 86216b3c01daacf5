package faults

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roistat-etl/internal/sim"
	"roistat-etl/pipeline"
)

// fault is a row of the matrix: what goes wrong and what must come of it.
type fault struct {
	name    string
	fault   sim.Fault
	ends    ends
	clients int // of the world; 0: few
}

// matrix is the table that docs/reliability.md shows.
func matrix() []fault {
	const (
		key    = "check the API key"
		access = "give the key's owner access"
	)
	year := int((365 * 24 * time.Hour).Seconds())
	list := []fault{
		{name: "connection refused", fault: sim.Fault{Kind: "refuse"}, ends: noAnswer("network")},
		{name: "reset at the start", fault: sim.Fault{Kind: "reset"}, ends: noAnswer("network")},
		{name: "reset in the header", fault: sim.Fault{Kind: "reset_header"}, ends: noAnswer("network")},
		{name: "reset in the body", fault: sim.Fault{Kind: "reset_body"}, ends: useless("network")},
		{name: "cut short of its length", fault: sim.Fault{Kind: "truncate"}, ends: useless("network")},
		{name: "cut, without a length", fault: sim.Fault{Kind: "chunked_cut"}, ends: useless("network")},
		{name: "no answer within the timeout", fault: sim.Fault{Kind: "delay", N: 90_000}, ends: noAnswer("timeout")},
		{name: "stalled in the body", fault: sim.Fault{Kind: "stall"}, ends: useless("timeout")},
		{name: "one byte a second", fault: sim.Fault{Kind: "slow"}, ends: dripping()},
		{name: "502 with HTML", fault: sim.Fault{Kind: "gateway"}, ends: useless("http_502")},
		{name: "HTML with 200", fault: sim.Fault{Kind: "html"}, ends: useless("bad_json")},
		{name: "half a JSON", fault: sim.Fault{Kind: "half_json"}, ends: useless("bad_json")},
		{name: "no status in it", fault: sim.Fault{Kind: "no_status"}, ends: useless("bad_answer")},
		{name: "broken gzip", fault: sim.Fault{Kind: "bad_gzip"}, ends: useless("network")},
		{name: "above max_response", fault: sim.Fault{Kind: "too_large", N: maxResponse + 1}, ends: useless("too_large")},
		{name: "250,001 items", fault: sim.Fault{Kind: "empty_items", N: 250_001}, ends: feeds(useless("too_large"))},
		{name: "250,001 rows", fault: sim.Fault{Kind: "many_rows", N: 250_001}, ends: lists(useless("too_large"))},
		{name: "nested beyond any reader", fault: sim.Fault{Kind: "deep", N: 200_000}, ends: feeds(useless("bad_json"))},

		{name: "answers after 50 s", fault: sim.Fault{Kind: "delay", N: 50_000}, ends: harmless()},
		{name: "a clock ten years ahead", fault: sim.Fault{Kind: "clock", N: 10 * year}, ends: wrongClock()},
		{name: "a clock ten years behind", fault: sim.Fault{Kind: "clock", N: -10 * year}, ends: wrongClock()},

		{name: "429", fault: sim.Fault{Kind: "limit"}, ends: spent()},
		{name: "429 with Retry-After", fault: sim.Fault{Kind: "limit", N: 30}, ends: spent()},
		{name: "429 until a date, by a clock far ahead", fault: sim.Fault{Kind: "limit_date", N: 30}, ends: spent()},
		{name: "429 until a date, by a clock far behind", fault: sim.Fault{Kind: "limit_past", N: 30}, ends: spent()},

		{name: "an empty feed", fault: sim.Fault{Kind: "empty_feed"}, ends: emptied(), clients: 200},
		{name: "an item that is no UTF-8", fault: sim.Fault{Kind: "not_utf8"}, ends: junk(), clients: 200},
		{name: "an item nested 200 deep", fault: sim.Fault{Kind: "deep", N: 200}, ends: odd()},

		{name: "pages that lack rows", fault: sim.Fault{Kind: "cut_list", N: 10}, ends: shortList()},
		{name: "a total that is too high", fault: sim.Fault{Kind: "total_add", N: 5}, ends: shortList()},
		{name: "a total that is too low", fault: sim.Fault{Kind: "total_add", N: -5}, ends: trueList()},
		{name: "clients appear between pages", fault: sim.Fault{Kind: "shift", N: 1}, ends: shortList()},
	}
	for _, c := range []struct {
		code string
		ends ends
	}{
		{"authentication_failed", refused("authentication_failed", key)},
		{"authorization_failed", refused("authorization_failed", access)},
		{"access_denied", refused("access_denied", access)},
		{"option_not_available", refused("option_not_available", "ask Roistat to add it")},
		{"option_not_enabled", refused("option_not_enabled", "switch on Client Management")},
		{"option_not_paid", refused("option_not_paid", "pay for Client Management")},
		{"insufficient_funds", refused("insufficient_funds", "top up the project's balance")},
		{"project_frozen", refused("project_frozen", "unfreeze it")},
		{"resource_not_found", absent("resource_not_found")},
		{"resource_already_exists", rejected("resource_already_exists")},
		{"request_data_validation_error", rejected("request_data_validation_error")},
		{"incorrect_request", rejected("incorrect_request")},
		{"integration_error", useless("integration_error")},
		{"unknown_error", useless("unknown_error")},
		{"internal_error", useless("internal_error")},
		{"request_limit_error", spent()},
	} {
		list = append(list, fault{name: c.code, fault: sim.Fault{Kind: "error", Code: c.code}, ends: c.ends},
			fault{name: c.code + " in a 200", fault: sim.Fault{Kind: "error_200", Code: c.code}, ends: c.ends})
	}
	return list
}

// feeds are the ends of a fault that only feeds can have.
func feeds(e ends) ends { return ends{few: e.few, every: e.every} }

// lists are the ends of a fault that only lists can have.
func lists(e ends) ends { return ends{list: e.list} }

// place is where a fault strikes.
type place struct {
	name, method string
	few          bool
	cells        [2]cell
}

// places are where the fault can strike.
func (f fault) places() (list []place) {
	for _, p := range []place{
		{"few_feeds", "feed", true, f.ends.few}, {"every_feed", "feed", false, f.ends.every},
		{"list", "list", false, f.ends.list}, {"contacts", "contacts", false, f.ends.contacts},
	} {
		if p.cells[0].others != "" || p.cells[0].exit != 0 {
			list = append(list, p)
		}
	}
	return list
}

func (f fault) test() string { return strings.ReplaceAll(f.name, " ", "_") }

// TestMatrix plays each fault where it can strike, on the first attempt and for
// good, each between two good nights.
func TestMatrix(t *testing.T) {
	n := 0
	for _, f := range matrix() {
		places := slices.DeleteFunc(f.places(), func(place) bool {
			n++
			return n%sample != 0
		})
		if len(places) == 0 {
			continue
		}
		t.Run(f.test(), func(t *testing.T) {
			t.Parallel()
			for _, p := range places {
				t.Run(p.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { f.strike(t, p) })
				})
			}
		})
	}
}

// strike plays a fault at a place.
func (f fault) strike(t *testing.T, p place) {
	clients := f.clients
	if clients == 0 {
		clients = 30
	}
	s := newStand(t, clients)
	whole(0).check(t, s.run(t), nil)
	for i, times := range []int{1, 0} {
		s.bad(t, f.fault, p, times)
		if c := p.cells[i]; c.exit != 0 || c.struck != tonight || i == 1 {
			s.good(t) // once the fault is over, nothing of it is left
		}
		if t.Failed() {
			t.Fatalf("that was %s", []string{"the first attempt", "for good"}[i])
		}
	}
}

// good plays a night without faults.
func (s *stand) good(t *testing.T) {
	t.Helper()
	whole(0).check(t, s.run(t), nil)
	s.audit(t, true)
	for id, of := range s.feeds(t) {
		if of != tonight && of != both {
			t.Errorf("good night: the feed of client %d is %s", id, of)
		}
	}
}

// bad plays a night with the fault, for so many times or for good.
func (s *stand) bad(t *testing.T, f sim.Fault, p place, times int) {
	t.Helper()
	was := s.published(t)
	f.Method, f.Times = p.method, times
	var struck []int64 // nil: everybody
	if p.few {
		struck = s.struck(t)
		f.Clients = struck
	}
	r := s.run(t, f)
	c := p.cells[0]
	if times == 0 {
		c = p.cells[1]
	}
	c.settled(r).check(t, r, struck)
	if now := s.published(t); (now.Run == r.Run) != (c.publishes() && !c.idle) || now.Run != r.Run && now.Run != was.Run {
		t.Errorf("run %s published: %s is shown, before it was %s", r.Run, now.Run, was.Run)
	}
	s.audit(t, c.publishes())
	s.checkFeeds(t, c, struck, p)
	if t.Failed() {
		t.Logf("times %d: %s", times, text(t, r))
	}
}

// settled fills in the numbers that depend on how many feeds were due.
func (c cell) settled(r *pipeline.Report) cell {
	for _, n := range []*int64{&c.left, &c.retried} {
		if *n == everyDue {
			*n = r.Feeds.Due
		}
	}
	if c.rejects == everyDue { // who is gone has no feed for the item to be in
		c.rejects = r.Feeds.Due - r.Clients.Gone
	}
	return c
}

// struck chooses whom the fault strikes: a few whose feed changes tonight.
func (s *stand) struck(t *testing.T) []int64 {
	t.Helper()
	tonight := s.sim.State().Night(touched)
	list := slices.DeleteFunc(slices.Clone(s.sim.State().Clients()), func(id int64) bool {
		return slices.Equal(answer(tonight, id), answer(s.sim.State(), id)) || !tonight.Has(id)
	})
	if len(list) < fews {
		t.Fatal("too few feeds change tonight")
	}
	return list[:fews]
}

func (s *stand) checkFeeds(t *testing.T, c cell, struck []int64, p place) {
	t.Helper()
	for id, of := range s.feeds(t) {
		want := c.others
		if p.method == "feed" && (struck == nil || slices.Contains(struck, id)) {
			want = c.struck
		}
		if want != "" && of != want && of != both {
			t.Errorf("the feed of client %d is %s, want %s", id, of, want)
		}
	}
}

func text(t *testing.T, r *pipeline.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
