package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// ListQuestion asks for a page of clients.
type ListQuestion struct {
	Filters json.RawMessage `json:"filters,omitempty"` // as the API takes them; nil: none
	Limit   int64           `json:"limit"`
	Offset  int64           `json:"offset"`
}

// ListPage is a page of clients. Its rows lie in one body, which they keep in memory.
type ListPage struct {
	Rows  [][]byte // elements of "clients", JSON as received
	Total int64    // how many clients the API says there are
}

// List asks for a page of clients.
func (c *Client) List(ctx context.Context, q ListQuestion) (*ListPage, error) {
	f, err := c.post(ctx, "/project/clients", q)
	if err != nil {
		return nil, err
	}
	defer f.release()
	rows, err := f.elements("clients", &f.clients)
	if err != nil {
		return nil, err
	}
	total, err := f.count("total", f.total)
	if err != nil {
		return nil, err
	}
	return &ListPage{rows, total}, nil
}

// Feed is a client's feed.
type Feed struct {
	JSON  []byte // the array, as received; valid until Release
	Items int64

	fields *fields
}

// Release gives the feed's memory back to its client and ends its turn, if it is
// a large one: JSON must not be read any more. It is called once what was made of
// the feed is kept; until then no other large answer is read.
func (f *Feed) Release() {
	if f.fields != nil {
		f.Drop()
		f.fields.release()
	}
	*f = Feed{}
}

// Drop is Release without the end of the turn.
func (f *Feed) Drop() {
	f.JSON = nil
	if f.fields != nil {
		f.fields.client.giveBack(f.fields.body)
		*f.fields = fields{client: f.fields.client, release: f.fields.release}
	}
}

// Feed asks for a client's feed. A client that the API doesn't know is NotFound.
func (c *Client) Feed(ctx context.Context, client int64) (*Feed, error) {
	f, err := c.ask(ctx, http.MethodGet, "/project/clients/detail/feed", url.Values{"client": {strconv.FormatInt(client, 10)}}, nil)
	if err != nil {
		return nil, err
	}
	if fault := f.feed.check(f, "feed"); fault != nil {
		f.release()
		return nil, fault
	}
	return &Feed{JSON: f.feed.raw, Items: f.feed.n, fields: f}, nil
}

// ContactsQuestion asks for a page of one campaign's contacts.
type ContactsQuestion struct {
	Metrics   []string `json:"metric_ids"`
	Campaigns []int64  `json:"campaign_ids"`
	Limit     int64    `json:"limit"`
	Offset    int64    `json:"offset"`
}

// ContactsPage is a page of contacts. Its rows lie in one body, which they keep in memory.
type ContactsPage struct {
	Rows  [][]byte // elements of "data", JSON as received
	Total int64    // how many there are, whatever the limit
}

// Contacts asks for a page of a campaign's contacts.
func (c *Client) Contacts(ctx context.Context, q ContactsQuestion) (*ContactsPage, error) {
	f, err := c.post(ctx, "/project/clients/campaign/contact/list", q)
	if err != nil {
		return nil, err
	}
	defer f.release()
	rows, err := f.elements("data", &f.data)
	if err != nil {
		return nil, err
	}
	total, err := f.count("total_count", f.totalCount)
	if err != nil {
		return nil, err
	}
	return &ContactsPage{rows, total}, nil
}

// CodeInvalid is the code of a question that the API refuses for what stands in it.
const CodeInvalid = "request_data_validation_error"

// CodeTooLong is the code of a question whose body is longer than the server takes.
const CodeTooLong = "http_413"

// Import creates or updates clients: clients is a JSON array of them, which the
// API takes whole or not at all. A call whose answer was lost may have been
// carried out; carrying it out again does no harm.
func (c *Client) Import(ctx context.Context, clients []byte) error {
	f, err := c.ask(ctx, http.MethodPost, "/project/clients/import", url.Values{}, clients)
	if err != nil {
		return err
	}
	f.release()
	c.giveBack(f.body)
	return nil
}

func (c *Client) post(ctx context.Context, path string, question any) (*fields, *Error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(question); err != nil {
		return nil, &Error{Kind: Rejected, Code: "bad_question", Description: c.clean(err.Error())}
	}
	return c.ask(ctx, http.MethodPost, path, url.Values{}, bytes.TrimSpace(body.Bytes()))
}
