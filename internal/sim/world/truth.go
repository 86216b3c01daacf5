package world

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"
)

// RowFunc receives a row of the truth: the table's name and one JSON object
// without a line end. The bytes are valid until the function returns.
type RowFunc func(table string, row []byte) error

// Truth calls fn for every row correct tables hold of this state, table by
// table for a client: clients ascending, a feed's rows in the order of the
// feed, then contacts, then rejects of the list and the campaigns. Left out are
// extra and raw, whose rendering is the reader's, what a mirror adds
// (first_seen_at, gone_at, feed_fetched_at), and clients that are gone. The
// ordinal of a rejected client row counts in the whole list, newest first, and
// of a contact in its campaign.
func (s *State) Truth(fn RowFunc) error {
	t := &truth{project: s.w.cfg.Project, fn: fn}
	for n := s.Listed() - 1; n >= 0 && t.err == nil; n-- {
		id := s.At(n)
		if id < 0 {
			t.reject(Reject{Source: "clients", Ordinal: n, Reason: s.w.junkRow(-id).Broken})
			continue
		}
		f, _ := s.Feed(id)
		t.client(s.w.Row(f), n)
		t.feed(f)
	}
	for c := 1; c <= Campaigns; c++ {
		t.campaign(s.w, c, nil)
	}
	if t.err != nil {
		return fmt.Errorf("write truth: %w", t.err)
	}
	return nil
}

// truth writes rows; after an error it writes no more.
type truth struct {
	project string
	fn      RowFunc
	buf     []byte
	err     error
}

// begin starts a row with its project.
func (t *truth) begin() {
	t.buf = append(t.buf[:0], '{')
	t.str("project", t.project)
}

func (t *truth) end(table string) {
	if t.err == nil {
		t.err = t.fn(table, append(t.buf, '}'))
	}
}

func (t *truth) name(name string) {
	if len(t.buf) > 1 {
		t.buf = append(t.buf, ',')
	}
	t.buf = append(asIs.text(t.buf, name), ':')
}

func (t *truth) str(name, v string) {
	t.name(name)
	t.buf = asIs.text(t.buf, v)
}

func (t *truth) num(name string, n int64) {
	t.name(name)
	t.buf = strconv.AppendInt(t.buf, n, 10)
}

func (t *truth) null(name string) {
	t.name(name)
	t.buf = append(t.buf, "null"...)
}

// orNull writes a text, or null for ”.
func (t *truth) orNull(name, v string) {
	if v == "" {
		t.null(name)
		return
	}
	t.str(name, v)
}

func (t *truth) instant(name string, ms int64) {
	t.name(name)
	t.buf = append(appendInstant(append(t.buf, '"'), ms), '"')
}

// appendInstant spells a time as the tables' text form has it.
func appendInstant(dst []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

func (t *truth) columns(cols []column, fields []Field) {
	for i := range cols {
		t.column(&cols[i], cols[i].cellOf(fields))
	}
}

// column writes the truth of a cell; a missing one is null.
func (t *truth) column(col *column, c *Cell) {
	switch {
	case col.kind == Object:
		t.mapping(col.name, c)
	case c == nil || c.IsNull():
		t.null(col.name)
	case col.kind == Money:
		t.str(col.name, string(appendCents(nil, c.Num)))
	case col.kind == Int:
		t.num(col.name, c.Num)
	case col.kind == Bool:
		t.name(col.name)
		t.buf = strconv.AppendBool(t.buf, c.Num == 1)
	case col.kind == Time && c.Form == DateOnly:
		t.str(col.name, string(appendTime(nil, c.Num, DateOnly)))
	case col.kind == Time:
		t.instant(col.name, c.Num)
	default:
		t.str(col.name, c.Text)
	}
}

// mapping writes custom fields: keys sorted, of equal ones the last, nested
// values as compact JSON, nulls left out.
func (t *truth) mapping(name string, c *Cell) {
	values := map[string]string{}
	if c != nil && !c.IsNull() {
		for i := range c.Sub {
			f := &c.Sub[i]
			if f.Form == Null {
				continue
			}
			values[f.Key] = f.mapText()
		}
	}
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := Cell{Kind: Object}
	for _, k := range keys {
		out.Sub = append(out.Sub, Field{k, textCell(values[k])})
	}
	t.name(name)
	t.buf = asIs.cell(t.buf, &out)
}

// mapText is a custom field's value in the map.
func (c *Cell) mapText() string {
	if c.Kind == Text {
		return c.Text
	}
	return string(asIs.cell(nil, c))
}

func (t *truth) client(r *Row, ordinal int) {
	t.begin()
	t.num("client_id", r.ID)
	t.columns(clientColumns, r.Fields)
	t.end("clients")
	for i := range r.Fields {
		if reason := r.Fields[i].fault(); reason != "" {
			t.reject(Reject{"clients", r.ID, ordinal, "", r.Fields[i].Key, reason})
		}
	}
}

func (t *truth) feed(f *Feed) {
	v := f.Judge()
	for i := range v.Events {
		t.event(f.Client, &v.Events[i], v)
	}
	for _, r := range v.Rejects {
		t.reject(r)
	}
}

func (t *truth) event(client int64, e *Event, v *Verdict) {
	t.begin()
	t.num("client_id", client)
	t.str("event_id", e.ID)
	t.instant("occurred_at", e.Item.At)
	t.columns(tableOf(e.Item.Type).columns, e.Item.Fields)
	switch e.Table {
	case "orders":
		t.attribution(v.before(e.Item.At))
	case "lead_hunter_leads":
		t.sent(e.Item.truth("status"))
	case OtherEvents:
		t.str("type", e.Item.Type)
	}
	t.end(e.Table)
}

// sent writes is_sent from a lead's status.
func (t *truth) sent(status string) {
	if status != "0" && status != "1" {
		t.null("is_sent")
		return
	}
	t.name("is_sent")
	t.buf = strconv.AppendBool(t.buf, status == "1")
}

// attribution writes what an order owes to the visits before it.
func (t *truth) attribution(visits []*Event) {
	t.num("visits_before", int64(len(visits)))
	if len(visits) == 0 {
		for _, n := range []string{"first_visit_id", "last_visit_id", "first_visit_at", "last_visit_at",
			"first_source_id", "first_source_title", "last_source_id", "last_source_title"} {
			t.null(n)
		}
		return
	}
	first, last := visits[0].Item, visits[len(visits)-1].Item
	t.str("first_visit_id", first.truth("visitId"))
	t.str("last_visit_id", last.truth("visitId"))
	t.instant("first_visit_at", first.At)
	t.instant("last_visit_at", last.At)
	t.column(&column{name: "first_source_id"}, cell(first, "sourceId"))
	t.column(&column{name: "first_source_title"}, cell(first, "sourceTitle"))
	t.column(&column{name: "last_source_id"}, cell(last, "sourceId"))
	t.column(&column{name: "last_source_title"}, cell(last, "sourceTitle"))
}

func cell(it *Item, key string) *Cell {
	if f := it.find(key); f != nil {
		return &f.Cell
	}
	return nil
}

func (t *truth) reject(r Reject) {
	t.begin()
	t.str("source", r.Source)
	if r.Client == 0 {
		t.null("client_id")
	} else {
		t.num("client_id", r.Client)
	}
	t.num("ordinal", int64(r.Ordinal))
	t.orNull("type", r.Type)
	t.orNull("field", r.Field)
	t.str("reason", string(r.Reason))
	t.end("rejects")
}

// total is what a contact's rows add up to in one metric.
type total struct{ metric, address string }

func (t *truth) campaign(w *World, id int, skip func(row []byte) bool) {
	sums := map[total]int64{}
	kept := 0
	for n := range w.ContactCount(id) {
		c := w.Contact(id, n)
		if skip != nil && skip(AppendContact(nil, &c, allMetrics())) {
			continue
		}
		kept++
		bad := false
		for i := range c.Metrics {
			m := &c.Metrics[i]
			bad = bad || m.Reason != ""
			if m.Reason == "" && m.Num > 0 {
				sums[total{m.Key, c.Address}] += m.Num
			}
		}
		if bad {
			t.reject(Reject{Source: "campaign", Ordinal: kept - 1, Field: "metrics", Reason: BadValue})
		}
	}
	t.contacts(id, sums)
}

// allMetrics asks for each documented metric.
func allMetrics() map[string]bool {
	all := map[string]bool{}
	for _, name := range metricNames {
		all[name] = true
	}
	return all
}

func (t *truth) contacts(campaign int, sums map[total]int64) {
	keys := make([]total, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b total) int {
		return cmp.Or(cmp.Compare(a.metric, b.metric), cmp.Compare(a.address, b.address))
	})
	for _, k := range keys {
		t.begin()
		t.num("campaign_id", int64(campaign))
		t.str("contact", k.address)
		t.str("metric", k.metric)
		t.num("emails", sums[k])
		t.end("campaign_contacts")
	}
}
