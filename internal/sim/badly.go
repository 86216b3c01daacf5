package sim

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// deliverBadly is deliver for answers that don't arrive whole or in time.
func (s *Server) deliverBadly(c *call, a *answer, body []byte) {
	h, half := c.w.Header(), body[:len(body)/2]
	switch a.delivery {
	case brokenGzip:
		h.Set("Content-Encoding", "gzip")
		half = []byte("\x1f\x8b\x08\x00 no gzip from here on")
		h.Set("Content-Length", strconv.Itoa(len(half)))
	case resetInBody, stalled, slow:
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(a.status)
	if a.delivery == slow {
		half = nil
	}
	_, _ = c.w.Write(half)
	s.stats.bytes.Add(int64(len(half)))
	flush(c.w)
	switch a.delivery {
	case stalled:
		<-c.r.Context().Done()
	case slow:
		drip(c, body)
		return
	case resetInBody:
		hangUp(c.w, false)
	case brokenGzip:
		return
	}
	panic(http.ErrAbortHandler)
}

// drip sends a byte a second as long as the caller is there.
func drip(c *call, body []byte) {
	for i := range body {
		if pause(c.r.Context(), time.Second, 0) != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = c.w.Write(body[i : i+1])
		flush(c.w)
	}
}

// flush sends what was written. In process there is nothing to flush.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// errNotListening is what a handler in process panics with to refuse a connection.
var errNotListening = errors.New("nobody listens")

// turnAway refuses a connection. Over a port it is open by then, so it is reset,
// and those after it find nobody who listens for a while; it doesn't return.
func (s *Server) turnAway(w http.ResponseWriter, d time.Duration) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(errNotListening)
	}
	if s.opt.TurnAway != nil && d > 0 {
		s.opt.TurnAway(d)
	}
	abort(conn)
}

// hangUp resets the connection as a crashed peer would, after the start of a
// header if asked for; it doesn't return.
func hangUp(w http.ResponseWriter, header bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if header {
		_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Ty"))
	}
	abort(conn)
}

// abort resets a connection and ends its handler.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the close would be an orderly one
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}
