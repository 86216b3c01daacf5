package sim_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roistat-etl/internal/sim"
)

func TestAnswersThatBreakOnTheWay(t *testing.T) {
	for _, kind := range []string{"chunked_cut", "reset_header", "reset_body"} {
		for _, port := range []bool{false, true} {
			a := faulty(t, port, sim.Fault{Kind: kind, Clients: []int64{3}, Times: 1})
			if r, err := a.send("GET", feedPath(3), ""); err == nil && r.err == nil {
				t.Errorf("%s, port %v: arrived whole", kind, port)
			}
			a.wantFeed(3)
		}
	}
}

func TestAnswersThatTakeTheirTime(t *testing.T) {
	for _, kind := range []string{"stall", "slow"} {
		synctest.Test(t, func(t *testing.T) {
			a := faulty(t, false, sim.Fault{Kind: kind, Clients: []int64{3}})
			a.client.Timeout = time.Minute
			began := time.Now()
			r, err := a.send("GET", feedPath(3), "")
			if err != nil || r.StatusCode != 200 || !errors.Is(r.err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
				t.Errorf("%s: %v, %v after %v", kind, err, r.err, time.Since(began))
			}
		})
	}
}

func TestQuotaFaults(t *testing.T) {
	for _, c := range []struct {
		fault  sim.Fault
		status int
		after  string
	}{
		{sim.Fault{Kind: "limit"}, 429, ""},
		{sim.Fault{Kind: "limit", N: 7}, 429, "7"},
		{sim.Fault{Kind: "limit_200"}, 200, ""},
		{sim.Fault{Kind: "limit_date", N: 60}, 429, "Sun, 01 Jan 2040 00:01:00 GMT"},
		{sim.Fault{Kind: "limit_past"}, 429, "Mon, 01 Jan 1990 00:00:00 GMT"},
	} {
		a := faulty(t, false, c.fault)
		a.headers.Set("Use-Http-Code", "1")
		r := a.wantError(http.MethodGet, feedPath(3), "", "request_limit_error")
		if r.StatusCode != c.status || r.Header.Get("Retry-After") != c.after {
			t.Errorf("%+v: %d, %q", c.fault, r.StatusCode, r.Header.Get("Retry-After"))
		}
	}
}

func TestBodiesOfManyElements(t *testing.T) {
	a := faulty(t, false, sim.Fault{Kind: "empty_items", N: 3}, sim.Fault{Kind: "many_rows", N: 2})
	if body := string(a.do("GET", feedPath(3), "").body); body != `{"feed":[{},{},{}],"status":"success"}` {
		t.Error(body)
	}
	if body := string(a.do("POST", listPath, "{}").body); !strings.HasPrefix(body, `{"clients":[{},{}]`) {
		t.Error(body)
	}
	a = faulty(t, false, sim.Fault{Kind: "long_text", N: 5000})
	if n := strings.Count(string(a.do("GET", feedPath(3), "").body), "x"); n < 5000 {
		t.Errorf("%d bytes", n)
	}
}
