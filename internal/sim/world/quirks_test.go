package world

import (
	"regexp"
	"strings"
	"testing"
)

// TestEveryQuirkAppears looks for each quirk the notes on the API name, in the
// default world of 2,000 clients.
func TestEveryQuirkAppears(t *testing.T) {
	s := newWorld(t, 2000, nil).State()
	var feeds, rows, contacts []byte
	for _, id := range s.Clients() {
		feeds = append(AppendFeed(feeds, feedOf(t, s, id)), '\n')
	}
	for n := range s.Listed() {
		rows = append(AppendRow(rows, s.Row(n)), '\n')
	}
	asked := map[string]bool{"sent": true, "spam": true}
	for c := 1; c <= Campaigns; c++ {
		for n := range s.w.ContactCount(c) {
			row := s.w.Contact(c, n)
			contacts = append(AppendContact(contacts, &row, asked), '\n')
		}
	}
	text := map[string]string{"feeds": string(feeds), "rows": string(rows), "contacts": string(contacts)}
	for _, q := range quirks {
		if !regexp.MustCompile(q.shows).MatchString(text[q.where]) {
			t.Errorf("%s: not in the %s", q.name, q.where)
		}
	}
}

var quirks = []struct{ name, where, shows string }{
	{"[] for a device", "feeds", `"device":\[\]`},
	{"[] for fields", "feeds", `"fields":\[\]`},
	{"{} stays", "feeds", `"device":\{\}`},
	{"visit id as a number", "feeds", `"visitId":\d`},
	{"visit id as a text", "feeds", `"visitId":"\d`},
	{"metaId as a number", "feeds", `"metaId":\d`},
	{"status as a number", "feeds", `"status":\d`},
	{"duration as a text", "feeds", `"duration":"\d`},
	{"duration as a number", "feeds", `"duration":\d`},
	{"whole number with .0", "feeds", `"duration":\d+\.0[,}]`},
	{"revenue as a text", "feeds", `"revenue":"\d`},
	{"decimal", "feeds", `"revenue":\d+\.[1-9][,}]`},
	{"decimal text with two places", "feeds", `"revenue":"\d+\.\d0"`},
	{"float noise upwards", "feeds", `"revenue":\d+\.\d\d0{10,}4`},
	{"float noise downwards", "feeds", `"revenue":\d+\.\d\d9{10,}8`},
	{"+0000", "feeds", `Date":"[^"]+\+0000"`},
	{"+0300", "feeds", `Date":"[^"]+\+0300"`},
	{"+03:00", "feeds", `Date":"[^"]+\+03:00"`},
	{"negative offset", "feeds", `Date":"[^"]+-0500"`},
	{"no zone", "feeds", `Date":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"`},
	{"Z", "feeds", `Date":"[^".]+Z"`},
	{"milliseconds", "feeds", `Date":"[^"]+\.\d{3}\+0000"`},
	{"microseconds", "feeds", `Date":"[^"]+\.\d{6}Z"`},
	{"date for creationDate", "feeds", `"type":"visit","date"`},
	{"creationDate for date", "feeds", `"type":"call","creationDate"`},
	{"null creationDate beside date", "feeds", `"creationDate":null,"date":"`},
	{"Cyrillic key raw", "feeds", `"Менеджер":`},
	{"Cyrillic key escaped", "feeds", `"\\u041c\\u0435\\u043d`},
	{"escaped slash", "feeds", `https:\\/\\/`},
	{"null text", "feeds", `"sourceTitle":null`},
	{"empty text", "feeds", `"sourceTitle":""`},
	{"missing sourceId", "feeds", `"visitId":"?\d+"?,"device"`},
	{"type last", "feeds", `"type":"visit"\}`},
	{"unknown key", "feeds", `"roistat_id":\d`},
	{"unknown nested key", "feeds", `"screen":\{`},
	{"unknown type", "feeds", `"type":"chat_message"`},
	{"Cyrillic type", "feeds", `"type":"квиз"`},
	{"type as a number", "feeds", `"type":7`},
	{"bool as 0 or 1", "feeds", `"is_mobile":[01]`},
	{"bool as a text", "feeds", `"is_mobile":"[01]"`},
	{"bad bool", "feeds", `"is_mobile":"maybe"`},
	{"bad device", "feeds", `"device":"Mac, Chrome"`},
	{"bad money", "feeds", `"revenue":"abc"|"cost":"abc"|"price":"abc"`},
	{"too many decimals", "feeds", `:12\.345`},
	{"money overflow", "feeds", `:1e30`},
	{"bad whole number", "feeds", `"duration":"n/a"`},
	{"beyond int64", "feeds", `"duration":9223372036854775808`},
	{"bad update", "feeds", `"updateDate":"tomorrow"`},
	{"zero update", "feeds", `"updateDate":"0000-00-00"`},
	{"empty update", "feeds", `"updateDate":""`},
	{"no object", "feeds", `[\[,]"oops"[,\]]|[\[,]17,|[\[,]null,\{`},
	{"null type", "feeds", `"type":null`},
	{"empty type", "feeds", `"type":""`},
	{"null visit id", "feeds", `"visitId":null`},
	{"null time", "feeds", `"date":null`},
	{"unreadable time", "feeds", `Date":"yesterday"`},
	{"year 9999", "feeds", `"9999-12-31T23:59:59\+0000"`},
	{"empty feed", "feeds", `\{"feed":\[\],"status":"success"\}`},
	{"no-break space", "feeds", "\u00a0₽"},
	{"nested field", "feeds", `"Доставка":\{"тип"`},
	{"list in a field", "feeds", `"tags":\["vip","повтор",null\]`},
	{"bool in a field", "feeds", `"Оплачено":(true|false)`},
	{"number in a field", "feeds", `"Скидка":12\.50`},
	{"null in a field", "feeds", `"comment":null`},
	{"key twice in fields", "feeds", `"status_name":"[^"]*"[^{}]*"status_name":"второй раз"`},
	{"quote in a text", "feeds", `\\"Перезвоните мне\\"`},

	{"id as a text", "rows", `"id":"\d+"`},
	{"id with .0", "rows", `"id":\d+\.0`},
	{"null id", "rows", `"id":null`},
	{"bad id", "rows", `"id":("abc"|12\.5|\{)`},
	{"no id", "rows", `(?m)^\{"name":"nobody"`},
	{"empty name", "rows", `"name":""`},
	{"null phone", "rows", `"phone":null`},
	{"revenue as decimal text", "rows", `"revenue":"\d+\.\d\d"`},
	{"null date", "rows", `"first_order_date":null`},
	{"empty date", "rows", `"first_order_date":""`},
	{"zero date", "rows", `"first_order_date":"0000-00-00"`},
	{"birthday", "rows", `"birth_date":"\d{4}-\d\d-\d\d"`},
	{"bad count", "rows", `"order_count":"many"`},
	{"count as a text", "rows", `"order_count":"\d`},
	{"unknown key in a row", "rows", `"roistat_id":`},
	{"line end in a text", "rows", `\\n`},

	{"metric as a text", "contacts", `"sent":"\d`},
	{"metric 0", "contacts", `"spam":0`},
	{"unknown metric", "contacts", `"forwarded":1`},
	{"[] for metrics", "contacts", `"metrics":\[\]`},
	{"bad metric", "contacts", `:("many"|-1|1\.5)`},
}

func TestRejectsOfEveryReason(t *testing.T) {
	s := newWorld(t, 2000, nil).State()
	got := map[string]int{}
	err := s.Truth(func(table string, row []byte) error {
		if table == "rejects" {
			r := string(row)
			at := strings.LastIndex(r, `"reason":"`) + len(`"reason":"`)
			whole := ""
			if strings.Contains(r, `"field":null`) {
				whole = " item"
			}
			got[r[at:len(r)-2]+whole]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"not_object item", "no_type item", "no_id item", "no_time item", "bad_time item", "duplicate item",
		"bad_value item", "bad_value", "bad_money", "bad_time",
	} {
		if got[want] == 0 {
			t.Errorf("no reject for %s: %v", want, got)
		}
	}
}

func TestRepeatedContactsDiffer(t *testing.T) {
	w := newWorld(t, 2000, nil)
	repeated := 0
	for c := 1; c <= Campaigns; c++ {
		seen := map[string]bool{}
		addresses := map[string]bool{}
		for n := range w.ContactCount(c) {
			row := w.Contact(c, n)
			body := string(AppendContact(nil, &row, map[string]bool{"sent": true}))
			if seen[body] && row.Form != Empty {
				t.Errorf("campaign %d: %s twice", c, body)
			}
			if addresses[row.Address] {
				repeated++
			}
			seen[body], addresses[row.Address] = true, true
		}
	}
	if repeated == 0 {
		t.Error("no contact is repeated")
	}
}
