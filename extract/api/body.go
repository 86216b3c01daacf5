package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
)

const (
	smallBody   = 4 << 20 // bytes of an answer that may be read beside others
	maxElement  = 4 << 20 // bytes of an item or a row
	maxElements = 250_000 // items of a feed, rows of a page
)

// body reads an answer, inflated, up to the largest that is taken. Beyond
// smallBody it waits for its turn, which ends with release.
func (c *Client) body(limited, ctx context.Context, resp *http.Response) (body []byte, release func(), fault *Error) {
	release = func() {}
	var from io.Reader = resp.Body
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		z, err := c.gunzip(resp.Body)
		if err != nil {
			return nil, release, c.lost(ctx, resp.StatusCode, err)
		}
		defer c.gzips.Put(z)
		from = z
	} else if resp.ContentLength > c.max {
		return nil, release, c.tooLarge(resp)
	}
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && from == resp.Body {
		buf.Grow(int(min(n, 1<<20)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(from, min(c.max+1, smallBody)))
	if err == nil && n == smallBody && c.max >= smallBody {
		select {
		case c.large <- struct{}{}:
			release = func() { <-c.large }
		case <-limited.Done():
			return nil, release, c.lost(ctx, resp.StatusCode, limited.Err())
		}
		if size := resp.ContentLength; from == resp.Body && size > n {
			buf.Grow(int(size-n) + bytes.MinRead)
		}
		var rest int64
		rest, err = buf.ReadFrom(io.LimitReader(from, c.max+1-n))
		n += rest
	}
	switch {
	case err != nil:
		return nil, release, c.lost(ctx, resp.StatusCode, fmt.Errorf("the answer broke off after %d bytes: %w", n, err))
	case n > c.max:
		return nil, release, c.tooLarge(resp)
	}
	return buf.Bytes(), release, nil
}

func (c *Client) tooLarge(resp *http.Response) *Error {
	return c.bad(resp.StatusCode, "too_large", "the answer has more than %d bytes (max_response)", c.max)
}

func (c *Client) gunzip(body io.Reader) (*gzip.Reader, error) {
	if z, ok := c.gzips.Get().(*gzip.Reader); ok {
		return z, z.Reset(body)
	}
	return gzip.NewReader(body)
}

// element checks one element of a list against what the program can hold in
// memory many times over: a table's column, its encoding and its check.
func (c *Client) element(status int, name string, nth int64, raw []byte) *Error {
	switch {
	case nth > maxElements:
		return c.bad(status, "too_large", "the answer's %s has more than %d elements", name, maxElements)
	case len(raw) > maxElement:
		return c.bad(status, "too_large", "element %d of the answer's %s has more than %d bytes", nth, name, maxElement)
	}
	return nil
}
