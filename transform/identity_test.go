package transform_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"roistat-etl/schemas"
)

// idOf is the event_id by the book.
func idOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x1f")))
	return hex.EncodeToString(sum[:])[:24]
}

func TestEventIDOfTheContract(t *testing.T) {
	ts := feedOf(t, `[{"type":"visit","visitId":41028,"creationDate":"2021-11-10T14:05:12+0000"}]`)
	if got := ts[schemas.Visits][0]["event_id"]; got != "b8daa24e634a8145c8279b91" {
		t.Errorf("got %s", got)
	}
}

func TestEventIDs(t *testing.T) {
	const written, utc = `"date":"2021-11-10T17:05:12.0009+0300"`, "2021-11-10T14:05:12.000Z"
	for _, c := range []struct {
		item  string
		table schemas.ID
		parts []string
	}{
		{`{"type":"visit","visitId":"41028"`, schemas.Visits, []string{"visit", "123", "41028", "0"}},
		{`{"type":"visit","visitId":41028.0`, schemas.Visits, []string{"visit", "123", "41028.0", "0"}},
		{`{"type":"order","id":"\u0437-1"`, schemas.Orders, []string{"order", "123", "з-1", "0"}},
		{`{"type":"event","metaId":5`, schemas.SiteEvents, []string{"event", "123", utc, "5", "0"}},
		{`{"type":"event","metaId":null`, schemas.SiteEvents, []string{"event", "123", utc, "", "0"}},
		{`{"type":"event","metaId":{"a":1}`, schemas.SiteEvents, []string{"event", "123", utc, "", "0"}},
		{`{"type":"event","name":"x"`, schemas.SiteEvents, []string{"event", "123", utc, "", "0"}},
		{`{"type":"lead_hunter_appearance","page":"p"`, schemas.LeadHunterAppearances, []string{"lead_hunter_appearance", "123", utc, "0"}},
		{`{"type":"lead_hunter_caught","name":"n"`, schemas.LeadHunterLeads, []string{"lead_hunter_caught", "123", utc, "0"}},
		{`{"type":"orderStatusChange","order_id":7,"status":true`, schemas.OrderStatusChanges, []string{"orderStatusChange", "123", utc, "7", "true", "0"}},
		{`{"type":"orderStatusChange","status":""`, schemas.OrderStatusChanges, []string{"orderStatusChange", "123", utc, "", "", "0"}},
		{`{"type":"orderCostChange","order_id":"a","cost":"1e3"`, schemas.OrderCostChanges, []string{"orderCostChange", "123", utc, "a", "1000.00", "0"}},
		{`{"type":"orderCostChange","order_id":"a","cost":-0.30000000000000004`, schemas.OrderCostChanges, []string{"orderCostChange", "123", utc, "a", "-0.30", "0"}},
		{`{"type":"orderCostChange","order_id":"a","cost":""`, schemas.OrderCostChanges, []string{"orderCostChange", "123", utc, "a", "", "0"}},
		{`{"type":"orderPriceChange","order_id":"a","price":0`, schemas.OrderPriceChanges, []string{"orderPriceChange", "123", utc, "a", "0.00", "0"}},
		{`{"type":"orderPriceChange","price":"x","cost":1`, schemas.OrderPriceChanges, []string{"orderPriceChange", "123", utc, "", "", "0"}},
		{`{"type":"call","caller":"1"`, schemas.Calls, []string{"call", "123", utc, "0"}},
		{`{"type":"опрос","id":"1"`, schemas.OtherEvents, []string{"опрос", "123", utc, "0"}},
		{`{"type":5`, schemas.OtherEvents, []string{"5", "123", utc, "0"}},
	} {
		ts := feedOf(t, "["+c.item+","+written+"}]")
		if len(ts[c.table]) != 1 {
			t.Errorf("%s: %s", c.item, ts)
			continue
		}
		if got := ts[c.table][0]["event_id"]; got != idOf(c.parts...) {
			t.Errorf("%s: got %s, want that of %q", c.item, got, c.parts)
		}
	}
}

func TestEqualKeysAreNumberedByForm(t *testing.T) {
	items := []string{ // caller comes first in their forms, and of the first two the comma before x before the bracket
		`{"type":"call",` + at + `,"caller":"1"}`,
		`{"type":"call", "caller":"\u0031", ` + at + `,"x":1}`,
		`{"caller":"2","type":"call",` + at + `}`,
	}
	want := map[string]string{}
	for n, caller := range []string{"1 x", "1 null", "2"} {
		want[idOf("call", "123", "2021-11-10T14:05:12.000Z", strconv.Itoa(n))] = caller
	}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		ts := feedOf(t, fmt.Sprintf("[%s,%s,%s]", items[order[0]], items[order[1]], items[order[2]]))
		for _, r := range ts[schemas.Calls] {
			got := r["caller"]
			if got == "1" {
				got += map[string]string{null: " null", `{"x":1}`: " x"}[r["extra"]]
			}
			if want[r["event_id"]] != got {
				t.Errorf("order %v: %s is %s, want %s", order, r["event_id"], got, want[r["event_id"]])
			}
		}
	}
}

func TestEqualItemsAreAllRows(t *testing.T) {
	item := `{"type":"orderStatusChange",` + at + `,"order_id":"1","status":"2"}`
	ts := feedOf(t, "["+item+","+item+","+item+"]")
	ids := map[string]bool{}
	for _, r := range ts[schemas.OrderStatusChanges] {
		ids[r["event_id"]] = true
	}
	if len(ids) != 3 || len(ts[schemas.Rejects]) != 0 {
		t.Errorf("%d ids: %s", len(ids), ts)
	}
}

func TestKeysThatOnlyLookEqual(t *testing.T) { // the separator inside a text
	ts := feedOf(t, `[{"type":"orderStatusChange",`+at+`,"order_id":"a\u001fb","status":"c"},{"type":"orderStatusChange",`+at+`,"order_id":"a","status":"b\u001fc"}]`)
	rows := ts[schemas.OrderStatusChanges]
	if len(rows) != 2 || rows[0]["event_id"] == rows[1]["event_id"] {
		t.Errorf("ids are not unique: %s", ts)
	}
}

func TestItemsOfOneFormAreToldApartByTheirBytes(t *testing.T) {
	for _, c := range []struct {
		table      schemas.ID
		a, b, show string
	}{
		{schemas.OtherEvents, `{"type":"survey",` + at + `,"x":"\u0061"}`, `{"type":"survey",` + at + `,"x":"a"}`, "raw"},
		{schemas.Orders, `{"type":"order","id":1,` + at + `,"fields":{"f":{"a":1,"b":2}}}`, `{"type":"order","id":1,` + at + `,"fields":{"f":{"b":2,"a":1}}}`, "fields"},
	} {
		one, other := feedOf(t, "["+c.a+","+c.b+"]"), feedOf(t, "["+c.b+","+c.a+"]")
		for i := range one[c.table] {
			if x, y := one[c.table][i], other[c.table][i]; x["event_id"] != y["event_id"] || x[c.show] != y[c.show] {
				t.Errorf("%s or %s, by the order of the feed", x[c.show], y[c.show])
			}
		}
	}
}

func TestTypesOfOtherEventsCountApart(t *testing.T) {
	ts := feedOf(t, `[{"type":"b",`+at+`},{"type":"a",`+at+`},{"type":"b",`+at+`,"x":1}]`)
	var got []string
	for _, r := range ts[schemas.OtherEvents] {
		got = append(got, r["event_id"])
	}
	want := []string{
		idOf("a", "123", "2021-11-10T14:05:12.000Z", "0"), idOf("b", "123", "2021-11-10T14:05:12.000Z", "0"), idOf("b", "123", "2021-11-10T14:05:12.000Z", "1"),
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRowsAreSorted(t *testing.T) {
	var items []string
	for i := range 50 {
		items = append(items, fmt.Sprintf(`{"type":"call","date":"2021-11-%02dT00:00:00Z","caller":"%d"}`, 1+i*7%5, i))
	}
	rows := feedOf(t, "["+strings.Join(items, ",")+"]")[schemas.Calls]
	if !slices.IsSortedFunc(rows, func(a, b row) int {
		return strings.Compare(a["occurred_at"]+a["event_id"], b["occurred_at"]+b["event_id"])
	}) || len(rows) != 50 {
		t.Errorf("not sorted: %v", rows)
	}
}

func TestRepeatedIDs(t *testing.T) {
	visit := func(id, rest string) string { return `{"type":"visit","visitId":` + id + `,` + at + rest + `}` }
	for _, c := range []struct {
		name  string
		items []string
		stays int
	}{
		{"equal but for spelling", []string{visit(`"1"`, ``), visit(`1`, ``)}, 1}, // the digit is greater than the quote
		{"latest update", []string{visit(`1`, `,"updateDate":"2022-01-01","a":1`), visit(`1`, `,"updateDate":"2023-01-01"`), visit(`1`, `,"updateDate":"2022-06-01","z":1`)}, 1},
		{"no update is earliest", []string{visit(`1`, `,"z":1`), visit(`1`, `,"updateDate":"1970-01-01"`)}, 1},
		{"unreadable update is earliest", []string{visit(`1`, `,"updateDate":"soon"`), visit(`1`, `,"updateDate":"1970-01-01","a":1`), visit(`1`, `,"updateDate":5`)}, 1},
		{"never is earliest", []string{visit(`1`, `,"updateDate":"0000-00-00"`), visit(`1`, `,"updateDate":"1970-01-02"`)}, 1},
		{"updates by offset", []string{visit(`1`, `,"updateDate":"2022-01-01T10:00:00+0300"`), visit(`1`, `,"updateDate":"2022-01-01T08:00:00Z"`)}, 1},
		{"greatest form", []string{visit(`1`, `,"sourceId":"a"`), visit(`1`, `,"sourceId":"c"`), visit(`1`, `,"sourceId":"b"`)}, 1},
		{"equal items", []string{visit(`1`, ``), visit(`1`, ``), visit(`1`, ``)}, 0},
		{"unusable ones are not compared", []string{visit(`1`, ``), `{"type":"visit","visitId":1,"date":"x","updateDate":"2030-01-01"}`}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := feedOf(t, "["+strings.Join(c.items, ",")+"]")
			if len(ts[schemas.Visits]) != 1 || len(ts[schemas.Rejects]) != len(c.items)-1 {
				t.Fatalf("%s", ts)
			}
			for _, r := range ts[schemas.Rejects] {
				if r["ordinal"] == strconv.Itoa(c.stays) || r["type"] != "visit" {
					t.Errorf("rejected %v", r)
				}
			}
		})
	}
}

func TestRepeatedOrders(t *testing.T) {
	ts := feedOf(t, `[
		{"type":"order","id":"7",`+at+`,"status":"old","updateDate":"2022-01-01"},
		{"type":"visit","visitId":"7",`+at+`},
		{"type":"order","id":7,"creationDate":"2021-12-01","status":"new","updateDate":"2022-01-02"},
		{"type":"order","id":"8",`+at+`}]`)
	if got := rejectsOf(ts); got != "0:order:∅:duplicate" || len(ts[schemas.Orders]) != 2 || len(ts[schemas.Visits]) != 1 {
		t.Fatalf("%s: %s", got, ts)
	}
	if got := ts[schemas.Orders][1]; got["status"] != "new" || got["event_id"] != idOf("order", "123", "7", "0") {
		t.Errorf("%v", got)
	}
}

func TestAttribution(t *testing.T) {
	visit := func(id, at, source string) string {
		return fmt.Sprintf(`{"type":"visit","visitId":"%s","creationDate":"2021-11-%sZ","sourceId":%s,"sourceTitle":"t%s"}`, id, at, source, id)
	}
	order := `{"type":"order","id":"1","creationDate":"2021-11-10T12:00:00Z"}`
	none := row{"visits_before": "0", "first_visit_id": null, "last_visit_at": null, "first_source_id": null, "last_source_title": null}
	for _, c := range []struct {
		name  string
		items []string
		want  row
	}{
		{"no visits", nil, none},
		{"only later visits", []string{visit("9", "10T12:00:01", `"s"`)}, none},
		{"one", []string{visit("9", "09T00:00:00", `"s"`)}, row{
			"visits_before": "1", "first_visit_id": "9", "last_visit_id": "9", "first_visit_at": "2021-11-09T00:00:00.000Z", "last_visit_at": "2021-11-09T00:00:00.000Z",
			"first_source_id": "s", "last_source_id": "s", "first_source_title": "t9", "last_source_title": "t9"}},
		{"a visit of the same instant counts", []string{visit("9", "10T12:00:00", `"s"`)}, row{"visits_before": "1", "last_visit_id": "9"}},
		{"several", []string{visit("3", "10T11:00:00", `null`), visit("1", "01T00:00:00", `""`), visit("4", "11T00:00:00", `"d"`), visit("2", "05T00:00:00", `"b"`)}, row{
			"visits_before": "3", "first_visit_id": "1", "last_visit_id": "3", "first_source_id": "", "last_source_id": null, "last_source_title": "t3"}},
		{"rejected visits don't count", []string{visit("1", "01T00:00:00", `"a"`), visit("1", "02T00:00:00", `"a"`), visit("", "01T00:00:00", `"a"`), visit("5", "31T00:00:00", `"a"`)},
			row{"visits_before": "1", "first_visit_id": "1", "last_visit_at": "2021-11-02T00:00:00.000Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := feedOf(t, "["+strings.Join(append([]string{order}, c.items...), ",")+"]")
			for name, want := range c.want {
				if got := ts[schemas.Orders][0][name]; got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
		})
	}
}

func TestVisitsOfOneInstantAreOrderedByID(t *testing.T) {
	ids := []string{"1", "2", "3", "4"}
	slices.SortFunc(ids, func(a, b string) int {
		return strings.Compare(idOf("visit", "123", a, "0"), idOf("visit", "123", b, "0"))
	})
	ts := feedOf(t, `[{"type":"order","id":"o",`+at+`},{"type":"visit","visitId":1,`+at+`},{"type":"visit","visitId":2,`+at+`},{"type":"visit","visitId":3,`+at+`},{"type":"visit","visitId":4,`+at+`}]`)
	if got := ts[schemas.Orders][0]; got["first_visit_id"] != ids[0] || got["last_visit_id"] != ids[3] {
		t.Errorf("%s to %s, want %v", got["first_visit_id"], got["last_visit_id"], ids)
	}
}
