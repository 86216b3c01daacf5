package sim_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/sim"
	"roistat-etl/internal/sim/world"
)

func TestListPagesNewestFirst(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.World.Plain = true })
	first := a.list(`{"limit":3,"offset":0,"unknown":[1]}`)
	if d := first; d.Status != "success" || d.Total != 100 || !slices.Equal(d.ids(), []string{"100", "99", "98"}) {
		t.Errorf("%+v", d.ids())
	}
	if d := a.list(`{"limit":3,"offset":98}`); !slices.Equal(d.ids(), []string{"2", "1"}) {
		t.Errorf("the last page: %v", d.ids())
	}
	if d := a.list(`{"offset":500}`); len(d.Clients) != 0 || d.Total != 100 {
		t.Errorf("beyond the end: %d of %d", len(d.Clients), d.Total)
	}
	if d := a.list(``); len(d.Clients) != 100 {
		t.Errorf("without a body: %d", len(d.Clients))
	}
}

func TestListPageIsCapped(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.MaxPage = 7 })
	if d := a.list(`{"limit":1000}`); len(d.Clients) != 7 || d.Total != 100 {
		t.Errorf("%d of %d", len(d.Clients), d.Total)
	}
}

func TestTotalLeavesOutRowsWithoutAnID(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.World.Clients = 600 })
	d := a.list(`{"limit":1000}`)
	if len(d.Clients) != 601 || d.Total != 600 {
		t.Errorf("%d rows, total %d", len(d.Clients), d.Total)
	}
}

func TestFilters(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.World.Plain = true })
	for _, c := range []struct {
		filters string
		want    string // of "limit": 4
		total   int
	}{
		{`[["id","=","7"]]`, "7", 1},
		{`[["id","<",4]]`, "3 2 1", 3},
		{`[["id","<=",2]]`, "2 1", 2},
		{`[["id",">",99]]`, "100", 1},
		{`[["id",">=",99]]`, "100 99", 2},
		{`[["id","!=",100],["id",">",98]]`, "99", 1},
		{`[["id","in",[5,"6",1000]]]`, "6 5", 2},
		{`{"and":[["id",">",10],["id","<",12]]}`, "11", 1},
		{`{"or":[["id","=",3],["id","=",9]]}`, "9 3", 2},
		{`[["external_id","like","%99"]]`, "99", 1},
		{`[["client_url","like","contacts/20_"],["id","=",100]]`, "", 0},
		{`[["client_url","LIKE","CONTACTS/200"]]`, "100", 1},
		{`[["nonsense","=",3]]`, "100 99 98 97", 100},
		{`[]`, "100 99 98 97", 100},
		{`{}`, "100 99 98 97", 100},
		{`null`, "100 99 98 97", 100},
	} {
		d := a.list(fmt.Sprintf(`{"filters":%s,"limit":4}`, c.filters))
		if got := strings.Join(d.ids(), " "); got != c.want || d.Total != c.total {
			t.Errorf("%s: %q of %d, want %q of %d", c.filters, got, d.Total, c.want, c.total)
		}
	}
	nulls := a.list(`{"filters":[["first_order_date","null",true]],"limit":100}`)
	others := a.list(`{"filters":[["first_order_date","null",false]],"limit":100}`)
	if nulls.Total+others.Total != 100 || nulls.Total == 0 || others.Total == 0 {
		t.Errorf("null: %d and %d", nulls.Total, others.Total)
	}
	for _, c := range nulls.Clients {
		if c["first_order_date"] != nil {
			t.Errorf("%v is not null", c["first_order_date"])
		}
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	a := newAPI(t, nil)
	for filters, code := range map[string]string{
		`{"and":[["id","=",1]]}`: "internal_error",
		`[["id","~",1]]`:         "request_data_validation_error",
		`[["id","="]]`:           "request_data_validation_error",
		`[[1,"=",1]]`:            "request_data_validation_error",
		`[["id","in",3]]`:        "request_data_validation_error",
		`["id","=",1]`:           "request_data_validation_error",
		`"id=1"`:                 "request_data_validation_error",
	} {
		a.wantError("POST", listPath, `{"filters":`+filters+`}`, code)
	}
	a.wantError("POST", listPath, `{"limit":-1}`, "request_data_validation_error")
	a.wantError("POST", listPath, `{`, "incorrect_request")
}

func TestFeed(t *testing.T) {
	a := newAPI(t, nil)
	f, ok := a.server.State().Feed(42)
	if !ok {
		t.Fatal("there is no client 42")
	}
	if got := a.wantFeed(42); !bytes.Equal(got, world.AppendFeed(nil, f)) {
		t.Errorf("%.300s", got)
	}
	a.wantError("GET", feedPath(101), "", "resource_not_found")
	a.wantError("GET", feedPath(-1), "", "resource_not_found")
	a.wantError("GET", "/api/v1/project/clients/detail/feed?project=12345&client=abc", "", "resource_not_found")
	a.wantError("GET", "/api/v1/project/clients/detail/feed?project=12345", "", "request_data_validation_error")
}

func TestTheCacheChangesNothing(t *testing.T) {
	plain, cached := newAPI(t, nil), newAPI(t, func(o *sim.Options) { o.Cache = true })
	if err := cached.server.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, id := range plain.server.State().Clients() {
			if !bytes.Equal(plain.wantFeed(id), cached.wantFeed(id)) {
				t.Fatalf("feed %d differs", id)
			}
		}
		one, two := plain.do("POST", listPath, `{"limit":1000}`), cached.do("POST", listPath, `{"limit":1000}`)
		if !bytes.Equal(one.body, two.body) {
			t.Fatal("the list differs")
		}
		plain.server.Night(1, 0.3)
		cached.server.Night(1, 0.3)
	}
}

func TestContacts(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.World.Clients = 1000 })
	all := a.do("POST", contactsPath, `{"metric_ids":["sent","click"],"campaign_ids":[2]}`).doc(t)
	if all.Count != all.TotalCount || len(all.Data) != all.Count || all.Count < 200 {
		t.Fatalf("count %d, total_count %d, %d rows", all.Count, all.TotalCount, len(all.Data))
	}
	for _, row := range all.Data {
		metrics, ok := row["metrics"].(map[string]any)
		if _, unasked := metrics["opened"]; ok && (unasked || metrics["sent"] == nil) {
			t.Fatalf("%v", row)
		}
	}
	page := a.do("POST", contactsPath, `{"metric_ids":["sent"],"campaign_ids":[2],"limit":10,"offset":5}`).doc(t)
	if page.Count != 10 || page.TotalCount != all.TotalCount || page.Data[0]["contact"] != all.Data[5]["contact"] {
		t.Errorf("page: %d of %d, first %v", page.Count, page.TotalCount, page.Data[0])
	}
	one := a.do("POST", contactsPath, `{"metric_ids":["sent"],"campaign_ids":[1]}`).doc(t)
	both := a.do("POST", contactsPath, fmt.Sprintf(`{"metric_ids":["sent"],"campaign_ids":[1,2],"offset":%d,"limit":2}`, one.TotalCount-1)).doc(t)
	if both.TotalCount != one.TotalCount+all.TotalCount || both.Data[1]["contact"] != all.Data[0]["contact"] {
		t.Errorf("two campaigns: %+v", both)
	}
	if d := a.do("POST", contactsPath, `{"metric_ids":["sent"],"campaign_ids":[9]}`).doc(t); d.Status != "success" || d.Count != 0 {
		t.Errorf("no such campaign: %+v", d)
	}
	a.wantError("POST", contactsPath, `{"campaign_ids":[2]}`, "request_data_validation_error")
}

func TestContactsPageIsCapped(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.World.Clients, o.ContactPage = 1000, 50 })
	d := a.do("POST", contactsPath, `{"metric_ids":["sent"],"campaign_ids":[2]}`).doc(t)
	if d.Count != 50 || len(d.Data) != 50 || d.TotalCount <= 50 {
		t.Errorf("%d of %d", d.Count, d.TotalCount)
	}
}

func TestImport(t *testing.T) {
	a := newAPI(t, nil)
	one := `[{"id":"111","name":"John","phone":null,"fields":{"segment":"1"}}, {"id":222,"name":"Aria"}]`
	two := `[{"id":"111","name":"Johnny","fields":[]}]`
	for _, body := range []string{one, two} {
		if d := a.do("POST", importPath, body).doc(t); d.Status != "success" {
			t.Fatalf("%+v", d)
		}
	}
	r := a.wantError("POST", importPath, `[{"id":"1","name":"A"},{"name":"","phone":7},3]`, "request_data_validation_error")
	if d := r.doc(t); len(d.Details) != 2 || fmt.Sprint(d.Details["1"]) != "[id name phone]" {
		t.Errorf("details: %v", d.Details)
	}
	a.wantError("POST", importPath, `{"id":"1"}`, "incorrect_request")
	kept := a.server.Imported()
	if len(kept.Bodies) != 2 || string(kept.Bodies[0]) != one || string(kept.Bodies[1]) != two {
		t.Errorf("bodies: %s", kept.Bodies)
	}
	if kept.Created != 2 || kept.Updated != 1 || !strings.Contains(string(kept.Clients["111"]), "Johnny") {
		t.Errorf("%d created, %d updated, %s", kept.Created, kept.Updated, kept.Clients)
	}
}

func TestKeyAndProject(t *testing.T) {
	a := newAPI(t, nil)
	for _, c := range []struct{ key, query, code string }{
		{"wrong", "?project=12345", "authentication_failed"},
		{"", "?project=12345", "authentication_failed"},
		{"sim-key", "", "authorization_failed"},
		{"sim-key", "?project=999", "access_denied"},
		{"sim-key", "?project=12345&key=sim-key", "authentication_failed"},
	} {
		a.headers.Set("Api-Key", c.key)
		a.wantError("POST", "/api/v1/project/clients"+c.query, `{}`, c.code)
	}
	if n := a.server.Stats().KeyInURL; n != 1 {
		t.Errorf("%d keys in URLs", n)
	}
}

func TestBothErrorModes(t *testing.T) {
	a := newAPI(t, nil)
	if r := a.wantError("GET", feedPath(101), "", "resource_not_found"); r.StatusCode != 200 {
		t.Errorf("by default status %d", r.StatusCode)
	}
	a.headers.Set("Use-Http-Code", "1")
	if r := a.wantError("GET", feedPath(101), "", "resource_not_found"); r.StatusCode != 404 {
		t.Errorf("with Use-Http-Code status %d", r.StatusCode)
	}
	if r := a.wantError("GET", listPath, "", "incorrect_request"); r.StatusCode != 400 {
		t.Errorf("wrong verb: %d", r.StatusCode)
	}
	a.wantError("GET", "/api/v1/project/orders?project=12345", "", "incorrect_request")
	a.headers.Set("Api-Key", "wrong")
	if r := a.wantError("GET", feedPath(1), "", "authentication_failed"); r.StatusCode != 401 {
		t.Errorf("wrong key: %d", r.StatusCode)
	}
}

func TestGzipWhereAsked(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.Cache = true }).overPort()
	want := a.wantFeed(3) // net/http asks for gzip and unpacks it
	a.headers.Set("Accept-Encoding", "gzip, br")
	r := a.do("GET", feedPath(3), "")
	z, err := gzip.NewReader(bytes.NewReader(r.body))
	if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v, %q", err, r.Header.Get("Content-Encoding"))
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v, %.200s", err, got)
	}
	never := newAPI(t, func(o *sim.Options) { o.NoGzip = true })
	never.headers.Set("Accept-Encoding", "gzip")
	if r := never.do("GET", feedPath(3), ""); r.Header.Get("Content-Encoding") != "" || !bytes.Equal(r.body, want) {
		t.Errorf("compressed: %.100q", r.body)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.Cache = true }).overPort()
	var g errgroup.Group
	for n := range 8 {
		g.Go(func() error {
			for id := range int64(100) {
				r, err := a.send("GET", feedPath(1+(id+int64(n)*13)%100), "")
				if err != nil || r.StatusCode != 200 {
					return fmt.Errorf("feed: %w", err)
				}
				if id == 50 && n == 0 {
					a.server.Night(1, 0.5)
				}
			}
			_, err := a.send("POST", listPath, `{"limit":50,"filters":[["id",">",3]]}`)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	st := a.server.Stats()
	if st.Calls["feed"]["success"]+st.Calls["feed"]["resource_not_found"] != 800 || st.Feeds.Calls != 800 || st.InFlight != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAccessLogNeverHoldsTheKey(t *testing.T) {
	var log bytes.Buffer
	a := newAPI(t, func(o *sim.Options) {
		o.Key = "top-secret"
		o.AccessLog = slog.New(slog.NewTextHandler(&log, nil))
	})
	a.wantFeed(3)
	a.wantError("POST", listPath+"&key=top-secret", "", "authentication_failed")
	a.wantError("POST", "/api/v1/top-secret?project=12345", "", "incorrect_request")
	if text := log.String(); strings.Contains(text, "top-secret") || strings.Count(text, "\n") != 3 || !strings.Contains(text, "client=3") {
		t.Error(text)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*sim.Options){
		"no key":       func(o *sim.Options) { o.Key = "" },
		"no project":   func(o *sim.Options) { o.Projects = nil },
		"no page":      func(o *sim.Options) { o.MaxPage = 0 },
		"bad world":    func(o *sim.Options) { o.World.Months = 0 },
		"unknown kind": func(o *sim.Options) { o.Faults = []sim.Fault{{Kind: "flood"}} },
		"unknown code": func(o *sim.Options) { o.Faults = []sim.Fault{{Kind: "error", Code: "oops"}} },
		"bad share":    func(o *sim.Options) { o.Faults = []sim.Fault{{Kind: "html", Share: 2}} },
		"bad method":   func(o *sim.Options) { o.Faults = []sim.Fault{{Kind: "html", Method: "x"}} },
		"bad times":    func(o *sim.Options) { o.Faults = []sim.Fault{{Kind: "html", Times: -1}} },
		"bad n":        func(o *sim.Options) { o.Faults = []sim.Fault{{Kind: "deep", N: -1}} },
	} {
		o := sim.DefaultOptions()
		o.World.Clients = 1
		change(&o)
		if _, err := sim.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

var _ http.Handler = (*sim.Server)(nil)
