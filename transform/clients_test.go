package transform_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// clientOf projects one row of the client list.
func clientOf(t *testing.T, json string) tables {
	t.Helper()
	b, err := newProjector(t, transform.Options{}).Clients([]schemas.Client{{ID: 7, Row: []byte(json), Ordinal: 3, FirstSeenAt: time.Unix(1700000000, 0)}})
	ts, counts := projected(t, b, err)
	if counts.LiveClients != 1 || counts.Items != 0 {
		t.Errorf("counted %d clients, %d items", counts.LiveClients, counts.Items)
	}
	return ts
}

func TestClientRows(t *testing.T) {
	for _, c := range []struct {
		name, json string
		want       row
		rejects    string
	}{
		{"nothing but an id", `{"id":7}`, row{"client_id": "7", "name": null, "revenue": null, "extra": null, "first_seen_at": "2023-11-14T22:13:20.000Z", "gone_at": null, "feed_fetched_at": null}, ""},
		{"texts", `{"id":"7","name":"","phone":79880002233,"email":null,"external_id":105,"first_visit_marker_alias":""}`,
			row{"name": "", "phone": "79880002233", "email": null, "external_id": "105", "first_visit_marker_alias": ""}, ""},
		{"amounts", `{"id":7,"revenue":"1500.50","profit":-3,"order_count":"2.0"}`, row{"revenue": "1500.50", "profit": "-3.00", "order_count": "2"}, ""},
		{"dates", `{"id":7,"birth_date":"1980-01-31T00:00:00+0300","first_visit_date":"2021-11-10T14:05:12+0300","first_order_date":"","last_order_date":"0000-00-00 00:00:00"}`,
			row{"birth_date": "1980-01-31", "first_visit_date": "2021-11-10T11:05:12.000Z", "first_order_date": null, "last_order_date": null}, ""},
		{"birthdays before 1970", `{"id":7,"birth_date":"1900-01-01"}`, row{"birth_date": "1900-01-01"}, ""},
		{"no birthday", `{"id":7,"birth_date":"0000-00-00"}`, row{"birth_date": null, "extra": null}, ""},
		{"unknown keys", `{"z":[1, 2],"id":7,"a":null}`, row{"extra": `{"a":null,"z":[1,2]}`}, ""},
		{"unusable fields", `{"id":7,"birth_date":"1980-01-31T21:00:00+0300","revenue":"1 000","order_count":1.5,"name":{"first":"x"},"last_order_date":"soon"}`,
			row{"birth_date": null, "revenue": null, "order_count": null, "name": null,
				"extra": `{"birth_date":"1980-01-31T21:00:00+0300","last_order_date":"soon","name":{"first":"x"},"order_count":1.5,"revenue":"1 000"}`},
			"3:∅:birth_date:bad_time 3:∅:last_order_date:bad_time 3:∅:name:bad_value 3:∅:order_count:bad_value 3:∅:revenue:bad_money"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := clientOf(t, c.json)
			expect(t, ts, schemas.Clients, c.want, c.rejects)
			for _, r := range ts[schemas.Rejects] {
				if r["source"] != "clients" || r["client_id"] != "7" || r["raw"] != c.json {
					t.Errorf("reject is %v", r)
				}
			}
		})
	}
}

func TestUnreadableClientRows(t *testing.T) {
	for text, want := range map[string]string{
		`{"id":7`: "bad_json", `{"id":7}}`: "bad_json", `{"id":7,"name":"` + "\xff" + `"}`: "bad_json", `{"id":7,"x":` + deep(512) + `}`: "bad_json",
		`[7]`: "not_object", `null`: "not_object",
	} {
		ts := clientOf(t, text)
		if got := rejectsOf(ts); got != "3:∅:∅:"+want || len(ts[schemas.Clients]) != 0 {
			t.Errorf("%.30q: %s", text, got)
		}
	}
}

func TestGoneClients(t *testing.T) {
	gone := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	feed := []byte(`[{"type":"call",` + at + `},5]`)
	block := []schemas.Client{
		{ID: 1, Row: []byte(`{"id":1}`), FirstSeenAt: gone, Feed: feed},
		{ID: 2, Row: []byte(`{"id":2}`), FirstSeenAt: gone, Feed: feed, GoneAt: gone, FeedAt: gone},
		{ID: 3, Feed: feed},
		{ID: 4, Row: []byte(`{"id":4}`), FirstSeenAt: gone},
	}
	for keep, want := range map[bool]string{false: "3 clients, 2 live, 4 items, calls of 1 3, rejects of 1 3", true: "3 clients, 2 live, 6 items, calls of 1 2 3, rejects of 1 2 3"} {
		b, err := newProjector(t, transform.Options{KeepGone: keep}).Clients(block)
		ts, counts := projected(t, b, err)
		of := func(id schemas.ID) string {
			var ids []string
			for _, r := range ts[id] {
				ids = append(ids, r["client_id"])
			}
			return strings.Join(ids, " ")
		}
		got := fmt.Sprintf("%d clients, %d live, %d items, calls of %s, rejects of %s", len(ts[schemas.Clients]), counts.LiveClients, counts.Items, of(schemas.Calls), of(schemas.Rejects))
		if got != want {
			t.Errorf("keep %t: %s, want %s", keep, got, want)
		}
		if ts[schemas.Clients][1]["gone_at"] != "2026-01-02T03:04:05.000Z" || ts[schemas.Clients][1]["feed_fetched_at"] != "2026-01-02T03:04:05.000Z" {
			t.Errorf("%v", ts[schemas.Clients][1])
		}
	}
}

func TestOrderOfRejects(t *testing.T) {
	b, err := newProjector(t, transform.Options{}).Clients([]schemas.Client{
		{ID: 1, Ordinal: 9, Row: []byte(`{"id":1,"revenue":"x","name":[]}`), Feed: []byte(`[{"type":"order","id":1,` + at + `,"cost":"x","updateDate":"2022-01-01"},1,{"type":"call",` + at + `,"duration":"x","caller":{}},{"type":"order","id":1,` + at + `}]`)},
		{ID: 2, Row: []byte(`5`), Feed: []byte(`[{}]`)},
	})
	ts, _ := projected(t, b, err)
	var got []string
	for _, r := range ts[schemas.Rejects] {
		got = append(got, r["client_id"]+" "+r["source"]+" "+r["ordinal"]+" "+r["field"]+" "+r["reason"])
	}
	want := `1 clients 9 name bad_value
1 clients 9 revenue bad_money
1 feed 0 cost bad_money
1 feed 1 ∅ not_object
1 feed 2 caller bad_value
1 feed 2 duration bad_value
1 feed 3 ∅ duplicate
2 clients 0 ∅ not_object
2 feed 0 ∅ no_type`
	if joined := strings.Join(got, "\n"); joined != want {
		t.Errorf("got\n%s\nwant\n%s", joined, want)
	}
}

func TestUnlisted(t *testing.T) {
	list := []schemas.Unlisted{
		{Ordinal: 5, Raw: []byte(`{"id":{"a":1}}`)}, {Ordinal: 1, Raw: []byte(`null`)}, {Ordinal: 2, Raw: []byte(`{"name":"x"}`)},
		{Ordinal: 3, Raw: []byte(`{"id":null}`)}, {Ordinal: 4, Raw: []byte(`{"id":""}`)}, {Ordinal: 6, Raw: []byte(`{"id":"abc"}`)},
		{Ordinal: 7, Raw: []byte(`{"id":1.5}`)}, {Ordinal: 8, Raw: []byte(`{"id":`)}, {Ordinal: 9, Raw: []byte("{\"id\":null,\"x\":\"\xff\"}")}, {Ordinal: 2, Raw: []byte(`[]`)},
	}
	b, err := newProjector(t, transform.Options{}).Unlisted(list)
	ts, counts := projected(t, b, err)
	want := "1:∅:∅:not_object 2:∅:∅:no_id 2:∅:∅:not_object 3:∅:∅:no_id 4:∅:∅:no_id 5:∅:∅:bad_value 6:∅:∅:bad_value 7:∅:∅:bad_value 8:∅:∅:bad_json 9:∅:∅:bad_json"
	if got := rejectsOf(ts); got != want || counts.ItemRejects != 10 || counts.FeedRejects != 0 {
		t.Errorf("got %s", got)
	}
	for _, r := range ts[schemas.Rejects] {
		if r["source"] != "clients" || r["client_id"] != null {
			t.Errorf("reject is %v", r)
		}
	}
}

// contactsOf lists the rows of campaign_contacts as campaign:metric:contact=emails.
func contactsOf(ts tables) string {
	var list []string
	for _, r := range ts[schemas.CampaignContacts] {
		list = append(list, fmt.Sprintf("%s:%s:%s=%s", r["campaign_id"], r["metric"], r["contact"], r["emails"]))
	}
	return strings.Join(list, " ")
}

func TestCampaigns(t *testing.T) {
	const limit = math.MaxInt64
	for _, c := range []struct {
		name          string
		rows          []string
		want, rejects string
	}{
		{"none", nil, "", ""},
		{"by metric, then contact", []string{`{"contact":"b","metrics":{"sent":1,"click":2}}`, `{"contact":"a","metrics":{"sent":3}}`}, "2:click:b=2 2:sent:a=3 2:sent:b=1", ""},
		{"only above zero", []string{`{"contact":"a","metrics":{"sent":0,"opened":"0","spam":null,"click":"","новая":"2.0"}}`}, "2:новая:a=2", ""},
		{"without metrics", []string{`{"contact":"a"}`, `{"contact":"a","metrics":null}`, `{"contact":"a","metrics":[]}`, `{"contact":"a","metrics":{}}`}, "", ""},
		{"rows add up", []string{`{"contact":"a","metrics":{"sent":1}}`, `{"contact":"b","metrics":{"sent":5}}`, `{"contact":"\u0061","metrics":{"sent":"2"}}`}, "2:sent:a=3 2:sent:b=5", ""},
		{"escaped texts", []string{`{"contact":"\u0061","metrics":{"\u0073ent":1}}`, `{"contact":"\u0062","metrics":{"\u0063lick":2}}`}, "2:click:b=2 2:sent:a=1", ""},
		{"contact as number", []string{`{"contact":5,"metrics":{"sent":1}}`}, "2:sent:5=1", ""},
		{"the last of equal keys", []string{`{"contact":"x","contact":"a","metrics":{"sent":9},"metrics":{"sent":"x","sent":1}}`}, "2:sent:a=1", ""},
		{"bad rows", []string{`5`, `{"metrics":{"sent":1}}`, `{"contact":"","metrics":{"sent":1}}`, `{"contact":{},"metrics":{"sent":1}}`, `{"contact":"\ud800"}`, `{"contact"`, "{\"contact\":\"\xff\"}", `{"contact":null}`},
			"", "0:∅:∅:not_object 1:∅:∅:no_id 2:∅:∅:no_id 3:∅:∅:no_id 4:∅:∅:no_id 5:∅:∅:bad_json 6:∅:∅:bad_json 7:∅:∅:no_id"},
		{"bad metrics", []string{`{"contact":"a","metrics":"x"}`, `{"contact":"a","metrics":[1]}`, `{"contact":"a","metrics":{"sent":-1,"click":1.5,"opened":2,"spam":{},"x":true}}`, `{"contact":"a","metrics":{"\ud800":1,"sent":4}}`},
			"2:opened:a=2 2:sent:a=4", "0:∅:metrics:bad_value 1:∅:metrics:bad_value 2:∅:metrics:bad_value 3:∅:metrics:bad_value"},
		{"overflow", []string{fmt.Sprintf(`{"contact":"a","metrics":{"sent":%d,"click":1}}`, limit), `{"contact":"a","metrics":{"sent":1,"click":1}}`, `{"contact":"a","metrics":{"sent":9223372036854775808}}`},
			fmt.Sprintf("2:click:a=2 2:sent:a=%d", limit), "1:∅:metrics:bad_value 2:∅:metrics:bad_value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			campaign := schemas.Campaign{ID: 2}
			for _, r := range c.rows {
				campaign.Rows = append(campaign.Rows, []byte(r))
			}
			b, err := newProjector(t, transform.Options{}).Campaigns([]schemas.Campaign{campaign})
			ts, _ := projected(t, b, err)
			if got := contactsOf(ts); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got := rejectsOf(ts); got != c.rejects {
				t.Errorf("rejects are %s, want %s", got, c.rejects)
			}
		})
	}
}

func TestCampaignsStandApart(t *testing.T) {
	rows := [][]byte{[]byte(`{"contact":"a","metrics":{"sent":1}}`), []byte(`1`)}
	b, err := newProjector(t, transform.Options{}).Campaigns([]schemas.Campaign{{ID: 5, Rows: rows}, {ID: 3, Rows: rows}})
	ts, counts := projected(t, b, err)
	if got := contactsOf(ts); got != "5:sent:a=1 3:sent:a=1" || counts.ItemRejects != 2 {
		t.Errorf("got %s", got)
	}
	if r := ts[schemas.Rejects][0]; r["source"] != "campaign" || r["client_id"] != null {
		t.Errorf("reject is %v", r)
	}
}
