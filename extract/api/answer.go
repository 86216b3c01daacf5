package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-faster/jx"

	"roistat-etl/internal/transport"
)

// fields are the top-level fields of an answer that somebody asks for. The
// slices lie in the answer's body.
type fields struct {
	client                    *Client
	body                      *bytes.Buffer
	release                   func() // ends its turn, if it is large
	http                      int
	status, code, description string
	total, totalCount         jx.Raw
	clients, feed, data       list
}

// parse reads a whole body: one JSON object and nothing behind it. Of equal keys
// the last counts.
func (f *fields) parse(body []byte) error {
	d := jx.DecodeBytes(body)
	if err := d.ObjBytes(func(d *jx.Decoder, key []byte) error { return f.field(d, key, body) }); err != nil {
		return err
	}
	if err := d.Skip(); err != io.EOF { //nolint:errorlint // jx returns it bare
		return fmt.Errorf("something follows the document")
	}
	return nil
}

func (f *fields) field(d *jx.Decoder, key, body []byte) (err error) {
	switch string(key) {
	case "status":
		return text(d, &f.status)
	case "error":
		return text(d, &f.code)
	case "description":
		return text(d, &f.description)
	case "total":
		f.total, err = d.Raw()
	case "total_count":
		f.totalCount, err = d.Raw()
	case "clients":
		err = f.clients.read(d, body)
	case "data":
		err = f.data.read(d, body)
	case "feed":
		f.feed.counts = true
		err = f.feed.read(d, body)
	default:
		return d.Skip()
	}
	return err
}

// text reads a value that should be a text; of another kind it is ”.
func text(d *jx.Decoder, to *string) (err error) {
	*to = ""
	if d.Next() != jx.String {
		return d.Skip()
	}
	*to, err = d.Str()
	return err
}

// judge decides whether an answer is a success.
func (c *Client) judge(resp *http.Response, buf *bytes.Buffer) (*fields, *Error) {
	status := resp.StatusCode
	if status >= 300 && status < 400 {
		return nil, c.redirect(resp)
	}
	f := &fields{client: c, http: status, body: buf}
	broken := f.parse(c.secrets.Strip(buf.Bytes()))
	switch {
	case broken == nil && f.status == "error" || status >= 400:
		return nil, c.failure(resp, f, broken)
	case broken != nil:
		return nil, c.bad(status, "bad_json", "the answer is no JSON document: %v", broken)
	case f.status != "success":
		return nil, c.bad(status, "bad_answer", "the answer's status is not success: %s", c.quote(f.status))
	}
	return f, nil
}

// isCode tells whether a text looks like an error code of the API.
func isCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// failure makes the error of an answer that reports one. Only the API's own JSON
// is believed: anybody on the way may answer 403.
func (c *Client) failure(resp *http.Response, f *fields, broken error) *Error {
	code, description := f.code, c.quote(f.description)
	if broken != nil || f.status != "error" || !isCode(code) {
		code, description = fmt.Sprintf("http_%d", resp.StatusCode), foreign(resp.StatusCode)
	}
	if code == "http_200" {
		return c.bad(resp.StatusCode, "bad_answer", "the answer reports an error without a code: %s", c.quote(f.description))
	}
	return &Error{
		Kind: classify(code, resp.StatusCode), Code: c.secrets.Hide(code), HTTP: resp.StatusCode,
		RetryAfter: retryAfter(resp.Header, time.Now()), Description: description,
	}
}

// foreign says who may have answered with a status that would refuse for good, had
// the API given a code.
func foreign(status int) string {
	switch {
	case status == http.StatusProxyAuthRequired:
		return "a proxy wants a password: set " + transport.ProxyExample
	case blocks(status):
		return "a firewall or proxy on the way answers, not the API: let this machine through to base_url"
	}
	return ""
}

func (c *Client) redirect(resp *http.Response) *Error {
	host := "somewhere"
	if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
		host = u.Host
	}
	return c.bad(resp.StatusCode, "redirect", "the API sends us to %s, where the key must not go: check base_url", host)
}

// elements returns the elements of a field that must be a list.
func (f *fields) elements(name string, l *list) ([][]byte, *Error) {
	if fault := l.check(f, name); fault != nil {
		return nil, fault
	}
	return l.items, nil
}

// count reads a field that must be a whole number of things.
func (f *fields) count(name string, raw jx.Raw) (int64, *Error) {
	if n, ok := Whole(raw); ok && n >= 0 {
		return n, nil
	}
	return 0, f.client.bad(f.http, "bad_answer", "the answer's %s is no number", name)
}
