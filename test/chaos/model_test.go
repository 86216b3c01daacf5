package chaos

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim/world"
)

// client is what was fetched of one client, by what the API sent.
type client struct {
	id       int64
	row      []byte
	rowOf    *truth
	stored   *version // the feed that counts; nil: none yet
	before   *version // the one that a stopped gate brings back
	readRow  []byte   // the row when the feed was asked for
	backRow  []byte   // the same of before
	suspect  bool     // a suspiciously small answer waits for a second one
	notFound bool
	gone     bool
	missed   int  // complete lists in a row without it
	maybe    bool // one of them may not have been finished
}

// model is what is fetched, worked out from the answers alone.
type model struct {
	place     place
	book      *book
	clients   map[int64]*client
	listed    map[int64]bool // by the list under way
	total     int64
	junk      map[string]bool // rows without an id in that list
	campaigns map[int64]bool  // whose contacts were fetched
	fullSince time.Time
	exact     bool // times of the mirror are those of the answers (virtual time)
	forgotten map[int64]*person
	aheads    map[time.Duration]bool // by which the program's clock has been ahead; nil: it is right
}

func newModel(p place, exact bool) *model {
	return &model{place: p, book: newBook(), clients: map[int64]*client{}, listed: map[int64]bool{}, junk: map[string]bool{}, campaigns: map[int64]bool{}, exact: exact, forgotten: map[int64]*person{}}
}

// list takes the pages of a run up. It returns what each row may have been
// before the last page, which an interrupted run may have lost.
func (m *model) list(calls []*exchange) (pages int) {
	for _, x := range calls {
		if x.Method != "list" {
			continue
		}
		if pages == 0 && x.Offset == 0 { // else it goes on with the list of the run before
			m.listed, m.junk = map[int64]bool{}, map[string]bool{}
		}
		pages++
		p := x.page()
		if p == nil {
			continue
		}
		m.total = p.total
		for i, id := range p.ids {
			if id == 0 {
				m.junk[string(p.rows[i])] = true
				continue
			}
			m.listed[id] = true
			if m.forgotten[id] != nil {
				continue
			}
			c := m.clients[id]
			if c == nil {
				c = &client{id: id}
				m.clients[id] = c
			}
			c.row, c.rowOf = p.rows[i], m.book.of(p.state, id)
			c.missed, c.gone, c.maybe = 0, false, false
		}
	}
	return pages
}

// finished takes up that the list has ended.
func (m *model) finished(complete, sure bool) {
	if complete {
		for id, c := range m.clients {
			switch {
			case m.listed[id] || c.gone:
			case sure:
				c.missed++
				c.gone = c.missed > 1 || c.notFound
			default:
				c.maybe = true
			}
		}
	}
}

// suspicious is DESIGN's bad night: empty, or under half of ten or more.
func suspicious(before, now int64) bool {
	return before > 0 && now == 0 || before >= 10 && 2*now < before
}

// answer takes one answer to a question for a feed up. False: it brought nothing.
func (c *client) answer(x *exchange, b *book) bool {
	if !x.Torn && x.refusal() == "resource_not_found" {
		next := version{feed: []byte("[]"), of: b.nothing(c.id)}
		if c.stored != nil {
			next = *c.stored
		}
		next.at, next.ahead = x.At, x.Ahead
		c.stored, c.readRow, c.suspect, c.notFound = &next, c.row, false, true
		c.gone = c.gone || c.missed > 0
		return true
	}
	v := x.delivered(b)
	if v == nil {
		return false
	}
	if c.stored != nil && suspicious(c.stored.items, v.items) && !c.suspect {
		c.suspect = true
		return true
	}
	if c.stored != nil && c.before == nil && !bytes.Equal(c.stored.feed, v.feed) {
		c.before, c.backRow = c.stored, c.readRow
	}
	c.stored, c.readRow, c.suspect, c.notFound = v, c.row, false, false
	return true
}

// accept forgets what a stopped gate would bring back; restore brings it back.
func (m *model) accept() {
	for _, c := range m.clients {
		c.before = nil
	}
}

func (m *model) restore() {
	for _, c := range m.clients {
		if c.before != nil {
			c.stored, c.readRow, c.before = c.before, c.backRow, nil
		}
	}
}

// shown tells whether the client's feed is in the tables.
func (m *model) shown(c *client) bool { return c.stored != nil && (!c.gone || m.place.KeepGone) }

// live counts the clients that are not gone.
func (m *model) live() (n int64) {
	for _, c := range m.clients {
		if !c.gone {
			n++
		}
	}
	return n
}

// never counts the live clients without a feed; one that was read later than now
// counts as one. A zero now is later than all.
func (m *model) never(now time.Time) (n int64) {
	for _, c := range m.clients {
		if !c.gone && (c.stored == nil || !now.IsZero() && c.stored.at.After(now)) {
			n++
		}
	}
	return n
}

// projection is what correct tables hold of what was fetched, by client.
func (m *model) projection(w *world.World) (map[int64]rows, error) {
	out := map[int64]rows{0: {}}
	for id, c := range m.clients {
		r := rows{}
		r.plus(c.rowOf.row)
		if m.shown(c) {
			r.plus(c.stored.of.feed)
		}
		out[id] = r
	}
	for id := range m.campaigns {
		r, err := campaignTruth(w, id, m.knows)
		if err != nil {
			return nil, err
		}
		out[0].plus(r)
	}
	return out, m.book.err
}

// reconcile compares the mirror with the model after a run. Where the run was
// disturbed, what was in flight may be missing: the model follows, and lost
// counts it. Without a mirror everything is lost.
func (m *model) reconcile(ctx context.Context, path string, calls []*exchange, start map[int64]client, disturbed bool) (lost int, faults []string) {
	r, err := mirror.OpenReader(ctx, path)
	if err != nil {
		return 0, []string{fmt.Sprintf("the mirror can't be read: %v", err)}
	}
	defer r.Close()
	seen := map[int64]bool{}
	var buffer mirror.Buffer
	for block, err := range r.Scan(ctx, 256) {
		if err != nil {
			return 0, append(faults, fmt.Sprintf("the mirror can't be read: %v", err))
		}
		for i := range block {
			got, err := block[i].Unpack(&buffer)
			if err != nil {
				return 0, append(faults, err.Error())
			}
			seen[got.ID] = true
			c := m.clients[got.ID]
			if c == nil {
				faults = append(faults, fmt.Sprintf("the mirror holds client %d, of whom the API never told", got.ID))
				continue
			}
			missing, fault := m.follow(c, got.Row, got.Feed, got.FeedAt, !got.GoneAt.IsZero(), calls, start, disturbed)
			lost += missing
			faults = append(faults, fault...)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.clients)) {
		if seen[id] {
			continue
		}
		if _, had := start[id]; had || !disturbed {
			faults = append(faults, fmt.Sprintf("the mirror lost client %d", id))
		}
		delete(m.clients, id)
	}
	m.campaigns = map[int64]bool{}
	for c, err := range r.Campaigns(ctx) {
		if err != nil {
			faults = append(faults, err.Error())
			break
		}
		m.campaigns[c.ID] = true
	}
	return lost, faults
}

// follow compares one client of the mirror with the model.
func (m *model) follow(c *client, row, feed []byte, at time.Time, gone bool, calls []*exchange, start map[int64]client, disturbed bool) (lost int, faults []string) {
	if !bytes.Equal(row, c.row) {
		was, ok := start[c.id]
		if !disturbed || !ok || !bytes.Equal(row, was.row) {
			return 0, []string{fmt.Sprintf("client %d has another row than the API told last", c.id)}
		}
		c.row, c.rowOf, c.missed, c.maybe = was.row, was.rowOf, was.missed, was.maybe
	}
	if gone != c.gone {
		if !(c.maybe || disturbed) {
			faults = append(faults, fmt.Sprintf("client %d: gone is %v, want %v (missed by %d lists)", c.id, gone, c.gone, c.missed))
		}
		c.gone = gone
	}
	if v := c.stored; v != nil && v.ahead > 0 && c.gone && at.IsZero() && bytes.Equal(v.feed, feed) {
		never := *v // its stamp was of a clock that was ahead, and nobody will read it again
		never.at, never.ahead = time.Time{}, 0
		c.stored = &never
	}
	if m.same(c.stored, feed, at) {
		return 0, faults
	}
	if !disturbed {
		return 0, append(faults, fmt.Sprintf("client %d: the mirror has a feed of %d bytes read at %v, want %s", c.id, len(feed), at, c.stored.String()))
	}
	was := start[c.id]
	was.id, was.row, was.rowOf = c.id, c.row, c.rowOf
	replay := []client{was}
	for _, x := range calls {
		if x.Method == "feed" && x.Client == c.id && was.answer(x, m.book) {
			replay = append(replay, was)
		}
	}
	for _, r := range slices.Backward(replay) {
		if m.same(r.stored, feed, at) {
			r.gone, r.missed = c.gone, c.missed
			*c = r
			return 1, faults
		}
	}
	return 0, append(faults, fmt.Sprintf("client %d: the mirror has a feed of %d bytes read at %v, which is neither %s nor any before it", c.id, len(feed), at, c.stored.String()))
}

// String names a version in a few words.
func (v *version) String() string {
	if v == nil {
		return "no feed"
	}
	return fmt.Sprintf("one of %d bytes, %d items, answered at %v", len(v.feed), v.items, v.at)
}

// slow is how long a real program may take to note the time of an answer.
const slow = 20 * time.Second

func (m *model) same(v *version, feed []byte, at time.Time) bool {
	if v == nil {
		return at.IsZero() && feed == nil
	}
	late := at.Sub(v.at.Truncate(time.Millisecond))
	if !bytes.Equal(v.feed, feed) {
		return false
	}
	for ahead := range m.aheads { // it may have been set while the answer was on its way
		if d := late - ahead; d >= -time.Second && d < slow {
			return true
		}
	}
	return late >= 0 && (late == 0 || !m.exact && late < slow)
}

// mirrorPath is where a stand has its mirror.
func mirrorPath(dir string) string { return filepath.Join(dir, "mirror.db") }
