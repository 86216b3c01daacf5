package world

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Event is an item of a feed that is a row of a table.
type Event struct {
	Item    *Item
	Table   string
	Ordinal int // its place in the feed, from 0
	ID      string
	key     string
	rank    int // n among equal keys
}

// Reject is what must be said of an item, or of one field of it.
type Reject struct {
	Source  string
	Client  int64 // 0: unknown
	Ordinal int
	Type    string // "": none
	Field   string // "": the whole item
	Reason  Reason
}

// Verdict is what correct tables hold of a feed.
type Verdict struct {
	Events  []Event
	Rejects []Reject
	visits  []*Event // by (occurred_at, event_id)
}

// Judge works out rows, event ids and rejects from the typed items. Every item
// is either an event or a reject without a field.
func (f *Feed) Judge() *Verdict {
	v := &Verdict{Events: make([]Event, 0, len(f.Items))}
	for i := range f.Items {
		it := &f.Items[i]
		if it.Broken != "" {
			v.Rejects = append(v.Rejects, Reject{"feed", f.Client, i, it.Type, "", it.Broken})
			continue
		}
		v.Events = append(v.Events, Event{Item: it, Table: tableOf(it.Type).name, Ordinal: i, key: it.key(f.Client)})
	}
	v.settle(f.Client)
	v.fieldRejects(f.Client)
	slices.SortStableFunc(v.Rejects, func(a, b Reject) int {
		return cmp.Or(cmp.Compare(a.Ordinal, b.Ordinal), cmp.Compare(a.Field, b.Field))
	})
	v.sortVisits()
	return v
}

// settle groups the events of equal keys: of visits and orders one stays, the
// others are numbered.
func (v *Verdict) settle(client int64) {
	groups := make(map[string][]int, len(v.Events))
	for i := range v.Events {
		k := v.Events[i].key
		groups[k] = append(groups[k], i)
	}
	drop := make(map[int]bool)
	for _, g := range groups {
		if len(g) > 1 {
			v.rank(g, drop)
		}
	}
	for i := range v.Events {
		e := &v.Events[i]
		if drop[i] {
			v.Rejects = append(v.Rejects, Reject{"feed", client, e.Ordinal, e.Item.Type, "", Duplicate})
		}
		e.ID = eventID(e.key, e.rank)
	}
	if len(drop) > 0 {
		v.Events = keep(v.Events, drop)
	}
}

func keep(events []Event, drop map[int]bool) []Event {
	kept := events[:0]
	for i, e := range events {
		if !drop[i] {
			kept = append(kept, e)
		}
	}
	return kept
}

// rank numbers a group by canonical JSON, or marks all but one to be dropped.
func (v *Verdict) rank(group []int, drop map[int]bool) {
	if idKey(v.Events[group[0]].Item.Type) != "" {
		best := slices.MaxFunc(group, func(a, b int) int { return newer(&v.Events[a], &v.Events[b]) })
		for _, i := range group {
			if i != best {
				drop[i] = true
			}
		}
		return
	}
	sort.SliceStable(group, func(a, b int) bool {
		return bytes.Compare(v.Events[group[a]].Item.canonical(), v.Events[group[b]].Item.canonical()) < 0
	})
	for n, i := range group {
		v.Events[i].rank = n
	}
}

// newer orders two tellings of a visit or order: latest update, then greatest
// canonical JSON, then first in the feed.
func newer(a, b *Event) int {
	return cmp.Or(
		cmp.Compare(a.Item.updated(), b.Item.updated()),
		bytes.Compare(a.Item.canonical(), b.Item.canonical()),
		cmp.Compare(b.Ordinal, a.Ordinal),
	)
}

func (it *Item) canonical() []byte { return canonical.object(nil, it.Fields) }

// updated is the time of the last update; never is before every time.
func (it *Item) updated() int64 {
	f := it.find("updateDate")
	if f == nil || f.IsNull() || f.Kind != Time {
		return -1
	}
	return f.Num
}

// key is what an event id is made of, but for the number among equals.
func (it *Item) key(client int64) string {
	var b strings.Builder
	part := func(s string) { b.WriteString(s); b.WriteByte(0x1f) }
	part(it.Type)
	part(strconv.FormatInt(client, 10))
	if id := idKey(it.Type); id != "" {
		part(it.truth(id))
		return b.String()
	}
	part(string(appendInstant(nil, it.At)))
	for _, k := range moreKeys(it.Type) {
		part(it.truth(k))
	}
	return b.String()
}

// moreKeys names the fields that enter the id after the time.
func moreKeys(typ string) []string {
	switch typ {
	case "event":
		return []string{"metaId"}
	case "orderStatusChange":
		return []string{"order_id", "status"}
	case "orderCostChange":
		return []string{"order_id", "cost"}
	case "orderPriceChange":
		return []string{"order_id", "price"}
	default:
		return nil
	}
}

// truth is a field's text or amount; null is ”.
func (it *Item) truth(key string) string {
	f := it.find(key)
	switch {
	case f == nil || f.IsNull():
		return ""
	case f.Kind == Money:
		return string(appendCents(nil, f.Num))
	default:
		return f.Text
	}
}

func eventID(key string, n int) string {
	sum := sha256.Sum256([]byte(key + strconv.Itoa(n)))
	return hex.EncodeToString(sum[:12])
}

// fieldRejects adds one reject for each field of an event that is unusable.
func (v *Verdict) fieldRejects(client int64) {
	for i := range v.Events {
		e := &v.Events[i]
		for j := range e.Item.Fields {
			f := &e.Item.Fields[j]
			if r := f.fault(); r != "" {
				v.Rejects = append(v.Rejects, Reject{"feed", client, e.Ordinal, e.Item.Type, f.Key, r})
			}
		}
	}
}

func (v *Verdict) sortVisits() {
	for i := range v.Events {
		if v.Events[i].Table == "visits" {
			v.visits = append(v.visits, &v.Events[i])
		}
	}
	slices.SortFunc(v.visits, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(a.Item.At, b.Item.At), cmp.Compare(a.ID, b.ID))
	})
}

// before returns the client's visits up to a time.
func (v *Verdict) before(at int64) []*Event {
	n := sort.Search(len(v.visits), func(i int) bool { return v.visits[i].Item.At > at })
	return v.visits[:n]
}
