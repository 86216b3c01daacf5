package sim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/internal/sim"
)

// faulty is a server with these faults, in process or over a port.
func faulty(t *testing.T, port bool, faults ...sim.Fault) *api {
	a := newAPI(t, func(o *sim.Options) { o.Faults = faults })
	if port {
		a.overPort()
	}
	return a
}

func TestErrorOnceThenTheFeed(t *testing.T) {
	a := faulty(t, false, sim.Fault{Kind: "error", Code: "internal_error", Clients: []int64{3, 4}, Times: 1})
	a.wantFeed(2)
	for _, id := range []int64{3, 4} {
		a.wantError("GET", feedPath(id), "", "internal_error")
		a.wantFeed(id)
	}
}

func TestErrorForGood(t *testing.T) {
	a := faulty(t, false, sim.Fault{Kind: "error", Code: "resource_not_found", Clients: []int64{3}})
	for range 5 {
		a.wantError("GET", feedPath(3), "", "resource_not_found")
	}
	a.wantFeed(4)
}

func TestErrorForAShareOfTheClients(t *testing.T) {
	a := faulty(t, false, sim.Fault{Kind: "error", Code: "internal_error", Share: 0.3})
	failed := map[int64]bool{}
	for id := int64(1); id <= 100; id++ {
		failed[id] = a.do("GET", feedPath(id), "").doc(t).Status == "error"
	}
	n := 0
	for id, was := range failed {
		if was {
			n++
		}
		if again := a.do("GET", feedPath(id), "").doc(t).Status == "error"; again != was {
			t.Errorf("client %d: failed %v, then %v", id, was, again)
		}
	}
	if n < 15 || n > 45 {
		t.Errorf("%d of 100 failed", n)
	}
}

func TestClientManagementSwitchedOff(t *testing.T) {
	a := faulty(t, false, sim.Fault{Kind: "error", Code: "option_not_enabled", Method: "any"})
	a.headers.Set("Use-Http-Code", "1")
	a.wantError("POST", listPath, "{}", "option_not_enabled")
	if r := a.wantError("GET", feedPath(3), "", "option_not_enabled"); r.StatusCode != 402 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestTornAnswers(t *testing.T) {
	for _, port := range []bool{false, true} {
		a := faulty(t, port, sim.Fault{Kind: "truncate", Clients: []int64{3}}, sim.Fault{Kind: "reset", Clients: []int64{4}})
		if r := a.do("GET", feedPath(3), ""); !errors.Is(r.err, io.ErrUnexpectedEOF) || len(r.body) == 0 {
			t.Errorf("port %v: truncated: %v after %d bytes", port, r.err, len(r.body))
		}
		if _, err := a.send("GET", feedPath(4), ""); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("port %v: reset: %v", port, err)
		}
		a.wantFeed(5)
	}
}

func TestSpoiltBodies(t *testing.T) {
	for kind, bad := range map[string]func(response) bool{
		"html":       func(r response) bool { return r.StatusCode == 200 && bytes.HasPrefix(r.body, []byte("<!DOCTYPE")) },
		"gateway":    func(r response) bool { return r.StatusCode == 502 },
		"half_json":  func(r response) bool { return !json.Valid(r.body) && r.err == nil && len(r.body) > 10 },
		"too_large":  func(r response) bool { return len(r.body) == 5000 && json.Valid(r.body) },
		"empty_feed": func(r response) bool { return string(r.body) == `{"feed":[],"status":"success"}` },
		"not_utf8":   func(r response) bool { return bytes.Contains(r.body, []byte("\xff")) && json.Valid(r.body) },
		"deep": func(r response) bool {
			return bytes.Contains(r.body, bytes.Repeat([]byte("["), 5000)) && json.Valid(r.body)
		},
		"no_status": func(r response) bool { return json.Valid(r.body) && !bytes.Contains(r.body, []byte(`"success"`)) },
	} {
		for _, id := range []int64{smallFeed(t), 5} {
			a := faulty(t, false, sim.Fault{Kind: kind, Method: "feed", Clients: []int64{id}, Times: 1, N: 5000})
			if kind == "too_large" && id == 5 {
				continue // that feed may be larger
			}
			if r := a.do("GET", feedPath(id), ""); !bad(r) {
				t.Errorf("%s, client %d: %d %.100s", kind, id, r.StatusCode, r.body)
			}
			if n := a.server.Stats().Calls["feed"][kind]; n != 1 {
				t.Errorf("%s: counted %d times", kind, n)
			}
			a.wantFeed(id)
		}
	}
}

// smallFeed finds a client whose feed is empty.
func smallFeed(t *testing.T) int64 {
	s := newAPI(t, nil).server.State()
	for _, id := range s.Clients() {
		if f, _ := s.Feed(id); len(f.Items) == 0 {
			return id
		}
	}
	t.Fatal("no feed is empty")
	return 0
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := faulty(t, false, sim.Fault{Kind: "delay", N: 3000, Clients: []int64{3}, Method: "feed"})
		began := time.Now()
		a.wantFeed(4)
		a.wantFeed(3)
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestAListThatGrowsBetweenPages(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) {
		o.World.Plain = true
		o.Faults = []sim.Fault{{Kind: "shift", N: 2}}
	})
	var got []string
	for offset := range 2 {
		d := a.list(`{"limit":3,"offset":` + []string{"0", "3"}[offset] + `}`)
		got = append(got, d.ids()...)
	}
	if want := []string{"100", "99", "98", "99", "98", "97"}; !cmp.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if n := a.server.State().Total(); n != 104 {
		t.Errorf("%d clients", n)
	}
	a.wantFeed(101)
}

func TestAListThatShrinksBetweenPages(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) {
		o.World.Plain = true
		o.Faults = []sim.Fault{{Kind: "shift", N: -2, Times: 1}}
	})
	one, two, three := a.list(`{"limit":3}`).ids(), a.list(`{"limit":3,"offset":3}`).ids(), a.list(`{"limit":3,"offset":3}`).ids()
	if !cmp.Equal(one, []string{"100", "99", "98"}) || !cmp.Equal(two, []string{"95", "94", "93"}) || !cmp.Equal(two, three) {
		t.Errorf("%v, %v, %v", one, two, three)
	}
	a.wantError("GET", feedPath(100), "", "resource_not_found")
}

func TestListsThatLie(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) {
		o.World.Plain = true
		o.Faults = []sim.Fault{{Kind: "total_add", N: 7}, {Kind: "cut_list", N: 10}, {Kind: "total_add", N: -1, Method: "contacts"}}
	})
	if d := a.list(`{"limit":100}`); d.Total != 107 || len(d.Clients) != 90 {
		t.Errorf("total %d, %d rows", d.Total, len(d.Clients))
	}
	d := a.do("POST", contactsPath, `{"metric_ids":["sent"],"campaign_ids":[2]}`).doc(t)
	if d.TotalCount != d.Count-1 {
		t.Errorf("count %d, total_count %d", d.Count, d.TotalCount)
	}
}

func TestFaultsAreReplacedWhileItRuns(t *testing.T) {
	a := faulty(t, false, sim.Fault{Kind: "html"})
	if r := a.do("POST", "/_sim/faults", `[{"kind":"error","code":"internal_error","clients":[3],"times":2}]`); r.StatusCode != 200 {
		t.Fatalf("%s", r.body)
	}
	a.wantFeed(2)
	a.wantError("GET", feedPath(3), "", "internal_error")
	for _, bad := range []string{`[{"kind":"flood"}]`, `[{"kind":"html","sharee":1}]`, `{`} {
		if r := a.do("POST", "/_sim/faults", bad); r.StatusCode != 400 {
			t.Errorf("%s: %d %s", bad, r.StatusCode, r.body)
		}
	}
	a.wantError("GET", feedPath(3), "", "internal_error") // what was refused changed nothing
	a.do("POST", "/_sim/faults", `[]`)
	a.wantFeed(3)
}

func TestParseFault(t *testing.T) {
	got, err := sim.ParseFault("kind=error,code=internal_error,share=2%,times=1,clients=3;7,n=-5,method=any")
	want := sim.Fault{Kind: "error", Method: "any", Clients: []int64{3, 7}, Share: 0.02, Times: 1, Code: "internal_error", N: -5}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"html", "kind", "colour=red", "share=200%", "share=x", "times=one", "clients=1;b", "n="} {
		if _, err := sim.ParseFault(bad); err == nil || !strings.Contains(err.Error(), "fault") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, k := range sim.Kinds() {
		if !strings.Contains(k, ": ") {
			t.Errorf("%q is not explained", k)
		}
	}
}

func TestARefusedConnection(t *testing.T) {
	a := faulty(t, false, sim.Fault{Kind: "refuse", Clients: []int64{3}, Times: 1})
	var dial *net.OpError
	if _, err := a.send("GET", feedPath(3), ""); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &dial) || dial.Op != "dial" {
		t.Errorf("in process: %v", err)
	}
	a.wantFeed(3)

	var shut []time.Duration
	a = newAPI(t, func(o *sim.Options) {
		o.Faults = []sim.Fault{{Kind: "refuse", Clients: []int64{3}, Times: 1, N: 2000}}
		o.TurnAway = func(d time.Duration) { shut = append(shut, d) }
	}).overPort()
	if _, err := a.send("GET", feedPath(3), ""); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("over a port: %v", err)
	}
	a.wantFeed(3)
	if len(shut) != 1 || shut[0] != 2*time.Second {
		t.Errorf("the port was shut for %v", shut)
	}
}

func TestAnErrorThatLooksLikeASuccess(t *testing.T) {
	for _, mode := range []string{"0", "1"} {
		a := faulty(t, false, sim.Fault{Kind: "error_200", Code: "internal_error", Method: "any"})
		a.headers.Set("Use-Http-Code", mode)
		for _, r := range []response{
			a.wantError("GET", feedPath(3), "", "internal_error"), a.wantError("POST", listPath, "{}", "internal_error"),
			a.wantError("POST", contactsPath, `{"metrics":["sent"]}`, "internal_error"),
		} {
			if r.StatusCode != 200 {
				t.Errorf("mode %s: %d", mode, r.StatusCode)
			}
		}
	}
}

func TestAClockThatIsWrong(t *testing.T) {
	for _, port := range []bool{false, true} {
		for _, skew := range []time.Duration{10 * 365 * 24 * time.Hour, -100 * time.Hour} {
			a := faulty(t, port, sim.Fault{Kind: "clock", N: int(skew.Seconds())}, sim.Fault{Kind: "error", Code: "internal_error", Clients: []int64{4}})
			for _, r := range []response{a.do("GET", feedPath(3), ""), a.wantError("GET", feedPath(4), "", "internal_error")} {
				date, err := http.ParseTime(r.Header.Get("Date"))
				if off := date.Sub(time.Now().Add(skew)).Abs(); err != nil || off > time.Minute {
					t.Errorf("port %v: the answer is of %q, %v", port, r.Header.Get("Date"), err)
				}
			}
		}
	}
}
