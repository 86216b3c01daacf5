package extract

import (
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim"
)

func TestRunReadsEverythingOnce(t *testing.T) {
	s := newSim(t, 500, func(o *sim.Options) { o.MaxPage = 100 })
	m := newMirror(t)
	o := options(m, client(t, s))
	o.Campaigns = []Campaign{{ID: 2, Metrics: []string{"sent", "opened"}}}
	r := extract(t, o)
	clients := r.Clients.Listed
	if r.Stopped != "" || !r.Clients.Complete || r.Clients.New != clients || r.Feeds.Fetched != clients || len(r.Incomplete()) != 0 {
		t.Errorf("first run: %+v, %q", r, r.Incomplete())
	}
	st := s.Stats()
	if st.Feeds.Calls != r.Calls.Feed || st.Feeds.Repeated != 0 || st.Feeds.Distinct != clients {
		t.Errorf("the API was asked %d feeds, %d repeated", st.Feeds.Calls, st.Feeds.Repeated)
	}
	var b mirror.Buffer
	for block, err := range m.Scan(t.Context(), 7) {
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range block {
			c, err := p.Unpack(&b)
			if err != nil || c.Feed == nil || c.Row == nil || c.FeedAt.IsZero() {
				t.Fatalf("client %d: %v", p.ID(), err)
			}
		}
	}
	again := extract(t, o)
	if diff := cmp.Diff(Feeds{OldestAt: again.Feeds.OldestAt}, again.Feeds); diff != "" {
		t.Errorf("second run (-want +got): %s", diff)
	}
	if again.Clients.New != 0 || again.Clients.Changed != 0 || again.Clients.Gone != 0 {
		t.Errorf("second run: %+v", again.Clients)
	}
}

// TestCallsAreCountedExactly: net/http must not repeat a call on its own, which
// nobody would have entered into the journal.
func TestCallsAreCountedExactly(t *testing.T) {
	s := newSim(t, 200, func(o *sim.Options) {
		o.Faults = []sim.Fault{{Kind: "reset", Method: "feed", Share: 0.2, Times: 1}, {Kind: "truncate", Method: "feed", Share: 0.2, Times: 1}}
	})
	h := httptest.NewServer(s)
	defer h.Close()
	c, err := api.New(api.Options{BaseURL: h.URL + "/api/v1", Key: "sim-key", Project: "12345", Concurrency: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := newMirror(t)
	r := extract(t, options(m, c))
	made := r.Calls.List + r.Calls.Feed
	if st := s.Stats(); st.Total != made || r.Feeds.Left+r.Feeds.Failed != 0 || r.Calls.Retried < 10 {
		t.Errorf("%d calls were made, %d counted: %+v", st.Total, made, r)
	}
	entered := int64(0)
	calls, err := m.Journal(t.Context(), r.StartedAt)
	for _, c := range calls {
		entered += c.N
	}
	if err != nil || entered != made {
		t.Errorf("%d calls were entered, %d made, %v", entered, made, err)
	}
}
