package wiretest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// Exchange is a request and what is answered to it. It belongs to one goroutine.
type Exchange struct {
	Request *http.Request // its body was read
	Body    []byte

	wire  wire
	conn  net.Conn
	ctx   context.Context //nolint:containedctx // the server's life
	ended bool            // nothing more is read from the connection
}

// wire is how a protocol sends.
type wire interface {
	early(status int) error
	whole(status int, h http.Header, body []byte) error
	leave(how leaving) error
}

// leaving is how a server ends what it doesn't answer.
type leaving string

const (
	byReset  leaving = "reset"  // of the connection, or of the stream
	byGoAway leaving = "goaway" // GOAWAY, or the end of the connection
	byNotice leaving = "notice" // the same without an error
)

// Early sends an answer 1xx.
func (x *Exchange) Early(status int) error { return x.wire.early(status) }

// Whole sends a whole answer.
func (x *Exchange) Whole(status int, contentType, body string) {
	x.send(status, http.Header{"Content-Type": {contentType}}, []byte(body))
}

// Good answers as a handler does.
func (x *Exchange) Good(h http.Handler) {
	r := x.Request.Clone(x.ctx)
	r.Body = io.NopCloser(strings.NewReader(string(x.Body)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	x.send(w.Code, w.Header(), w.Body.Bytes())
}

func (x *Exchange) send(status int, h http.Header, body []byte) {
	if x.wire.whole(status, h, body) != nil {
		x.ended = true // the client has left
	}
}

// Raw sends bytes as they are, of HTTP/1.1.
func (x *Exchange) Raw(text string) {
	if _, err := io.WriteString(x.conn, text); err != nil {
		x.ended = true
	}
}

// Silence waits until the client or the test has ended, and answers nothing.
func (x *Exchange) Silence() {
	x.ended = true
	_, _ = io.Copy(io.Discard, x.conn) // until it ends, however
}

// End closes the connection after this answer.
func (x *Exchange) End() { x.ended = true }

func (x *Exchange) leave(how leaving) {
	x.ended = true
	_ = x.wire.leave(how) // the client may have left before
}

// serveHTTP1 answers the requests of a connection, one after the other.
func (s *Server) serveHTTP1(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		x := &Exchange{Request: r, Body: body, wire: plain{c}, conn: c, ctx: s.ctx}
		if s.answer(x); x.ended {
			return
		}
	}
}

// plain is the wire of HTTP/1.1.
type plain struct{ conn net.Conn }

func (p plain) early(status int) error {
	head := ""
	if status == http.StatusSwitchingProtocols {
		head = "Connection: Upgrade\r\nUpgrade: x\r\n"
	}
	_, err := fmt.Fprintf(p.conn, "HTTP/1.1 %d %s\r\n%s\r\n", status, http.StatusText(status), head)
	return err
}

func (p plain) whole(status int, h http.Header, body []byte) error {
	h = h.Clone()
	h.Set("Content-Length", fmt.Sprint(len(body)))
	var head strings.Builder
	_ = h.Write(&head) // into memory
	text := fmt.Appendf(nil, "HTTP/1.1 %d X\r\n%s\r\n", status, head.String())
	_, err := p.conn.Write(slices.Concat(text, body))
	return err
}

func (p plain) leave(how leaving) error {
	if tcp, ok := p.conn.(*net.TCPConn); ok && how == byReset {
		if err := tcp.SetLinger(0); err != nil {
			return err
		}
	}
	return p.conn.Close()
}
