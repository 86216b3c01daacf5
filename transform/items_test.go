package transform_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

const at = `"date":"2021-11-10T14:05:12Z"`

// rejectsOf lists the rejects as ordinal:type:field:reason.
func rejectsOf(ts tables) string {
	var list []string
	for _, r := range ts[schemas.Rejects] {
		list = append(list, fmt.Sprintf("%s:%s:%s:%s", r["ordinal"], r["type"], r["field"], r["reason"]))
	}
	return strings.Join(list, " ")
}

func deep(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

func TestUnusableItems(t *testing.T) {
	for _, c := range []struct{ name, item, want string }{
		{"null", `null`, "0:∅:∅:not_object"},
		{"text", `"visit"`, "0:∅:∅:not_object"},
		{"number", `5`, "0:∅:∅:not_object"},
		{"list", `[]`, "0:∅:∅:not_object"},
		{"list of an item", `[{"type":"call",` + at + `}]`, "0:∅:∅:not_object"},
		{"empty object", `{}`, "0:∅:∅:no_type"},
		{"type null", `{"type":null,` + at + `}`, "0:∅:∅:no_type"},
		{"type empty", `{"type":"",` + at + `}`, "0:∅:∅:no_type"},
		{"type object", `{"type":{},` + at + `}`, "0:∅:∅:no_type"},
		{"type list", `{"type":["visit"],` + at + `}`, "0:∅:∅:no_type"},
		{"type half a pair", `{"type":"\ud800",` + at + `}`, "0:∅:∅:no_type"},
		{"the last type counts", `{"type":"call","type":null,` + at + `}`, "0:∅:∅:no_type"},
		{"visit without id", `{"type":"visit",` + at + `}`, "0:visit:∅:no_id"},
		{"visit with another's id", `{"type":"visit","id":"1",` + at + `}`, "0:visit:∅:no_id"},
		{"visit id null", `{"type":"visit","visitId":null,` + at + `}`, "0:visit:∅:no_id"},
		{"visit id empty", `{"type":"visit","visitId":"",` + at + `}`, "0:visit:∅:no_id"},
		{"visit id object", `{"type":"visit","visitId":{"a":1},` + at + `}`, "0:visit:∅:no_id"},
		{"order id list", `{"type":"order","id":[],` + at + `}`, "0:order:∅:no_id"},
		{"order id half a pair", `{"type":"order","id":"\udc00",` + at + `}`, "0:order:∅:no_id"},
		{"no id goes before no time", `{"type":"order"}`, "0:order:∅:no_id"},
		{"no time", `{"type":"call"}`, "0:call:∅:no_time"},
		{"times empty", `{"type":"call","date":"","creationDate":""}`, "0:call:∅:no_time"},
		{"times null", `{"type":"call","date":null,"creationDate":null}`, "0:call:∅:no_time"},
		{"time a number", `{"type":"call","date":1636553112}`, "0:call:∅:bad_time"},
		{"time an object", `{"type":"call","date":{}}`, "0:call:∅:bad_time"},
		{"time true", `{"type":"call","date":true}`, "0:call:∅:bad_time"},
		{"time unreadable", `{"type":"call","date":"yesterday"}`, "0:call:∅:bad_time"},
		{"time half a pair", `{"type":"call","date":"2021-11-10T14:05:12Z\ud800"}`, "0:call:∅:bad_time"},
		{"no such day", `{"type":"call","date":"2021-02-30"}`, "0:call:∅:bad_time"},
		{"never", `{"type":"call","date":"0000-00-00 00:00:00"}`, "0:call:∅:bad_time"},
		{"before Christ", `{"type":"call","date":"-0001-11-30T00:00:00+00:00"}`, "0:call:∅:bad_time"},
		{"too early", `{"type":"call","date":"1969-12-31T23:59:59Z"}`, "0:call:∅:bad_time"},
		{"too early by its offset", `{"type":"call","date":"1970-01-01T00:00:00+0300"}`, "0:call:∅:bad_time"},
		{"too late", `{"type":"call","date":"9999-12-31T00:00:00Z"}`, "0:call:∅:bad_time"},
		{"an unreadable creationDate goes before a good date", `{"type":"call","creationDate":"x",` + at + `}`, "0:call:∅:bad_time"},
		{"unknown type without time", `{"type":"survey"}`, "0:survey:∅:no_time"},
		{"unknown type with a bad time", `{"type":"\u0441urvey","date":"x"}`, "0:сurvey:∅:bad_time"},
		{"not UTF-8", "{\"type\":\"call\"," + at + ",\"callee\":\"\xff\"}", "0:call:∅:bad_json"},
		{"not UTF-8 in the key", "{\"type\":\"call\"," + at + ",\"\xc3\":1}", "0:call:∅:bad_json"},
		{"a surrogate in UTF-8", "{\"type\":\"call\"," + at + ",\"x\":\"\xed\xa0\x80\"}", "0:call:∅:bad_json"},
		{"not UTF-8 in the type", "{\"type\":\"\xff\"," + at + "}", "0:∅:∅:bad_json"},
		{"text that is not UTF-8", "\"\xff\"", "0:∅:∅:bad_json"},
		{"too deep", `{"type":"call",` + at + `,"x":` + deep(512) + `}`, "0:call:∅:bad_json"},
		{"far too deep", `{"x":` + deep(100000) + `,"type":"call",` + at + `}`, "0:call:∅:bad_json"},
		{"a list too deep", deep(513), "0:∅:∅:bad_json"},
		{"a list deep", deep(512), "0:∅:∅:not_object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			neighbour := `{"type":"call",` + at + `,"callee":"1"}`
			ts := feedOf(t, "["+c.item+"]")
			if got := rejectsOf(ts); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if raw := ts[schemas.Rejects][0]["raw"]; utf8.ValidString(c.item) && len(c.item) <= schemas.MaxRaw && raw != c.item {
				t.Errorf("raw is %s", raw)
			}
			both := feedOf(t, "["+neighbour+","+c.item+","+neighbour+"]")
			if len(both[schemas.Calls]) != 2 || len(both[schemas.Rejects]) != 1 || both[schemas.Rejects][0]["ordinal"] != "1" {
				t.Errorf("with neighbours: %s", both)
			}
		})
	}
}

func TestDeepestItem(t *testing.T) {
	ts := feedOf(t, `[{"type":"call",`+at+`,"x":`+deep(511)+`}]`)
	if got := ts[schemas.Calls][0]["extra"]; got != `{"x":`+deep(511)+`}` {
		t.Errorf("extra is %.50s", got)
	}
}

func TestRawOfRejects(t *testing.T) {
	t.Run("broken bytes", func(t *testing.T) {
		ts := feedOf(t, "[{\"type\":\"call\",\"x\":\"a\xffb\"}]")
		if got := ts[schemas.Rejects][0]["raw"]; got != "{\"type\":\"call\",\"x\":\"a\uFFFDb\"}" {
			t.Errorf("raw is %s", got)
		}
	})
	for _, letters := range []string{"a", "я", "€", "😀", "aя"} {
		t.Run("cut at a letter "+letters, func(t *testing.T) {
			item := `{"x":"` + strings.Repeat(letters, schemas.MaxRaw) + `"}`
			raw := feedOf(t, "["+item+"]")[schemas.Rejects][0]["raw"]
			if !strings.HasPrefix(item, raw) || !utf8.ValidString(raw) || len(raw) > schemas.MaxRaw || len(raw) < schemas.MaxRaw-3 {
				t.Errorf("%d bytes", len(raw))
			}
		})
	}
	t.Run("as received", func(t *testing.T) {
		item := "{ \"type\" : \"call\",\n \"x\":\"\\u0444\" }"
		if got := feedOf(t, "[ "+item+" ]")[schemas.Rejects][0]["raw"]; got != item {
			t.Errorf("raw is %s", got)
		}
	})
}

func TestTypes(t *testing.T) {
	for typ, want := range map[string]schemas.ID{
		`"visit"`: schemas.Visits, `"order"`: schemas.Orders, `"event"`: schemas.SiteEvents,
		`"lead_hunter_appearance"`: schemas.LeadHunterAppearances, `"lead_hunter_caught"`: schemas.LeadHunterLeads,
		`"orderStatusChange"`: schemas.OrderStatusChanges, `"orderCostChange"`: schemas.OrderCostChanges,
		`"orderPriceChange"`: schemas.OrderPriceChanges, `"call"`: schemas.Calls, `"vis\u0069t"`: schemas.Visits,
		`"Visit"`: schemas.OtherEvents, `"visit "`: schemas.OtherEvents, `"survey"`: schemas.OtherEvents, `5`: schemas.OtherEvents, `true`: schemas.OtherEvents,
	} {
		for _, item := range []string{
			`{"type":` + typ + `,"visitId":1,"id":2,` + at + `}`,
			`{"visitId":1,"id":2,` + at + `,"type":` + typ + `}`,
			`{"type":"call","visitId":1,"id":2,` + at + `,"type":` + typ + `}`,
		} {
			if ts := feedOf(t, "["+item+"]"); len(ts[want]) != 1 {
				t.Errorf("%s: %s", item, ts)
			}
		}
	}
}

func TestRejectsKeepTheirTypes(t *testing.T) {
	ts := feedOf(t, `[{"type":"\u0061"},{"type":"\u0062"},{"type":"c"},{"type":"call",`+at+`,"caller":"\u0064"}]`)
	if got := rejectsOf(ts); got != "0:a:∅:no_time 1:b:∅:no_time 2:c:∅:no_time" {
		t.Errorf("got %s", got)
	}
}

func TestOtherEvents(t *testing.T) {
	item := "{ \"date\":\"2021-11-10 14:05:12\", \"type\":\"\\u043eпрос\",\n\"creationDate\":\"\", \"x\":\"\\ud800\" }"
	got := feedOf(t, "["+item+"]")[schemas.OtherEvents][0]
	if got["type"] != "опрос" || got["raw"] != item || got["occurred_at"] != "2021-11-10T14:05:12.000Z" {
		t.Errorf("got %v", got)
	}
	if got := feedOf(t, `[{"type":1.50,`+at+`}]`)[schemas.OtherEvents][0]; got["type"] != "1.50" {
		t.Errorf("got %v", got)
	}
}

func TestBrokenFeeds(t *testing.T) {
	good := `{"type":"call",` + at + `}`
	for _, feed := range []string{
		``, ` `, `{}`, `null`, `"feed"`, `[`, `[` + good, `[` + good + `,`, `[` + good + `,]`, `[` + good + `] x`, `[` + good + `][]`,
		`[` + good + ` ` + good + `]`, `[` + good + `,{"type":"call"]`, `[` + good + `,{"type":}]`, `[` + good + `,{"a":"` + "\n" + `"}]`,
		`[{"a":1` + strings.Repeat(`,"a":[`, 3), `[nul]`, `[01]`,
	} {
		p := newProjector(t, transform.Options{})
		block := []schemas.Client{{ID: 1, Feed: []byte("[" + good + "]")}, {ID: 777, Feed: []byte(feed)}}
		b, err := p.Clients(block)
		if err == nil || !strings.Contains(err.Error(), "client 777") || b != nil {
			t.Errorf("%q: %v", feed, err)
		}
		b, err = p.Clients(block[:1]) // what came before the break is forgotten
		if ts, counts := projected(t, b, err); len(ts[schemas.Calls]) != 1 || counts.Items != 1 {
			t.Errorf("after %q: %d items, %s", feed, counts.Items, ts)
		}
	}
}

func TestEmptyFeeds(t *testing.T) {
	for _, feed := range []string{`[]`, " [ \n] "} {
		if ts, counts := projectFeed(t, transform.Options{}, feed); counts.Items != 0 || ts.String() != "" {
			t.Errorf("%q: %s", feed, ts)
		}
	}
}
