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

// smallBody is how many bytes an answer may have that is read beside others.
const smallBody = 1 << 20

// body reads an answer, inflated, up to the largest that is taken, into buf.
// Beyond smallBody it waits for its turn, which ends with release, also after a fault.
func (c *Client) body(limited, ctx context.Context, resp *http.Response, buf *bytes.Buffer) (release func(), fault *Error) {
	release = func() {}
	var from io.Reader = resp.Body
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		z, err := c.gunzip(resp.Body)
		if err != nil {
			return release, c.lost(ctx, resp.StatusCode, err)
		}
		defer c.gzips.Put(z)
		from = z
	} else if resp.ContentLength > c.max {
		return release, c.tooLarge(resp)
	}
	if n := resp.ContentLength; n > 0 && from == resp.Body {
		buf.Grow(int(min(n, 1<<20)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(from, min(c.max+1, smallBody)))
	if err == nil && n == smallBody && c.max >= smallBody {
		select {
		case c.large <- struct{}{}:
			release = func() { <-c.large }
		case <-limited.Done():
			return release, c.lost(ctx, resp.StatusCode, limited.Err())
		}
		size := int64(0)
		if from == resp.Body {
			size = resp.ContentLength
		}
		n, err = readLarge(buf, from, n, size, c.max+1)
	}
	switch {
	case err != nil:
		return release, c.lost(ctx, resp.StatusCode, fmt.Errorf("the answer broke off after %d bytes: %w", n, err))
	case n > c.max:
		return release, c.tooLarge(resp)
	}
	return release, nil
}

// readLarge reads on, at most up to the limit. A buffer that doubles would take
// three times as much as it holds; this one has room for all of it at once.
func readLarge(buf *bytes.Buffer, from io.Reader, n, size, limit int64) (int64, error) {
	for room := n; n < limit; {
		room = min(5*room, limit)
		if size > n {
			room = min(size+1, limit)
		}
		buf.Grow(int(room-n) + bytes.MinRead)
		got, err := buf.ReadFrom(io.LimitReader(from, room-n))
		if n += got; err != nil || n < room {
			return n, err
		}
	}
	return n, nil
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

// keepBuffer is the largest buffer that is used again.
const keepBuffer = 256 << 10

// buffer gives an empty buffer for an answer.
func (c *Client) buffer() *bytes.Buffer {
	if b, ok := c.buffers.Get().(*bytes.Buffer); ok {
		b.Reset()
		return b
	}
	return &bytes.Buffer{}
}

// giveBack takes a buffer that nobody reads any more.
func (c *Client) giveBack(b *bytes.Buffer) {
	if b != nil && b.Cap() <= keepBuffer {
		c.buffers.Put(b)
	}
}
