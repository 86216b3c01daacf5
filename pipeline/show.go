package pipeline

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// ClientView is one client: what the API gave, and the rows and rejects made of it.
type ClientView struct {
	Raw  RawClient
	Rows []Row // table by table

	Forgotten *ForgottenView // instead of both: it was erased
}

// ForgottenView is all that is known of a client that was erased.
type ForgottenView struct {
	Table       string  `json:"table"` // always "raw"
	ClientID    int64   `json:"client_id"`
	ForgottenAt string  `json:"forgotten_at"`
	Row         *string `json:"row"`  // null
	Feed        *string `json:"feed"` // null
}

// RawClient is what the API gave of a client.
type RawClient struct {
	Table       string          `json:"table"` // always "raw", so that it isn't taken for a row
	ClientID    int64           `json:"client_id"`
	FirstSeenAt string          `json:"first_seen_at"`
	GoneAt      *string         `json:"gone_at"`
	FetchedAt   *string         `json:"feed_fetched_at"`
	Row         json.RawMessage `json:"row"`
	Feed        json.RawMessage `json:"feed"`
}

// ShowClient reads one client from a pipeline's mirror; nil if it isn't known there.
func ShowClient(ctx context.Context, p *config.Pipeline, id int64) (_ *ClientView, err error) {
	m, err := read(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	at, forgotten, err := m.Forgotten(ctx, id)
	if err != nil {
		return nil, err
	}
	if forgotten {
		return &ClientView{Forgotten: &ForgottenView{Table: "raw", ClientID: id, ForgottenAt: at.Format(TimeLayout)}}, nil
	}
	c, ok, err := m.Client(ctx, id)
	if err != nil || !ok {
		return nil, err
	}
	batches, err := transform.New(memory.NewGoAllocator(), transformOptions(p)).Clients([]schemas.Client{c})
	if err != nil {
		return nil, err
	}
	defer batches.Release()
	view := &ClientView{Raw: rawClient(c)}
	for _, t := range schemas.Tables() {
		if record := batches.Records[t.ID]; record != nil {
			view.Rows = append(view.Rows, rowsOf(t, record)...)
		}
	}
	return view, nil
}

func rawClient(c schemas.Client) RawClient {
	r := RawClient{Table: "raw", ClientID: c.ID, FirstSeenAt: c.FirstSeenAt.UTC().Format(TimeLayout), Row: rawJSON(c.Row), Feed: rawJSON(c.Feed)}
	if !c.GoneAt.IsZero() {
		at := c.GoneAt.UTC().Format(TimeLayout)
		r.GoneAt = &at
	}
	if !c.FeedAt.IsZero() {
		at := c.FeedAt.UTC().Format(TimeLayout)
		r.FetchedAt = &at
	}
	return r
}

// rawJSON passes JSON through; what is broken becomes a text.
func rawJSON(b []byte) json.RawMessage {
	if b == nil {
		return nil
	}
	if json.Valid(b) {
		return b
	}
	quoted, err := json.Marshal(string(b))
	if err != nil {
		return nil // a string always marshals
	}
	return quoted
}
