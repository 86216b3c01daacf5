package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// delivery says how an answer reaches the client.
type delivery uint8

const (
	whole         delivery = iota
	truncated              // the length promised, half of it sent
	reset                  // the connection is reset, nothing sent
	turnedAway             // the connection is refused
	cutChunked             // no length promised, half of it sent
	resetInHeader          // reset after half of the header
	resetInBody            // reset after half of the body
	stalled                // half of it sent, then nothing
	slow                   // a byte a second
	brokenGzip             // called gzip, in vain
)

const (
	levelInfo = slog.LevelInfo
	jsonType  = "application/json; charset=utf-8"
)

func success(body []byte) *answer {
	return &answer{status: http.StatusOK, kind: jsonType, body: body, outcome: "success"}
}

// refusalAnswer is the error document, under its own status if asked for.
func refusalAnswer(r *refusal, useCode bool) *answer {
	doc := struct {
		Error       string         `json:"error"`
		Description string         `json:"description"`
		Details     map[string]any `json:"details,omitempty"`
		Status      string         `json:"status"`
	}{r.code, r.text, r.details, "error"}
	body, err := json.Marshal(doc)
	if err != nil {
		body = fmt.Appendf(nil, `{"status":"error","error":%q}`, r.code)
	}
	a := &answer{status: http.StatusOK, kind: jsonType, body: body, outcome: r.code, wait: r.retryAfter}
	if status, ok := statusOf(r.code); ok && useCode {
		a.status = status
	}
	return a
}

// deliver writes the answer, compressed if the client takes it.
func (s *Server) deliver(c *call, a *answer) {
	switch a.delivery {
	case reset, resetInHeader:
		hangUp(c.w, a.delivery == resetInHeader)
	case turnedAway:
		s.turnAway(c.w, a.wait)
	}
	h := c.w.Header()
	h.Set("Content-Type", a.kind)
	if c.skew != 0 {
		h.Set("Date", time.Now().Add(c.skew).UTC().Format(http.TimeFormat))
	}
	if !a.clock.IsZero() {
		h.Set("Date", a.clock.UTC().Format(http.TimeFormat))
		h.Set("Retry-After", a.clock.Add(a.wait).UTC().Format(http.TimeFormat))
	} else if a.wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.wait.Seconds()))))
	}
	body := a.body
	if !s.opt.NoGzip && strings.Contains(c.r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		if body = a.gz; body == nil {
			body = s.packer.pack(a.body)
		}
	}
	if a.delivery >= cutChunked {
		s.deliverBadly(c, a, body)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(a.status)
	if a.delivery == truncated {
		body = body[:len(body)/2]
	}
	_, err := c.w.Write(body)
	s.stats.bytes.Add(int64(len(body)))
	if a.delivery == truncated {
		_ = http.NewResponseController(c.w).Flush() // in process there is nothing to flush
	}
	if err != nil || a.delivery == truncated {
		panic(http.ErrAbortHandler)
	}
}

// packer compresses bodies at the fastest level, with writers it keeps. Its
// zero value is ready.
type packer struct{ pool sync.Pool }

// pack returns the body compressed. Writing to memory can't fail.
func (p *packer) pack(body []byte) []byte {
	var buf bytes.Buffer
	buf.Grow(len(body)/4 + 64)
	z, ok := p.pool.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails only for an unknown level
	}
	defer p.pool.Put(z)
	z.Reset(&buf)
	_, _ = z.Write(body)
	_ = z.Close()
	return buf.Bytes()
}

func accessAttrs(c *call, a *answer, began time.Time) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("method", c.method.name),
		slog.Int("status", a.status),
		slog.String("outcome", a.outcome),
		slog.Int("bytes", len(a.body)),
		slog.Duration("took", time.Since(began)),
	}
	if c.client != 0 {
		attrs = append(attrs, slog.Int64("client", c.client))
	}
	return attrs
}
