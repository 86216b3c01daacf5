package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// floor is what the plain program did.
type floor struct {
	Feeds   int64   `json:"feeds"`
	Seconds float64 `json:"seconds"` // of the feeds alone, without the list
}

// floorCommand is the plain program: all feeds of the API at args[0], thrown
// away; without compression if args[1] is bare.
func floorCommand(ctx context.Context, args []string, out io.Writer) error {
	bare := len(args) == 2 && args[1] == "bare"
	if len(args) != 1 && !bare {
		return errors.New("usage: bench floor URL [bare]")
	}
	c := newClient(args[0], bare)
	ids, err := c.ids(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	err = c.feeds(ctx, ids, func(_ int64, body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(floor{Feeds: int64(len(ids)), Seconds: time.Since(start).Seconds()})
}

// exportCommand writes what the API at args[0] serves into the folder args[1], for
// DuckDB: feeds.ndjson in the order of the ids, and clients.ndjson.
func exportCommand(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench export URL FOLDER")
	}
	c, dir := newClient(args[0], true), args[1]
	err := writeFile(filepath.Join(dir, "clients.ndjson"), func(w *bufio.Writer) error {
		return c.list(ctx, func(row json.RawMessage) error { return line(w, row) })
	})
	if err != nil {
		return err
	}
	ids, err := c.ids(ctx)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "feeds.ndjson"), func(w *bufio.Writer) error {
		return exportFeeds(ctx, c, ids, w)
	})
}

// exportFeeds writes a line a client. A thousand feeds are read at a time and
// then written in order, as an export from a database would have them.
func exportFeeds(ctx context.Context, c *client, ids []int64, w *bufio.Writer) error {
	const most = 1000
	ids = slices.Sorted(slices.Values(ids))
	for len(ids) > 0 {
		batch := ids[:min(most, len(ids))]
		ids = ids[len(batch):]
		var mu sync.Mutex
		lines := make(map[int64][]byte, len(batch))
		err := c.feeds(ctx, batch, func(id int64, body io.Reader) error {
			text, err := feedLine(id, body)
			mu.Lock()
			defer mu.Unlock()
			lines[id] = text
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range batch {
			if err := line(w, lines[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

// feedLine turns a feed's answer into its line. The feed stays as it was received.
func feedLine(id int64, body io.Reader) ([]byte, error) {
	var answer struct {
		Feed json.RawMessage `json:"feed"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the feed of %d: %w", id, err)
	}
	if bytes.ContainsAny(answer.Feed, "\r\n") {
		return nil, fmt.Errorf("the feed of %d has line breaks", id)
	}
	return fmt.Appendf(nil, `{"client_id":%d,"feed":%s}`, id, answer.Feed), nil
}

func line(w *bufio.Writer, text []byte) error {
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.WriteByte('\n')
}

// writeFile writes a file through a buffer.
func writeFile(path string, fill func(*bufio.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = fill(w)
	if err == nil {
		err = w.Flush()
	}
	return errors.Join(err, f.Close())
}
