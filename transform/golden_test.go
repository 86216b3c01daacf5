package transform_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// sample reads an array of the API's documentation; its feed has the missing commas put in.
func sample(t testing.TB, name string) (whole []byte, rows [][]byte) {
	t.Helper()
	whole, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(whole, &raw); err != nil {
		t.Fatal(err)
	}
	for _, r := range raw {
		rows = append(rows, r)
	}
	return whole, rows
}

func TestDocumentationSample(t *testing.T) {
	feed, _ := sample(t, "feed.json")
	_, clients := sample(t, "clients.json")
	_, contacts := sample(t, "contacts.json")
	seen := time.Date(2026, 7, 26, 1, 2, 3, 4_000_000, time.UTC)
	p := newProjector(t, transform.Options{})

	b, err := p.Clients([]schemas.Client{
		{ID: 6, Row: clients[1], Ordinal: 1, FirstSeenAt: seen, GoneAt: seen.Add(time.Hour)},
		{ID: 7, Row: clients[0], FirstSeenAt: seen, Feed: feed, FeedAt: seen.Add(time.Minute)},
	})
	out, _ := projected(t, b, err)
	b, err = p.Campaigns([]schemas.Campaign{{ID: 2, Rows: contacts}})
	more, _ := projected(t, b, err)
	b, err = p.Unlisted([]schemas.Unlisted{{Ordinal: 2, Raw: []byte(`{"id":null,"name":"Nobody"}`)}})
	rejects, _ := projected(t, b, err)
	golden(t, "sample.golden", out.String()+more.String()+rejects.String())
}
