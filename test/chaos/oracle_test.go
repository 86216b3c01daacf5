package chaos

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"roistat-etl/pipeline"
)

// facts are what is known of a run without asking the product.
type facts struct {
	step      *step
	report    *pipeline.Report // what the run says of itself; nil: it was killed
	calls     []*exchange
	start     time.Time
	end       time.Time // in process
	perHour   int
	fired     bool // the signal came while it ran
	before    *snapshot
	after     *snapshot
	lost      int  // answers that were in flight when it was disturbed
	foreign   bool // what is published is another mirror's
	fullSince time.Time
	real      bool // the real program
	struck    bool // something came between it and ClickHouse, or S3
	bucket    bool // it is S3
	clock     bool // the program's can be set
	ahead     time.Duration
}

// disturbed tells whether answers in flight may have been lost.
func (f *facts) disturbed() bool {
	return f.fired || f.step.Disk == "full mirror" || f.report == nil || f.broken()
}

// broken tells whether system calls of the real program were made to fail.
func (f *facts) broken() bool { return f.step.Inject != "" && f.step.Inject != "watch" }

// verdict collects what is wrong with a run.
type verdict struct{ found []string }

func (v *verdict) add(format string, args ...any) {
	v.found = append(v.found, fmt.Sprintf(format, args...))
}

func (v *verdict) that(ok bool, format string, args ...any) {
	if !ok {
		v.add(format, args...)
	}
}

// outcome is what the calls of a run say of each client that was asked for.
type outcome struct {
	asked, fetched, failed map[int64]bool
	feeds                  int
	final                  bool
	refused                int
}

// judge finds out whose feed came: the last answer counts.
func judge(calls []*exchange, b *book) *outcome {
	o := &outcome{asked: map[int64]bool{}, fetched: map[int64]bool{}, failed: map[int64]bool{}}
	for _, x := range calls {
		o.final = o.final || x.final()
		if x.refusal() == "request_limit_error" {
			o.refused++
		}
		if x.Method != "feed" {
			continue
		}
		o.feeds++
		o.asked[x.Client] = true
		good := x.delivered(b) != nil || !x.Torn && x.refusal() == "resource_not_found"
		delete(o.failed, x.Client)
		if o.fetched[x.Client] = good; !good {
			delete(o.fetched, x.Client)
			o.failed[x.Client] = true
		}
	}
	return o
}

// check applies the oracles of a run that ended by itself. m is the model after
// the run, before a stopped gate restored anything.
func (f *facts) check(m *model, want map[int64]rows) []string {
	v := &verdict{}
	o := judge(f.calls, m.book)
	f.report1(v, o, m)
	f.destination(v)
	gates := f.gates(m, want)
	switch f.report.ExitCode {
	case 0:
		f.whole(v, o, m)
		f.gatesOpen(v, gates)
	case 3:
		v.that(len(f.report.Reasons) > 0, "exit code 3 without a reason")
		v.that(f.lacking(o, m), "exit code 3, but nothing is missing: %q", f.report.Reasons)
		f.gatesOpen(v, gates)
	case 4:
		v.that(o.final, "exit code 4, but the API refused nothing for good")
	case 5:
		v.that(f.foreign || len(gates) > 0, "exit code 5, but no gate is exceeded: %s", *f.report.Error)
	case 130:
		v.that(f.fired, "exit code 130, but no signal came")
	case 1:
		v.that(f.mayFail(o, m), "exit code 1 without a cause: %s", text(f.report.Error))
	case 2:
		v.that(stubborn(f.step.Disk) || f.step.Disk != "" && !mounts(), "exit code 2, but nothing refuses for good: %s", text(f.report.Error))
	default:
		v.add("exit code %d", f.report.ExitCode)
	}
	calm := f.step.Disk == "" && !f.fired && !f.broken()
	v.that(!f.foreign || f.step.Adopt || !calm || len(f.calls) == 0, "%d calls were made, though the destination shows another mirror's work", len(f.calls))
	f.forgotten(v, m)
	f.timely(v)
	v.that(!o.final || !calm || f.report.ExitCode == 4, "the API refused for good, but the exit code is %d", f.report.ExitCode)
	v.that(!f.fired || f.step.Disk != "" || f.report.ExitCode == 130, "a signal came, but the exit code is %d", f.report.ExitCode)
	v.that(!f.step.Clean || f.report.ExitCode == 0, "nothing was wrong, but the exit code is %d: %q %s", f.report.ExitCode, f.report.Reasons, text(f.report.Error))
	return v.found
}

func text(s *string) string {
	if s == nil {
		return "no error"
	}
	return *s
}

// report1 checks the numbers of the report.
func (f *facts) report1(v *verdict, o *outcome, m *model) {
	r := f.report
	words := map[int]pipeline.Outcome{0: pipeline.OK, 1: pipeline.Failed, 2: pipeline.Failed, 3: pipeline.Partial, 4: pipeline.Refused, 5: pipeline.Gated, 130: pipeline.Interrupted}
	v.that(r.Outcome == words[r.ExitCode], "the outcome is %s and the exit code %d", r.Outcome, r.ExitCode)
	v.that((r.Error == nil) == (r.ExitCode == 0 || r.ExitCode == 3), "exit code %d with the error %s", r.ExitCode, text(r.Error))
	v.that(r.Feeds.Due == r.Feeds.Fetched+r.Feeds.Failed+r.Feeds.Left, "the feeds don't add up: %+v", r.Feeds)
	calls := r.Calls.List + r.Calls.Feed + r.Calls.Campaign
	v.that(calls == int64(len(f.calls)) || f.disturbed(), "the report counts %d calls, the API %d", calls, len(f.calls))
	v.that(f.step.Budget == 0 || o.feeds <= f.step.Budget, "%d feed calls on a budget of %d", o.feeds, f.step.Budget)
	if f.disturbed() || f.step.Disk != "" || f.step.NoExtract || f.report.Feeds.Due == 0 && f.step.Deadline > 0 {
		return
	}
	never := m.never(f.end)
	v.that(r.Feeds.NeverFetched == never || f.step.ClockTo != 0, "the report says %d feeds were never read, there are %d", r.Feeds.NeverFetched, never)
	if r.ExitCode == 1 || r.ExitCode == 4 {
		return
	}
	named := map[int64]bool{}
	for _, c := range r.FailedClients {
		named[c.ClientID] = true
		v.that(o.failed[c.ClientID], "client %d is reported as failed, but was delivered", c.ClientID)
	}
	v.that(int64(len(named)) == r.Feeds.Failed, "%d clients failed, %d are named", r.Feeds.Failed, len(named))
	for _, id := range slices.Sorted(maps.Keys(o.failed)) {
		v.that(named[id] || r.Feeds.Left > 0, "client %d failed and is not named", id)
	}
	waiting := 0
	for id := range o.fetched {
		if m.clients[id] != nil && m.clients[id].suspect {
			waiting++
		}
	}
	v.that(r.Feeds.Fetched == int64(len(o.fetched)-waiting), "the report says %d feeds were fetched, %d were delivered and %d of those wait for a second look", r.Feeds.Fetched, len(o.fetched), waiting)
	v.that(r.Clients.Listed == int64(len(m.listed)) || r.Clients.Total == 0, "the report says %d clients were listed, %d were", r.Clients.Listed, len(m.listed))
	v.that(!r.Clients.ListComplete || int64(len(m.listed)+len(m.junk)) >= m.total, "the list is called complete with %d of %d", len(m.listed)+len(m.junk), m.total)
}

// destination checks what the report says of the destination.
func (f *facts) destination(v *verdict) {
	shows := func(s *snapshot) string {
		if s == nil {
			return ""
		}
		return s.run
	}
	before, after := shows(f.before), shows(f.after)
	if len(f.report.Destinations) == 0 {
		v.that(before == after || f.bucket && f.struck, "the report names no destination, which shows %s instead of %s", after, before)
		v.that(f.report.ExitCode != 0 && f.report.ExitCode != 3, "exit code %d without a destination", f.report.ExitCode)
		return
	}
	i := slices.IndexFunc(f.report.Destinations, func(d pipeline.DestinationState) bool { return d.Kind == "parquet" })
	if i < 0 { // see warehouse.report
		return
	}
	d := f.report.Destinations[i]
	late := f.bucket && f.struck // then its pointer, or an older one, may have been put all the same
	switch d.State {
	case "published":
		v.that(after == f.report.Run, "the report says published, but %s is shown", after)
	case "unchanged":
		v.that((after == before || late) && after != "", "the report says unchanged, but %q is shown and was %q", after, before)
	default:
		v.that(after == before || late, "the report says %s, but %s is shown instead of %s", d.State, after, before)
		v.that(f.step.NoPublish || f.report.ExitCode != 0 && f.report.ExitCode != 3, "exit code %d, and the destination is %s", f.report.ExitCode, d.State)
	}
	v.that(d.Run == after || d.Run == "" && f.report.ExitCode != 0 || f.bucket && f.struck && d.State == "failed", "the report says the destination shows %q, it shows %q", d.Run, after)
}

// whole checks that nothing is missing where the exit code says so.
func (f *facts) whole(v *verdict, o *outcome, m *model) {
	if f.step.NoExtract {
		return
	}
	r := f.report
	v.that(len(o.failed) == 0 && r.Feeds.Failed == 0 && r.Feeds.Left == 0, "exit code 0, but of the feeds %d failed and %d are left", len(o.failed), r.Feeds.Left)
	lacks := m.total - int64(len(m.listed)+len(m.junk))
	v.that(float64(lacks) <= 0.001*float64(m.total), "exit code 0, but the list gave %d of %d", m.total-lacks, m.total)
	for _, id := range m.place.Campaigns {
		v.that(m.campaigns[id], "exit code 0, but campaign %d was not fetched", id)
	}
	v.that(!f.contactsFailed(), "exit code 0, but the contacts were not delivered whole")
	for _, id := range slices.Sorted(maps.Keys(m.clients)) {
		if c := m.clients[id]; !c.gone {
			f.fresh(v, c)
		}
	}
}

// fresh checks that a client needed no call any more.
func (f *facts) fresh(v *verdict, c *client) {
	switch {
	case c.stored == nil:
		v.add("exit code 0, but client %d was never read", c.id)
	case !f.end.IsZero() && c.stored.at.After(f.end):
		v.add("exit code 0, but client %d counts as read at %v, and it is %v", c.id, c.stored.at, f.end)
	case c.suspect:
		v.add("exit code 0, but client %d waits for a second look", c.id)
	case string(c.row) != string(c.readRow):
		v.add("exit code 0, but client %d has changed since it was read", c.id)
	case f.step.Budget == 0 && f.step.Deadline == 0 && f.start.Sub(c.stored.at) > 20*time.Hour:
		v.add("exit code 0, but client %d was read %v ago", c.id, f.start.Sub(c.stored.at))
	case f.clock && f.step.ClockTo == 0 && c.stored.ahead > f.ahead+slow:
		v.add("exit code 0, but client %d was read by a clock that was %v ahead", c.id, c.stored.ahead-f.ahead)
	case f.clock && f.step.ClockTo == 0 && c.stored.ahead < f.ahead-20*time.Hour:
		v.add("exit code 0, but client %d was read %v ago, by the clocks", c.id, f.ahead-c.stored.ahead)
	case f.step.Full && c.stored.at.Before(f.fullSince.Truncate(time.Millisecond)):
		v.add("exit code 0 of a full run, but client %d was read at %v, before %v", c.id, c.stored.at, f.fullSince)
	}
}

// timely checks that nothing kept the run but its quota.
func (f *facts) timely(v *verdict) {
	if f.end.IsZero() || len(f.step.Faults) > 0 || f.step.Then != nil || f.step.Disk != "" {
		return
	}
	most := time.Duration(len(f.calls)/max(1, f.perHour)+3) * time.Hour
	v.that(f.end.Sub(f.start) <= most, "%d calls took %v at %d an hour", len(f.calls), f.end.Sub(f.start), f.perHour)
}

// contactsFailed tells whether the last answer of a campaign was no answer.
func (f *facts) contactsFailed() bool {
	bad := false
	for _, x := range f.calls {
		if x.Method == "contacts" {
			bad = x.Torn || x.refusal() != "" || !strings.Contains(string(x.Body), `"status":"success"}`)
		}
	}
	return bad
}

// lacking tells whether anything at all is missing.
func (f *facts) lacking(o *outcome, m *model) bool {
	r := f.report
	short := m.total-int64(len(m.listed)+len(m.junk)) > 0 || r.Clients.Total == 0
	says := func(start string) bool {
		return slices.ContainsFunc(r.Reasons, func(s string) bool { return strings.HasPrefix(s, start) })
	}
	cut := !r.Clients.ListComplete && says("the list was not read to its end")
	contacts := says("campaign ")
	return len(o.failed) > 0 || r.Feeds.Left > 0 || short || cut || contacts && len(m.place.Campaigns) > 0
}

// mayFail tells whether there was a cause for exit code 1.
func (f *facts) mayFail(o *outcome, m *model) bool {
	if f.step.Disk != "" || f.broken() || f.struck {
		return true
	}
	if f.step.NoExtract && len(m.clients) == 0 {
		return true
	}
	for i, x := range slices.Backward(f.calls) {
		if x.Method == "list" { // the last call: a page that could not be had
			return i == len(f.calls)-1 && (x.page() == nil)
		}
		break
	}
	return len(o.failed) >= 20
}

// exceeded are the gates that stop, recomputed from what was fetched.
func (f *facts) gates(m *model, want map[int64]rows) (exceeded []string) {
	over := func(name string, part, whole, limit float64, enough bool) {
		if whole > 0 && part/whole > limit && enough {
			exceeded = append(exceeded, name)
		}
	}
	failed := float64(f.report.Feeds.Failed)
	over(pipeline.GateFailedClients, failed, failed+float64(f.report.Feeds.Fetched), 0.01, failed > 5)
	counts, items, rejects := map[string]int64{}, int64(0), int64(0)
	for _, r := range want {
		for table, list := range r {
			counts[table] += int64(len(list))
		}
	}
	for _, c := range m.clients {
		if m.shown(c) {
			items, rejects = items+c.stored.of.items, rejects+c.stored.of.itemRejects
		}
	}
	over(pipeline.GateRejects, float64(rejects), float64(items), 0.01, rejects > 100)
	if f.before == nil {
		return exceeded
	}
	live := int64(0)
	for _, c := range f.before.mirror {
		if c.gone == null {
			live++
		}
	}
	over(pipeline.GateClientDrop, float64(live-m.live()), float64(live), 0.2, true)
	for table, n := range f.before.counts {
		over(pipeline.GateRowDrop, float64(n-counts[table]), float64(n), 0.2, n >= 1000)
	}
	return exceeded
}

// passed tells whether the run's gates let it pass, whatever became of it then.
func (f *facts) passed() bool {
	if f.report == nil || len(f.report.Gates) == 0 || f.report.Error != nil && strings.Contains(*f.report.Error, "accept the feeds") {
		return false
	}
	return !slices.ContainsFunc(f.report.Gates, func(g pipeline.Gate) bool { return !g.Passed })
}

// gatesOpen checks that a run which published was allowed to.
func (f *facts) gatesOpen(v *verdict, exceeded []string) {
	if f.step.NoPublish {
		return
	}
	v.that(!f.foreign || f.step.Adopt, "published over another mirror's work without --adopt")
	v.that(len(exceeded) == 0 || f.step.Accept, "published although these gates are exceeded: %v", exceeded)
	for _, g := range f.report.Gates {
		v.that(!math.IsNaN(g.Value) && (g.Value <= g.Limit) == !slices.Contains(exceeded, g.Name) || g.Passed, "gate %s is reported with %v of %v", g.Name, g.Value, g.Limit)
	}
}

// shows compares what is published with what was fetched.
func (s *snapshot) shows(m *model, want map[int64]rows) []string {
	v := &verdict{found: slices.Clone(s.faults)}
	ids := map[int64]bool{}
	for id := range want {
		ids[id] = true
	}
	for id := range s.clients {
		ids[id] = true
	}
	listed := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		got := s.clients[id]
		if id == 0 {
			got = withoutClients(got, listed)
		}
		for _, d := range differ(want[id], got) {
			v.add("client %d: %s", id, d)
		}
		c := m.clients[id]
		if c == nil {
			continue
		}
		is := s.mirror[id]
		v.that((is.gone != null) == c.gone, "client %d: gone_at is %s, gone %v", id, is.gone, c.gone)
		at := null
		if c.stored != nil && !c.stored.at.IsZero() {
			at = c.stored.at.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		v.that(is.fetched == at || !m.exact && (at == null) == (is.fetched == null), "client %d: feed_fetched_at is %s, want %s", id, is.fetched, at)
		if len(v.found) > 12 {
			v.add("and more")
			break
		}
	}
	v.that(s.live == m.live(), "the manifest says %d live clients, there are %d", s.live, m.live())
	return v.found
}

// withoutClients leaves out what the list showed without an id: a list that
// failed half-way may hold any part of it.
func withoutClients(r rows, _ map[string]bool) rows {
	out := rows{}
	for table, list := range r {
		for _, text := range list {
			if !strings.Contains(text, "source=clients ") {
				out[table] = append(out[table], text)
			}
		}
	}
	return out
}
