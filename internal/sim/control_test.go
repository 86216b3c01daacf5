package sim_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/internal/sim"
	"roistat-etl/internal/sim/world"
)

func TestStatsCountWhatWasAsked(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.Key = "top-secret" })
	a.wantFeed(3)
	a.wantFeed(3)
	a.wantFeed(4)
	a.wantError("GET", feedPath(500), "", "resource_not_found")
	a.list(`{}`)
	r := a.do("GET", "/_sim/stats", "")
	var got sim.Stats
	if err := json.Unmarshal(r.body, &got); err != nil {
		t.Fatal(err)
	}
	want := sim.Stats{
		Total:       5,
		Calls:       map[string]map[string]int64{"feed": {"success": 3, "resource_not_found": 1}, "list": {"success": 1}},
		InFlightMax: 1, Bytes: got.Bytes, Listed: 100,
		Feeds: sim.FeedStats{Calls: 4, Distinct: 3, Repeated: 1, ByClient: map[int64]int64{3: 2}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got.Bytes == 0 || bytes.Contains(r.body, []byte("top-secret")) {
		t.Errorf("%s", r.body)
	}
	a.do("POST", "/_sim/reset-stats", "")
	if st := a.server.Stats(); st.Total != 0 || st.Feeds.Calls != 0 {
		t.Errorf("after the reset: %+v", st)
	}
}

func TestNightOverTheWire(t *testing.T) {
	a, b := newAPI(t, nil), newAPI(t, nil)
	if r := a.do("POST", "/_sim/night?n=2&share=10%25", ""); r.StatusCode != 200 || !strings.Contains(string(r.body), `"nights":2`) {
		t.Fatalf("%s", r.body)
	}
	b.server.Night(2, 0.1)
	for _, id := range b.server.State().Clients() {
		if !bytes.Equal(a.wantFeed(id), b.wantFeed(id)) {
			t.Fatalf("client %d differs", id)
		}
	}
	for _, bad := range []string{"?n=-1", "?n=x", "?share=3", "?n=100000"} {
		if r := a.do("POST", "/_sim/night"+bad, ""); r.StatusCode != 400 {
			t.Errorf("%s: %d", bad, r.StatusCode)
		}
	}
	if n := a.server.State().Nights(); n != 2 {
		t.Errorf("%d nights", n)
	}
}

func TestTruthOverTheWireIsTheTruth(t *testing.T) {
	a := newAPI(t, nil)
	a.server.Night(1, 0.2)
	want := map[string][]string{}
	err := a.server.State().Truth(func(table string, row []byte) error {
		want[table] = append(want[table], string(row))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	lines := bufio.NewScanner(bytes.NewReader(a.do("GET", "/_sim/truth", "").body))
	for lines.Scan() {
		var line struct {
			Table string
			Row   json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		got[line.Table] = append(got[line.Table], string(line.Row))
	}
	if d := cmp.Diff(want, got); d != "" || len(want) < 10 {
		t.Errorf("%d tables (-want +got):\n%s", len(want), d)
	}
	for _, table := range world.TableNames() {
		one := string(a.do("GET", "/_sim/truth?table="+table, "").body)
		if table := strings.Join(append(want[table], ""), "\n"); one != table {
			t.Errorf("%s: %d bytes, want %d", table, len(one), len(table))
		}
	}
}

func TestImportedOverTheWire(t *testing.T) {
	a := newAPI(t, nil)
	a.do("POST", importPath, `[{"id":"1","name":"A"}]`)
	var got sim.Imported
	if err := json.Unmarshal(a.do("GET", "/_sim/imported", "").body, &got); err != nil || got.Created != 1 || len(got.Bodies) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestControlsNeedNoKey(t *testing.T) {
	a := newAPI(t, nil)
	a.headers.Del("Api-Key")
	if r := a.do("GET", "/_sim/stats", ""); r.StatusCode != 200 {
		t.Errorf("%d", r.StatusCode)
	}
	if r := a.do("GET", "/_sim/nothing", ""); r.StatusCode != 404 {
		t.Errorf("%d", r.StatusCode)
	}
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]float64{"1%": 0.01, "0.5": 0.5, "100%": 1, "0": 0} {
		if got, err := sim.ParseShare(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "%", "101%", "-1", "NaN", "1%%"} {
		if _, err := sim.ParseShare(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestInvalidRows refuses what is told to be not valid, and names it.
func TestInvalidRows(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) {
		o.Faults = []sim.Fault{{Kind: "invalid", IDs: []string{"x"}}, {Kind: "invalid", N: 10}}
	})
	a.do("POST", importPath, `[{"id":"1","name":"A"},{"id":"y","name":"B"}]`)
	r := a.wantError("POST", importPath, `[{"id":"1","name":"A"},{"id":"x","name":"B"},{"id":"20","name":"C"}]`, "request_data_validation_error")
	if d := r.doc(t).Details; len(d) != 2 || d["1"] == nil || d["2"] == nil {
		t.Errorf("%v", d)
	}
	if kept := a.server.Imported(); kept.Rows != 2 || kept.Calls != 1 {
		t.Errorf("%+v", kept)
	}
}

// TestCountImports counts and keeps nothing.
func TestCountImports(t *testing.T) {
	a := newAPI(t, func(o *sim.Options) { o.CountImports = true })
	a.do("POST", importPath, `[{"id":"1","name":"A"},{"id":"2","name":"B"}]`)
	if kept := a.server.Imported(); kept.Rows != 2 || kept.Calls != 1 || len(kept.Bodies) != 0 || len(kept.Clients) != 0 {
		t.Errorf("%+v", kept)
	}
}
