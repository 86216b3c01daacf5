package wiretest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxFrame is how much an HTTP/2 frame may carry unless the client says more.
const maxFrame = 16 << 10

// serveHTTP2 answers the requests of a connection, one after the other. It heeds
// no window: answers are far smaller than what net/http opens.
func (s *Server) serveHTTP2(c net.Conn) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	f := http2.NewFramer(c, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if f.WriteSettings() != nil {
		return
	}
	var x *Exchange
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		ended := false
		switch v := frame.(type) {
		case *http2.SettingsFrame:
			if !v.IsAck() && f.WriteSettingsAck() != nil {
				return
			}
		case *http2.MetaHeadersFrame:
			x = &Exchange{Request: request(v), wire: &framed{f, c, v.StreamID}, conn: c, ctx: s.ctx}
			ended = v.StreamEnded()
		case *http2.DataFrame:
			if x != nil {
				x.Body = append(x.Body, v.Data()...)
				ended = v.StreamEnded()
			}
		}
		if ended {
			if s.answer(x); x.ended {
				return
			}
		}
	}
}

func request(f *http2.MetaHeadersFrame) *http.Request {
	r := &http.Request{Method: f.PseudoValue("method"), Host: f.PseudoValue("authority"), Header: http.Header{}, Proto: "HTTP/2.0", ProtoMajor: 2}
	r.URL = &url.URL{}
	if u, err := url.ParseRequestURI(f.PseudoValue("path")); err == nil {
		r.URL = u
	}
	for _, h := range f.RegularFields() {
		r.Header.Add(h.Name, h.Value)
	}
	return r
}

// framed is the wire of HTTP/2, one stream of it.
type framed struct {
	framer *http2.Framer
	conn   net.Conn
	stream uint32
}

func (w *framed) head(status int, h http.Header, last bool) error {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	if err := e.WriteField(hpack.HeaderField{Name: ":status", Value: fmt.Sprint(status)}); err != nil {
		return err
	}
	for name, values := range h {
		for _, v := range values {
			if err := e.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: v}); err != nil {
				return err
			}
		}
	}
	return w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: w.stream, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: last})
}

func (w *framed) early(status int) error {
	return w.head(status, http.Header{"Link": {"</style.css>"}}, false)
}

func (w *framed) whole(status int, h http.Header, body []byte) error {
	if err := w.head(status, h, len(body) == 0); err != nil {
		return err
	}
	for len(body) > 0 {
		n := min(maxFrame, len(body))
		if err := w.framer.WriteData(w.stream, n == len(body), body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

func (w *framed) leave(how leaving) error {
	switch how {
	case byReset:
		return w.framer.WriteRSTStream(w.stream, http2.ErrCodeInternal)
	case byNotice:
		return w.framer.WriteGoAway(0, http2.ErrCodeNo, nil)
	}
	return w.framer.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("debug \x1b[31m"))
}
