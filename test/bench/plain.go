package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// connections is how many calls are under way at once, here and in the
// configuration of the runs.
const connections = 16

// client is a plain reader of the API: no retries, no pace, no mirror.
type client struct {
	http *http.Client
	url  string
}

// newClient keeps all its connections open. Unless bare it is net/http as it
// comes, which asks for gzip; bare asks for no compression, the cheapest there
// is for both sides on one machine.
func newClient(url string, bare bool) *client {
	return &client{url: url, http: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: bare,
	}}}
}

// do sends one call and gives its body to use.
func (c *client) do(ctx context.Context, method, path string, body []byte, use func(io.Reader) error) (err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Api-Key", simKey)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	defer func() {
		if cerr := resp.Body.Close(); err == nil {
			err = cerr
		}
	}()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("call %s: %s", path, resp.Status)
	}
	return use(resp.Body)
}

// list reads the rows of all clients, page after page.
func (c *client) list(ctx context.Context, each func(row json.RawMessage) error) error {
	const page = 1000
	for offset := 0; ; {
		var answer struct {
			Clients []json.RawMessage `json:"clients"`
		}
		query := fmt.Appendf(nil, `{"limit":%d,"offset":%d}`, page, offset)
		err := c.do(ctx, http.MethodPost, "/project/clients?project="+project, query, func(r io.Reader) error {
			return json.NewDecoder(r).Decode(&answer)
		})
		if err != nil {
			return fmt.Errorf("read the clients from %d: %w", offset, err)
		}
		if len(answer.Clients) == 0 {
			return nil
		}
		for _, row := range answer.Clients {
			if err := each(row); err != nil {
				return err
			}
		}
		offset += len(answer.Clients)
	}
}

// ids reads the ids of all clients.
func (c *client) ids(ctx context.Context) ([]int64, error) {
	var ids []int64
	err := c.list(ctx, func(row json.RawMessage) error {
		var head struct {
			ID json.Number `json:"id"`
		}
		if err := json.Unmarshal(row, &head); err != nil {
			return fmt.Errorf("read a client's row: %w", err)
		}
		id, err := head.ID.Int64()
		if err != nil {
			return fmt.Errorf("read a client's id: %w", err)
		}
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// feeds reads the feeds of all clients over all connections. use is called from
// several goroutines at once.
func (c *client) feeds(ctx context.Context, ids []int64, use func(id int64, body io.Reader) error) error {
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan int64)
	g.Go(func() error { return send(ctx, ids, todo) })
	for range connections {
		g.Go(func() error {
			for id := range todo {
				path := "/project/clients/detail/feed?project=" + project + "&client=" + strconv.FormatInt(id, 10)
				if err := c.do(ctx, http.MethodGet, path, nil, func(r io.Reader) error { return use(id, r) }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// send hands out the ids until there are none, or someone failed.
func send(ctx context.Context, ids []int64, to chan<- int64) error {
	defer close(to)
	for _, id := range ids {
		select {
		case to <- id:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
