package world

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written returns the rows that are made of a feed, as "table {…}".
func written(t *testing.T, f *Feed) []string {
	t.Helper()
	var rows []string
	w := &truth{project: "12345", fn: func(table string, row []byte) error {
		if !json.Valid(row) {
			t.Errorf("%s is no JSON", row)
		}
		rows = append(rows, table+" "+string(row))
		return nil
	}}
	w.feed(f)
	return rows
}

func TestTruthOfTheDocumentedFeed(t *testing.T) {
	mac := object(tf("os", "Mac 10.15 "), tf("os_icon", "mac.png"), tf("agent", "Chrome 90.0"), tf("agent_icon", "chrome.png"), Field{"is_mobile", Cell{Kind: Bool}})
	fields := object(tf("status_name", "old"), tf("Менеджер", "Jane Smith"), Field{"roistat", literal("41028")},
		Field{"none", Cell{Form: Null}}, Field{"Доставка", object(tf("тип", "a/b"), Field{"n", literal("1.50")})}, tf("status_name", "Pending payment"))
	f := &Feed{Client: 123, Items: []Item{
		item("order", "2021-11-10T14:28:59.000Z", tf("id", "order_41028"), tf("name", "order_41028"), tf("status", "0"), tf("statusType", "progress"),
			tf("statusTitle", "New"), mf("revenue", 1250), tf("formattedRevenue", "12,50 ₽"), mf("cost", 0), nullf("formattedCost", Text), Field{"fields", fields}, nullf("updateDate", Time)),
		item("visit", "2021-11-10T14:05:12.000Z", tf("visitId", "41028"), tf("sourceId", "instagram_stories"), Field{"device", mac}, tf("sourceTitle", "instagram → stories"), tf("sourceIcon", "i.png")),
		item("visit", "2021-11-10T14:28:59.000Z", tf("visitId", "41029"), Field{"device", Cell{Kind: Object, Form: Empty}}, tf("sourceId", "")),
		item("visit", "2021-11-10T14:28:59.001Z", tf("visitId", "41030"), Field{"device", badCell(BadValue, `"x"`)}),
		item("lead_hunter_caught", "2021-11-08T16:55:16.000Z", tf("page", "p"), tf("name", "Jane"), tf("field", "71234567890"), tf("status", "1")),
		item("lead_hunter_caught", "2021-11-08T16:55:17.000Z", tf("status", "2")),
		item("call", "2021-11-08T17:00:00.000Z", tf("callee", "1"), tf("caller", "2"), Field{"duration", Cell{Kind: Int, Num: 65, Form: Quoted}}, tf("status", "ANSWER")),
		item("квиз", "2021-11-08T17:00:00.000Z", tf("x", "y")),
	}}
	want := []string{
		`orders {"project":"12345","client_id":123,"event_id":"3b6ae2f3c1d1926467f5c793","occurred_at":"2021-11-10T14:28:59.000Z","order_id":"order_41028","name":"order_41028","status":"0","status_type":"progress","status_title":"New","revenue":"12.50","cost":"0.00","formatted_revenue":"12,50 ₽","formatted_cost":null,"updated_at":null,"fields":{"roistat":"41028","status_name":"Pending payment","Доставка":"{\"тип\":\"a/b\",\"n\":1.50}","Менеджер":"Jane Smith"},"visits_before":2,"first_visit_id":"41028","last_visit_id":"41029","first_visit_at":"2021-11-10T14:05:12.000Z","last_visit_at":"2021-11-10T14:28:59.000Z","first_source_id":"instagram_stories","first_source_title":"instagram → stories","last_source_id":"","last_source_title":null}`,
		`visits {"project":"12345","client_id":123,"event_id":"b8daa24e634a8145c8279b91","occurred_at":"2021-11-10T14:05:12.000Z","visit_id":"41028","source_id":"instagram_stories","source_title":"instagram → stories","source_icon":"i.png","device_os":"Mac 10.15 ","device_os_icon":"mac.png","device_agent":"Chrome 90.0","device_agent_icon":"chrome.png","is_mobile":false}`,
		`visits {"project":"12345","client_id":123,"event_id":"739ba826e90df0203144b459","occurred_at":"2021-11-10T14:28:59.000Z","visit_id":"41029","source_id":"","source_title":null,"source_icon":null,"device_os":null,"device_os_icon":null,"device_agent":null,"device_agent_icon":null,"is_mobile":null}`,
		`visits {"project":"12345","client_id":123,"event_id":"661d0056cdfd0e957ea4edcc","occurred_at":"2021-11-10T14:28:59.001Z","visit_id":"41030","source_id":null,"source_title":null,"source_icon":null,"device_os":null,"device_os_icon":null,"device_agent":null,"device_agent_icon":null,"is_mobile":null}`,
		`lead_hunter_leads {"project":"12345","client_id":123,"event_id":"dc86930b1582df039c393a89","occurred_at":"2021-11-08T16:55:16.000Z","page":"p","name":"Jane","phone":"71234567890","status":"1","is_sent":true}`,
		`lead_hunter_leads {"project":"12345","client_id":123,"event_id":"c14fb87507f027abc712b8da","occurred_at":"2021-11-08T16:55:17.000Z","page":null,"name":null,"phone":null,"status":"2","is_sent":null}`,
		`calls {"project":"12345","client_id":123,"event_id":"afa124b3ffe0ae168c3bed2f","occurred_at":"2021-11-08T17:00:00.000Z","callee":"1","caller":"2","duration_seconds":65,"status":"ANSWER","file_url":null}`,
		`other_events {"project":"12345","client_id":123,"event_id":"318438bd8242d346c0954a37","occurred_at":"2021-11-08T17:00:00.000Z","type":"квиз"}`,
		`rejects {"project":"12345","source":"feed","client_id":123,"ordinal":3,"type":"visit","field":"device","reason":"bad_value"}`,
	}
	if d := cmp.Diff(want, written(t, f)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAnOrderBeforeAnyVisit(t *testing.T) {
	f := &Feed{Client: 1, Items: []Item{
		item("order", "2021-11-10T14:00:00.000Z", tf("id", "1"), Field{"fields", badCell(BadValue, `"none"`)}),
		item("visit", "2021-11-10T14:00:00.001Z", tf("visitId", "2")),
	}}
	want := `orders {"project":"12345","client_id":1,"event_id":"653b5f9e4268a89175d26a70","occurred_at":"2021-11-10T14:00:00.000Z","order_id":"1","name":null,"status":null,"status_type":null,"status_title":null,"revenue":null,"cost":null,"formatted_revenue":null,"formatted_cost":null,"updated_at":null,"fields":{},"visits_before":0,"first_visit_id":null,"last_visit_id":null,"first_visit_at":null,"last_visit_at":null,"first_source_id":null,"first_source_title":null,"last_source_id":null,"last_source_title":null}`
	if d := cmp.Diff(want, written(t, f)[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTruthOfAClientRow(t *testing.T) {
	row := &Row{ID: 7, Fields: []Field{
		{"id", Cell{Kind: Int, Num: 7, Form: DotZero}}, tf("external_id", "105"), tf("name", "Client Name"), nullf("phone", Text), tf("email", ""),
		{"birth_date", Cell{Kind: Time, Num: instant("1980-01-02T00:00:00.000Z"), Form: DateOnly}}, {"first_visit_date", Cell{Kind: Time, Form: ZeroDate}},
		uf("last_order_date", "2021-11-10T14:05:12.000Z"), {"order_count", badCell(BadValue, `"many"`)}, {"revenue", Cell{Kind: Money, Num: 30, Form: NoiseUp}},
		{"profit", Cell{Kind: Money, Form: Empty}}, tf("unknown", "x"),
	}}
	var got []string
	w := &truth{project: "5", fn: func(table string, row []byte) error { got = append(got, table+" "+string(row)); return nil }}
	w.client(row, 4)
	want := []string{
		`clients {"project":"5","client_id":7,"external_id":"105","name":"Client Name","phone":null,"email":"","company":null,"birth_date":"1980-01-02","comment":null,"client_url":null,"first_visit_date":null,"first_order_date":null,"last_order_date":"2021-11-10T14:05:12.000Z","order_count":null,"revenue":"0.30","profit":null,"first_visit_marker":null,"first_visit_marker_alias":null,"first_visit_marker_icon":null,"first_visit_marker_alias_level_1":null}`,
		`rejects {"project":"5","source":"clients","client_id":7,"ordinal":4,"type":null,"field":"order_count","reason":"bad_value"}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTruthNamesEveryTableOnlyFromItsList(t *testing.T) {
	known := map[string]int{}
	for _, n := range TableNames() {
		known[n] = 0
	}
	s := newWorld(t, 300, nil).State()
	if err := s.Truth(func(table string, _ []byte) error { known[table]++; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(known) != 13 {
		t.Errorf("%d tables: %v", len(known), known)
	}
	for table, rows := range known {
		if rows == 0 {
			t.Errorf("%s is empty", table)
		}
	}
	if known["clients"] != s.Total() {
		t.Errorf("%d clients of %d", known["clients"], s.Total())
	}
}

func TestTruthStopsAtTheFirstError(t *testing.T) {
	boom, calls := errors.New("disk full"), 0
	err := newWorld(t, 20, nil).State().Truth(func(string, []byte) error { calls++; return boom })
	if !errors.Is(err, boom) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
