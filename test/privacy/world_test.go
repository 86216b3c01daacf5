package privacy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roistat-etl/internal/canary"
	"roistat-etl/internal/s3test"
	"roistat-etl/internal/sim"
)

// The person that every client of the tests is, in the spellings of people.
const (
	name       = "Зимородок Алкиона"
	phone      = "79990001234"
	spelt      = "+7 (999) 000-12-34"
	dialled    = "8 999 000-12-34"
	email      = "Zimorodok@mail.example"
	callCentre = "74951234567"
)

// secrets must not be anywhere, persons only where people may see them.
func secrets() canary.Words { return canary.Words{canary.Key, canary.Salt, s3test.SecretKey} }

func persons() canary.Words {
	return canary.Words{"Зимородок", "зимородок", "Zimorodok", "zimorodok", phone[1:], spelt[3:], dialled[2:]}
}

// rules hide all that the person is known by; the digits of the mask are not enough.
const rules = `{clients.name: mask, clients.phone: hash, clients.email: hash, clients.company: drop, clients.comment: drop, clients.client_url: drop, clients.external_id: hash,
        orders.name: drop, orders.fields.Клиент: mask, orders.fields.Телефон: hash, orders.fields.Почта: mask, orders.fields.Адрес: drop,
        order_status_changes.order_title: drop, order_cost_changes.order_title: hash, order_price_changes.order_title: drop, site_events.name: mask, visits.source_title: drop,
        orders.first_source_title: drop, orders.last_source_title: drop, clients.first_visit_marker_alias: drop, lead_hunter_appearances.page: drop, lead_hunter_leads.page: drop,
        lead_hunter_leads.name: mask, lead_hunter_leads.phone: hash, calls.caller: hash, calls.callee: mask, calls.file_url: drop, campaign_contacts.contact: hash}`

// server is a stand-in API whose clients are that person. mode says how it misbehaves.
type server struct {
	*httptest.Server
	sim  *sim.Server
	mode atomic.Value

	mu      sync.Mutex
	lineage bytes.Buffer // what it was told of the runs
}

func newServer(t testing.TB, clients int) *server {
	t.Helper()
	o := sim.DefaultOptions()
	o.World.Clients, o.World.Months, o.World.Whale, o.Key, o.NoGzip = clients, 2, false, canary.Key, true
	stand, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{sim: stand}
	s.mode.Store("")
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers as the stand-in does, with persons put in.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/lineage") {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, _ = s.lineage.ReadFrom(r.Body) // one that is cut is searched as far as it goes
		return
	}
	w.Header().Set("Content-Type", "application/json")
	feed := strings.HasSuffix(r.URL.Path, "/feed")
	switch mode := s.mode.Load(); {
	case mode == "slow" && feed:
		time.Sleep(time.Second) // longer than the run lives
	case mode == "picky" && strings.HasSuffix(r.URL.Path, "/import"):
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"status":"error","error":"request_data_validation_error","description":%q}`, "the phone "+spelt+" of "+name+" is none")
		return
	case mode == "refuses":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"status":"error","error":"authentication_failed","description":%q}`, "no such key: "+r.Header.Get("Api-key"))
		return
	case mode == "fails" && feed:
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `<html>%s %s %s</html>`, name, phone, r.Header.Get("Api-key"))
		return
	case mode == "odd" && feed:
		fmt.Fprintf(w, `{"status":"success","feed":[%s]}`, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("%q,", email), 50), ","))
		return
	}
	a := httptest.NewRecorder()
	s.sim.ServeHTTP(a, r)
	w.WriteHeader(a.Code)
	_, _ = w.Write(peopled(a.Body.Bytes(), r.URL.Query().Get("client"))) // a client that went away
}

// peopled puts the person into an answer; one that is no answer stays.
func peopled(body []byte, client string) []byte {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return body
	}
	for _, list := range []string{"clients", "data"} {
		rows, _ := doc[list].([]any)
		for i, row := range rows {
			if m, ok := row.(map[string]any); ok {
				person(m, i)
			}
		}
	}
	if feed, ok := doc["feed"].([]any); ok {
		doc["feed"] = append(feed, items(client)...)
	}
	out, _ := json.Marshal(doc) // it came from JSON
	return out
}

// person makes a row of clients or of a campaign the person's; the third client has no usable id.
func person(row map[string]any, i int) {
	if _, ok := row["contact"]; ok {
		row["contact"] = strconv.Itoa(i) + email
		return
	}
	if i == 3 {
		row["id"] = name
	}
	for key, value := range map[string]string{
		"name": name, "phone": spelt, "email": " " + email, "company": "ИП " + name, "comment": "звонить " + name, "client_url": "https://crm.example/" + email,
		"external_id": phone, "first_visit_marker_alias": name, "vk": email, "birth_date": name,
	} {
		row[key] = value
	}
}

// items are one of each kind, good ones and bad ones, with the person in all texts.
func items(client string) []any {
	base := func(typ string, more map[string]any) any {
		more["type"], more["date"], more["note"] = typ, "2026-05-03T10:00:00+0300", name
		return more
	}
	page := "site.example/?email=" + email
	return []any{
		base("visit", map[string]any{"visitId": "v" + client, "sourceTitle": name, "sourceId": "s", "device": map[string]any{"os": "x", "owner": name}}),
		base("order", map[string]any{"id": "o" + client, "name": name, "revenue": name, "fields": map[string]any{
			"Клиент": name, "Телефон": phone, "Почта": email, "Адрес": map[string]any{"кто": name},
		}}),
		base("event", map[string]any{"metaId": "m", "name": name}),
		base("lead_hunter_appearance", map[string]any{"page": page}),
		base("lead_hunter_caught", map[string]any{"page": page, "name": name, "field": dialled, "status": "1"}),
		base("orderStatusChange", map[string]any{"order_id": "o", "order_title": name, "status": "1"}),
		base("orderCostChange", map[string]any{"order_id": "o", "order_title": name, "cost": 1}),
		base("orderPriceChange", map[string]any{"order_id": "o", "order_title": name, "price": name}),
		base("call", map[string]any{"caller": dialled, "callee": callCentre, "file_url": "https://records.example/" + phone + ".mp3", "duration": name}),
		base("sms", map[string]any{"text": name + phone}),
		map[string]any{"type": "visit", "date": "2026-05-03", "owner": name}, map[string]any{"type": "order", "id": "x", "date": name}, name,
	}
}
