package transform_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"roistat-etl/internal/sim/world"
	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// TestTheStandInsTruth projects a whole world, as its JSON, and compares all rows
// with what the world itself, typed, says they are.
func TestTheStandInsTruth(t *testing.T) {
	for _, seed := range []uint64{1, 20260726} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cfg := world.DefaultConfig()
			cfg.Seed, cfg.Clients, cfg.Whale = seed, 600, seed == 1
			w, err := world.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			state := w.State().Night(0.3).Night(0.3)
			compareTruth(t, state, projectWorld(t, state))
		})
	}
}

// projectWorld projects clients by blocks, then campaigns and what is not listed.
func projectWorld(t *testing.T, state *world.State) tables {
	t.Helper()
	p := newProjector(t, transform.Options{})
	var all tables
	add := func(b *transform.Batches, err error) {
		t.Helper()
		ts, _ := projected(t, b, err)
		for id := range ts {
			all[id] = append(all[id], ts[id]...)
		}
	}
	var unlisted []schemas.Unlisted
	var clients []schemas.Client
	for n := state.Listed() - 1; n >= 0; n-- {
		row := world.AppendRow(nil, state.Row(n))
		id := state.At(n)
		if id < 0 {
			unlisted = append(unlisted, schemas.Unlisted{Ordinal: int64(n), Raw: row})
			continue
		}
		feed, _ := state.Feed(id)
		clients = append(clients, schemas.Client{
			ID: id, Row: row, Ordinal: int64(n), FirstSeenAt: time.Unix(0, 0), Feed: feedIn(t, world.AppendFeed(nil, feed)),
		})
	}
	for block := range slices.Chunk(clients, 100) {
		add(p.Clients(block))
	}
	add(p.Unlisted(unlisted))
	add(p.Campaigns(campaignsOf(state.World())))
	return all
}

// feedIn returns the array inside the API's answer.
func feedIn(t *testing.T, answer []byte) []byte {
	t.Helper()
	var a struct{ Feed json.RawMessage }
	if err := json.Unmarshal(answer, &a); err != nil {
		t.Fatal(err)
	}
	return a.Feed
}

func campaignsOf(w *world.World) (list []schemas.Campaign) {
	for id := 1; id <= world.Campaigns; id++ {
		c := schemas.Campaign{ID: int64(id)}
		for n := range w.ContactCount(id) {
			contact := w.Contact(id, n)
			asked := map[string]bool{}
			for _, m := range contact.Metrics {
				asked[m.Key] = true
			}
			c.Rows = append(c.Rows, world.AppendContact(nil, &contact, asked))
		}
		list = append(list, c)
	}
	return list
}

// keyOf tells the rows of a table apart.
func keyOf(table string, r row) string {
	switch table {
	case "clients":
		return r["client_id"]
	case "campaign_contacts":
		return r["campaign_id"] + "|" + r["metric"] + "|" + r["contact"]
	case "rejects":
		return strings.Join([]string{r["source"], r["client_id"], r["ordinal"], r["field"], r["reason"]}, "|")
	}
	return r["event_id"]
}

func compareTruth(t *testing.T, state *world.State, got tables) {
	t.Helper()
	rows := map[string]map[string][]row{}
	for id, list := range got {
		table := schemas.Get(schemas.ID(id))
		rows[table.Name] = map[string][]row{}
		for _, r := range list {
			key := keyOf(table.Name, r)
			rows[table.Name][key] = append(rows[table.Name][key], r)
		}
	}
	seen := map[string]int{}
	err := state.Truth(func(table string, text []byte) error {
		want := truthRow(t, text)
		seen[table]++
		key := keyOf(table, want)
		same := rows[table][key]
		if len(same) == 0 {
			return fmt.Errorf("%s has no row like %s", table, text)
		}
		rows[table][key] = same[1:]
		for name, value := range want {
			if same[0][name] != value {
				t.Errorf("%s: %s is %q, want %q: %s", table, name, same[0][name], value, text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for table, list := range rows {
		for _, left := range list {
			if len(left) > 0 {
				t.Errorf("%s: not in truth: %v", table, left)
			}
		}
		if seen[table] == 0 {
			t.Errorf("the world has no row of %s", table)
		}
	}
}

// truthRow reads a row of the truth into the text form of the tests.
func truthRow(t *testing.T, text []byte) row {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var columns map[string]any
	if err := d.Decode(&columns); err != nil {
		t.Fatal(err)
	}
	r := row{}
	for name, v := range columns {
		switch v := v.(type) {
		case nil:
			r[name] = null
		case map[string]any:
			var pairs []string
			for _, key := range slices.Sorted(maps.Keys(v)) {
				pairs = append(pairs, fmt.Sprintf("%s=%v", key, v[key]))
			}
			r[name] = "{" + strings.Join(pairs, "|") + "}"
		default:
			r[name] = fmt.Sprint(v)
		}
	}
	return r
}
