package world

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The feeds below are written by hand, and so is what tables hold of them.

func when(text string) Cell {
	c := Cell{Kind: Time, Num: instant(text)}
	if c.Num%1000 != 0 {
		c.Form = Millis
	}
	return c
}

func instant(text string) int64 {
	at, err := time.Parse("2006-01-02T15:04:05.000Z", text)
	if err != nil {
		panic(err)
	}
	return at.UnixMilli()
}

func item(typ, at string, fields ...Field) Item {
	head := []Field{{"type", textCell(typ)}, {timeKey(typ), when(at)}}
	return Item{Type: typ, At: instant(at), Fields: append(head, fields...)}
}

func tf(key, v string) Field            { return Field{key, textCell(v)} }
func mf(key string, cents int64) Field  { return Field{key, Cell{Kind: Money, Num: cents}} }
func uf(key, at string) Field           { return Field{key, when(at)} }
func nullf(key string, kind Kind) Field { return Field{key, Cell{Kind: kind, Form: Null}} }

// judged lists events as table, ordinal, id and rejects as ordinal, field, reason.
func judged(f *Feed) (events, rejects []string) {
	v := f.Judge()
	for _, e := range v.Events {
		events = append(events, fmt.Sprint(e.Table, " ", e.Ordinal, " ", e.ID))
	}
	for _, r := range v.Rejects {
		rejects = append(rejects, strings.TrimSpace(fmt.Sprint(r.Ordinal, " ", r.Field, " ", r.Reason)))
	}
	return events, rejects
}

func check(t *testing.T, f *Feed, wantEvents, wantRejects []string) {
	t.Helper()
	events, rejects := judged(f)
	if d := cmp.Diff(wantEvents, events); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if d := cmp.Diff(wantRejects, rejects); d != "" {
		t.Errorf("rejects (-want +got):\n%s", d)
	}
}

func TestEventIDIsTheDesignsVector(t *testing.T) {
	f := &Feed{Client: 123, Items: []Item{item("visit", "2021-11-10T14:05:12.000Z", tf("visitId", "41028"))}}
	check(t, f, []string{"visits 0 b8daa24e634a8145c8279b91"}, nil)
}

// The ids, made with printf 'event\x1f123\x1f…' | sha256sum | head -c 24.
const (
	idAppearance0 = "2f309ab39bcbaa67e196793b"
	idAppearance1 = "e3c7d7f70e86a089e72c1fb1"
	idEvent0      = "0e672c97a59b27761d180289"
	idEvent1      = "bf2111dc186ecd2d20969e15"
	idStatus      = "598529443bec71914ed210d4"
	idCost        = "c16d30d2bd4f711311719a26"
	idPrice       = "e04e5148be8e0fc3617e7d50"
	idCall        = "9cf275c21d8a545eae610150"
	idQuiz        = "21146a6f06da8cfdb437a211"
)

func TestEqualKeysAreNumberedByCanonicalJSON(t *testing.T) {
	at := "2021-11-10T14:05:12.000Z"
	f := &Feed{Client: 123, Items: []Item{
		item("lead_hunter_appearance", at, tf("page", "b")),
		item("lead_hunter_appearance", at, tf("page", "a")),
		item("event", at, tf("metaId", "5")),
		item("event", at, tf("metaId", "5")),
	}}
	check(t, f, []string{
		"lead_hunter_appearances 0 " + idAppearance1, "lead_hunter_appearances 1 " + idAppearance0,
		"site_events 2 " + idEvent0, "site_events 3 " + idEvent1,
	}, nil)
}

func TestChangesAreKeyedByOrderAndValue(t *testing.T) {
	at := "2021-11-11T07:28:59.120Z"
	f := &Feed{Client: 123, Items: []Item{
		item("orderStatusChange", at, tf("order_id", "order_41028"), tf("status", "2")),
		item("orderCostChange", at, tf("order_id", "order_41028"), mf("cost", 100_000)),
		item("orderPriceChange", at, tf("order_id", "order_41028"), nullf("price", Money)),
		item("call", at),
		item("квиз", at),
	}}
	check(t, f, []string{
		"order_status_changes 0 " + idStatus, "order_cost_changes 1 " + idCost, "order_price_changes 2 " + idPrice,
		"calls 3 " + idCall, "other_events 4 " + idQuiz,
	}, nil)
}

func TestOfRepeatedOrdersTheLatestStays(t *testing.T) {
	at, early, late := "2021-11-10T14:28:59.000Z", "2021-11-11T00:00:00.000Z", "2021-11-12T00:00:00.000Z"
	for name, c := range map[string]struct {
		items []Item
		stays int
	}{
		"latest update":       {[]Item{item("order", at, tf("id", "7"), uf("updateDate", early)), item("order", at, tf("id", "7"), uf("updateDate", late)), item("order", at, tf("id", "7"), nullf("updateDate", Time))}, 1},
		"greatest JSON":       {[]Item{item("order", at, tf("id", "7"), tf("name", "b")), item("order", at, tf("id", "7"), tf("name", "c")), item("order", at, tf("id", "7"), tf("name", "a"))}, 1},
		"first of equal":      {[]Item{item("order", at, tf("id", "7")), item("order", at, tf("id", "7")), item("order", at, tf("id", "7"))}, 0},
		"unreadable is never": {[]Item{item("order", at, tf("id", "7"), Field{"updateDate", badCell(BadTime, `"x"`)}, tf("name", "z")), item("order", at, tf("id", "7"), uf("updateDate", early)), item("order", at, tf("id", "7"))}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			v := (&Feed{Client: 123, Items: c.items}).Judge()
			if len(v.Events) != 1 || v.Events[0].Ordinal != c.stays || len(v.Rejects) != 2 {
				t.Fatalf("%d events, the first %+v, %d rejects", len(v.Events), v.Events[0], len(v.Rejects))
			}
			for _, r := range v.Rejects {
				if r.Reason != Duplicate || r.Field != "" || r.Ordinal == c.stays {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func TestOneRejectAFieldAndNoneBesideAWholeItem(t *testing.T) {
	at := "2021-11-10T14:05:12.000Z"
	device := object(Field{"os", badCell(BadValue, `{}`)}, Field{"is_mobile", badCell(BadValue, `"maybe"`)})
	f := &Feed{Client: 123, Items: []Item{
		{Broken: NotObject, Raw: "17"},
		item("visit", at, tf("visitId", "1"), Field{"device", device}, Field{"sourceId", badCell(BadValue, `[1]`)}),
		{Type: "visit", Broken: NoID, Fields: []Field{{"device", device}}},
	}}
	_, rejects := judged(f)
	want := []string{"0  not_object", "1 device bad_value", "1 sourceId bad_value", "2  no_id"}
	if d := cmp.Diff(want, rejects); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
