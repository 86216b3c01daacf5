package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim"
)

// feedOf returns a client's feed in the mirror.
func feedOf(t *testing.T, m *mirror.Mirror, id int64) string {
	t.Helper()
	c, ok, err := m.Client(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("client %d: %v, %v", id, ok, err)
	}
	return string(c.Feed)
}

// always makes all feeds due at each run.
func always(o Options) Options {
	o.Refresh.MinAge = 0
	return o
}

func TestASuspiciousFeedIsAskedForOnceMore(t *testing.T) {
	for _, c := range []struct {
		name                  string
		before, first, second int
		calls                 int
		want                  int
	}{
		{"empty, then full", 3, 0, 4, 2, 4},
		{"empty twice", 3, 0, 0, 2, 0},
		{"less than half of ten", 10, 4, 10, 2, 10},
		{"less than half, twice", 100, 49, 48, 2, 48},
		{"half", 10, 5, 9, 1, 5},
		{"less than half of nine", 9, 1, 9, 1, 1},
		{"it was empty before", 0, 0, 9, 1, 0},
		{"more", 10, 11, 9, 1, 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t)
			n := c.before
			f := &fake{list: static(1), feed: func(context.Context, int64) (*api.Feed, error) { return items(n), nil }}
			extract(t, options(m, f))
			f.asked = 0
			f.feed = func(context.Context, int64) (*api.Feed, error) {
				if f.asked == 1 {
					return items(c.first), nil
				}
				return items(c.second), nil
			}
			r := extract(t, always(options(m, f)))
			if f.asked != c.calls || r.Feeds.Fetched != 1 || r.Feeds.Due != 1 || r.Feeds.Left != 0 || feedOf(t, m, 1) != string(items(c.want).JSON) {
				t.Errorf("%d calls, %+v, %s", f.asked, r.Feeds, feedOf(t, m, 1))
			}
		})
	}
}

func TestASuspicionOutlivesTheRun(t *testing.T) {
	m := newMirror(t)
	f := &fake{list: static(1), feed: func(context.Context, int64) (*api.Feed, error) { return items(3), nil }}
	extract(t, options(m, f))
	f.feed = func(context.Context, int64) (*api.Feed, error) { return items(0), nil }
	o := always(options(m, f))
	o.Refresh = Refresh{Budget: 1, MaxAge: time.Nanosecond}
	if r := extract(t, o); r.Stopped != ByBudget || r.Feeds.Left != 1 || feedOf(t, m, 1) != string(items(3).JSON) {
		t.Errorf("no budget for the second call: %+v, %s", r, feedOf(t, m, 1))
	}
	f.asked = 0
	if r := extract(t, options(m, f)); r.Feeds.Fetched != 1 || f.asked != 1 || feedOf(t, m, 1) != "[]" {
		t.Errorf("the next run: %+v, %d calls, %s", r, f.asked, feedOf(t, m, 1))
	}
}

func TestTheBudgetKeepsWhatWasPromised(t *testing.T) {
	m := newMirror(t)
	n := 20
	f := &fake{list: static(100), feed: func(context.Context, int64) (*api.Feed, error) { return items(n), nil }}
	extract(t, options(m, f))
	n = 1
	o := options(m, f)
	o.Concurrency = 1
	o.Refresh = Refresh{Budget: 40, MaxAge: time.Nanosecond}
	r := extract(t, o)
	if r.Calls.Feed != 40 || r.Feeds.Fetched != 20 || r.Feeds.Left != 80 || r.Stopped != ByBudget {
		t.Errorf("got %+v", r)
	}
}

func TestBudgetCountsRetries(t *testing.T) {
	bubble(t, func(t *testing.T, m *mirror.Mirror) {
		var n atomic.Int64
		f := &fake{list: static(100), feed: func(context.Context, int64) (*api.Feed, error) {
			if n.Add(1)%2 == 1 {
				return nil, apiError(api.Transient, "internal_error", 500)
			}
			return items(1), nil
		}}
		o := options(m, f)
		o.Refresh.Budget, o.Concurrency = 30, 1
		r := extract(t, o)
		if r.Calls.Feed != 30 || r.Feeds.Fetched != 15 || r.Feeds.Left != 85 || r.Feeds.Failed != 0 || r.Calls.Retried != 15 || r.Stopped != ByBudget {
			t.Errorf("got %+v", r)
		}
		o.Refresh.Budget = 200
		if r = extract(t, o); r.Feeds.Left != 0 || r.Stopped != "" {
			t.Errorf("enough: %+v", r)
		}
	})
}

func TestEachKindOfError(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     *api.Error
		calls   int
		failed  string
		ends    bool
		fetched int64
	}{
		{"transient", apiError(api.Transient, "http_502", 502), 3, "http_502", false, 9},
		{"bad answer", apiError(api.Bad, "bad_json", 200), 3, "bad_json", false, 9},
		{"refused alone", apiError(api.Rejected, "incorrect_request", 400), 1, "incorrect_request", false, 9},
		{"not found", apiError(api.NotFound, "resource_not_found", 404), 1, "", false, 10},
		{"refused for good", apiError(api.Refused, "project_frozen", 402), 1, "", true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t)
			f := &fake{list: static(10), feed: func(_ context.Context, id int64) (*api.Feed, error) {
				if id == 5 {
					return nil, c.err
				}
				return items(2), nil
			}}
			r, err := Run(t.Context(), options(m, f))
			if f.byClient[5] != c.calls || (err != nil) != c.ends || err != nil && !errors.Is(err, c.err) {
				t.Errorf("%d calls, %v", f.byClient[5], err)
			}
			if c.ends {
				return
			}
			if r.Feeds.Fetched != c.fetched || r.Feeds.Left != 0 || r.Feeds.Failed != 10-c.fetched {
				t.Errorf("got %+v", r.Feeds)
			}
			if c.failed != "" && (len(r.FailedClients) != 1 || r.FailedClients[0].ClientID != 5 || r.FailedClients[0].Code != c.failed || r.FailedClients[0].Error == "") {
				t.Errorf("failed: %+v", r.FailedClients)
			}
			if st, err := m.Stats(t.Context(), time.Now()); err != nil || st.NeverFetched != 10-c.fetched || st.NeverFetched != r.Feeds.NeverFetched {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
}

func TestAFailedClientKeepsItsFeed(t *testing.T) {
	m := newMirror(t)
	f := &fake{list: static(3)}
	extract(t, options(m, f))
	for _, e := range []*api.Error{apiError(api.Transient, "network", 0), apiError(api.NotFound, "resource_not_found", 404)} {
		f.feed = func(context.Context, int64) (*api.Feed, error) { return nil, e }
		r := extract(t, always(options(m, f)))
		if feedOf(t, m, 2) != string(items(1).JSON) || r.Clients.Gone != 0 {
			t.Errorf("%s: %s, %+v", e.Code, feedOf(t, m, 2), r)
		}
	}
}

func TestALargeFeedThatHardlyCompressesIsTooLarge(t *testing.T) {
	m := newMirror(t)
	f := &fake{list: static(3)}
	extract(t, options(m, f))
	noise := rand.New(rand.NewPCG(1, 1))
	text := make([]byte, maxPacked+maxPacked/8)
	for i := range text {
		text[i] = byte('0' + noise.Uint32()&63)
	}
	f.feed = func(_ context.Context, id int64) (*api.Feed, error) {
		if id == 2 {
			return &api.Feed{JSON: text, Items: 1}, nil
		}
		return items(2), nil
	}
	r := extract(t, always(options(m, f)))
	if r.Feeds.Fetched != 2 || len(r.FailedClients) != 1 || r.FailedClients[0].ClientID != 2 || r.FailedClients[0].Code != "too_large" {
		t.Errorf("got %+v, %+v", r.Feeds, r.FailedClients)
	}
	if feedOf(t, m, 2) != string(items(1).JSON) {
		t.Error("the last good feed is gone")
	}
}

func TestNotFoundAndMissedIsGone(t *testing.T) {
	m := newMirror(t)
	f := &fake{list: static(3)}
	extract(t, options(m, f))
	f.list = static(2)
	f.feed = func(_ context.Context, id int64) (*api.Feed, error) {
		if id == 3 {
			return nil, apiError(api.NotFound, "resource_not_found", 404)
		}
		return items(1), nil
	}
	r := extract(t, always(options(m, f)))
	if r.Clients.Gone != 1 || r.Feeds.Fetched != 3 || r.Feeds.Failed != 0 {
		t.Errorf("got %+v", r)
	}
	if c, _, err := m.Client(t.Context(), 3); err != nil || c.GoneAt.IsZero() || string(c.Feed) != string(items(1).JSON) {
		t.Errorf("%+v, %v", c, err)
	}
	if r = extract(t, always(options(m, f))); r.Feeds.Due != 2 {
		t.Errorf("the gone are due: %+v", r.Feeds)
	}
}

func TestAnAPIThatIsDownIsLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		err  *api.Error
		down bool
	}{
		{"network", apiError(api.Transient, "network", 0), true},
		{"errors", apiError(api.Transient, "internal_error", 500), false},
		{"refused one by one", apiError(api.Rejected, "incorrect_request", 400), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{list: static(1000), feed: func(context.Context, int64) (*api.Feed, error) { return nil, c.err }}
			o := options(newMirror(t), f)
			o.MaxAttempts = 1
			r, err := Run(t.Context(), o)
			if errors.Is(err, ErrDown) != c.down || (err != nil) != c.down || f.asked < maxStreak || f.asked > maxStreak+o.Concurrency {
				t.Errorf("%d calls, %v", f.asked, err)
			}
			if !c.down && (r.Stopped != ByFailures || r.Feeds.Failed < maxStreak || r.Feeds.Left < 900) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestWhatWasAnsweredIsKeptWhenTheRunIsCancelled(t *testing.T) {
	m := newMirror(t)
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var answered atomic.Int64
	f := &fake{list: static(1000)}
	f.feed = func(ctx context.Context, id int64) (*api.Feed, error) {
		if id%3 == 0 {
			<-ctx.Done() // in flight until it is cancelled
			return nil, cancelled(ctx)
		}
		if answered.Add(1) == 100 {
			cancel(why)
		}
		return items(1), nil
	}
	o := options(m, f)
	o.Concurrency = 400
	r, err := Run(ctx, o)
	if !errors.Is(err, why) || r.Feeds.Failed != 0 || r.Feeds.Fetched != answered.Load() {
		t.Errorf("%d answered, %+v, %v", answered.Load(), r.Feeds, err)
	}
	if st, err := m.Stats(t.Context(), time.Now()); err != nil || 1000-st.NeverFetched != answered.Load() {
		t.Errorf("%d answered, %+v, %v", answered.Load(), st, err)
	}
}

// cancelled is the error that the client makes of a call that was cancelled.
func cancelled(ctx context.Context) error {
	c, err := api.New(api.Options{BaseURL: "http://127.0.0.1:1", Key: "k"})
	if err != nil {
		return err
	}
	_, err = c.Feed(ctx, 1)
	return err
}

func TestPlan(t *testing.T) {
	m := newMirror(t)
	dates := func(rows ...string) func(api.ListQuestion) (*api.ListPage, error) {
		list := make([][]byte, len(rows))
		for i, r := range rows {
			list[i] = []byte(r)
		}
		return paged(&list, 1000)
	}
	read := func(rows ...string) {
		t.Helper()
		extract(t, options(m, &fake{list: dates(rows...)}))
	}
	read(`{"id":1}`, `{"id":2}`)
	time.Sleep(5 * time.Millisecond)
	half := time.Now()
	time.Sleep(5 * time.Millisecond)
	read(`{"id":1}`, `{"id":2}`, `{"id":3}`, `{"id":4}`)
	r := &run{Options: options(m, &fake{list: dates(`{"id":1,"x":1}`, `{"id":2}`, `{"id":3}`, `{"id":4,"x":1}`,
		`{"id":5}`, `{"id":6,"first_visit_date":"2021-01-01"}`, `{"id":7,"last_order_date":"2022-01-01"}`)}), result: &Result{}}
	r, err := newRun(t.Context(), r.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.list(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, c := range []struct {
		name    string
		refresh Refresh
		want    []int64
		counts  Counts
	}{
		{"fresh feeds", Refresh{MaxAge: time.Hour, MinAge: time.Hour}, []int64{5, 6, 7, 1, 4}, Counts{3, 2, 0}},
		{"older than min_age", Refresh{MaxAge: time.Hour, MinAge: now.Sub(half)}, []int64{5, 6, 7, 1, 4, 2}, Counts{3, 2, 1}},
		{"all are older", Refresh{MaxAge: time.Hour}, []int64{5, 6, 7, 1, 4, 2, 3}, Counts{3, 2, 2}},
		{"a budget", Refresh{MaxAge: time.Hour, Budget: 3}, []int64{7, 6, 5, 1, 4}, Counts{3, 2, 0}},
		{"a deadline", Refresh{MaxAge: time.Hour, Limited: true}, []int64{7, 6, 5, 1, 4}, Counts{3, 2, 0}},
		{"a budget, older than max_age", Refresh{MaxAge: now.Sub(half), Budget: 3}, []int64{7, 6, 5, 1, 4, 2}, Counts{3, 2, 1}},
		{"full", Refresh{MaxAge: time.Hour, Budget: 3, Full: true, FullSince: now}, []int64{7, 6, 5, 1, 4, 2, 3}, Counts{3, 2, 2}},
		{"full, gone on with", Refresh{MaxAge: time.Hour, Budget: 3, Full: true, FullSince: half}, []int64{7, 6, 5, 1, 4, 2}, Counts{3, 2, 1}},
	} {
		list, counts, err := Plan(t.Context(), m.Reader, c.refresh, now)
		var got []int64
		for _, d := range list {
			got = append(got, d.Client)
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" || counts != c.counts {
			t.Errorf("%s: %+v, %v, (-want +got) %s", c.name, counts, err, diff)
		}
	}
}

func TestAFullReadingEndsOnceNothingIsLeft(t *testing.T) {
	m := newMirror(t)
	f := &fake{list: static(20)}
	extract(t, options(m, f))
	time.Sleep(2 * time.Millisecond)
	full := options(m, f)
	full.Refresh.Full = true
	extract(t, full)
	if r := extract(t, full); r.Feeds.Due != 0 {
		t.Errorf("read again before it was published: %+v", r.Feeds)
	}
	if err := EndFull(t.Context(), m, false); err != nil { // another run has published it
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond)
	if r := extract(t, full); r.Feeds.Due != 20 {
		t.Errorf("not begun anew: %+v", r.Feeds)
	}
}

func TestAnInterruptedFullGoesOn(t *testing.T) {
	m := newMirror(t)
	f := &fake{list: static(20)}
	extract(t, options(m, f))
	full := options(m, f)
	full.Refresh.Full, full.Refresh.Budget = true, 8
	want := []int64{8, 8, 4, 8}
	time.Sleep(2 * time.Millisecond)
	for i, n := range want {
		r := extract(t, full)
		if r.Feeds.Fetched != n {
			t.Errorf("run %d: %+v, want %d", i, r.Feeds, n)
		}
		if err := EndFull(t.Context(), m, r.Stopped == ""); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if r := extract(t, options(m, f)); r.Feeds.Due != 0 {
				t.Errorf("an ordinary run between: %+v", r.Feeds)
			}
		}
	}
}

func TestTheKeyIsInNoLogAndNoResult(t *testing.T) {
	s := newSim(t, 50, func(o *sim.Options) {
		o.Faults = []sim.Fault{{Kind: "error", Code: "internal_error", Share: 0.3}, {Kind: "html", Share: 0.5}}
	})
	var log bytes.Buffer
	for _, key := range []string{"sim-key", "a-wrong-secret"} {
		c, err := api.New(api.Options{BaseURL: "http://127.0.0.1/api/v1", Key: key, Project: "12345", Transport: sim.Transport(s)})
		if err != nil {
			t.Fatal(err)
		}
		o := options(newMirror(t), c)
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		r, err := Run(t.Context(), o)
		if text := fmt.Sprintf("%+v %v", r, err) + log.String(); strings.Contains(text, key) {
			t.Errorf("the key %s is told: %.300s", key, text)
		}
		var e *api.Error
		if key != "sim-key" && (!errors.As(err, &e) || e.Kind != api.Refused || r.Calls.List != 1 || api.Remedy(e.Code) == "") {
			t.Errorf("a wrong key: %+v, %v", r.Calls, err)
		}
	}
	if s.Stats().KeyInURL != 0 || log.Len() == 0 {
		t.Errorf("%d URLs hold the key; %d bytes of log", s.Stats().KeyInURL, log.Len())
	}
}

func TestFaultsOfTheSim(t *testing.T) {
	for _, kind := range []string{"truncate", "reset", "html", "half_json", "no_status", "gateway", "error"} {
		for _, times := range []int{1, 0} {
			t.Run(fmt.Sprint(kind, " ", times), func(t *testing.T) {
				bubble(t, func(t *testing.T, m *mirror.Mirror) {
					f := sim.Fault{Kind: kind, Method: "feed", Clients: []int64{5, 6, 7}, Times: times}
					if kind == "error" {
						f.Code = "internal_error"
					}
					s := newSim(t, 60, func(o *sim.Options) { o.Faults = []sim.Fault{f} })
					r := extract(t, options(m, client(t, s)))
					want := int64(0)
					if times == 0 {
						want = 3
					}
					if r.Feeds.Failed != want || r.Feeds.Left != 0 || int64(len(r.FailedClients)) != want {
						t.Errorf("got %+v, %+v", r.Feeds, r.FailedClients)
					}
				})
			})
		}
	}
}
