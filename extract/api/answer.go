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
)

// fields are the top-level fields of an answer that somebody asks for. The
// slices lie in the answer's body.
type fields struct {
	client                                  *Client
	http                                    int
	status, code, description               string
	clients, total, feed, data, totalCounts jx.Raw
}

// parse reads a whole body: one JSON object and nothing behind it. Of equal keys
// the last counts.
func (f *fields) parse(body []byte) error {
	d := jx.DecodeBytes(body)
	if err := d.ObjBytes(f.field); err != nil {
		return err
	}
	if err := d.Skip(); err != io.EOF { //nolint:errorlint // jx returns it bare
		return fmt.Errorf("something follows the document")
	}
	return nil
}

func (f *fields) field(d *jx.Decoder, key []byte) error {
	var raw *jx.Raw
	switch string(key) {
	case "status":
		return text(d, &f.status)
	case "error":
		return text(d, &f.code)
	case "description":
		return text(d, &f.description)
	case "clients":
		raw = &f.clients
	case "total":
		raw = &f.total
	case "feed":
		raw = &f.feed
	case "data":
		raw = &f.data
	case "total_count":
		raw = &f.totalCounts
	default:
		return d.Skip()
	}
	v, err := d.Raw()
	*raw = v
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
func (c *Client) judge(resp *http.Response, body []byte) (*fields, *Error) {
	status := resp.StatusCode
	if status >= 300 && status < 400 {
		return nil, c.redirect(resp)
	}
	f := &fields{client: c, http: status}
	broken := f.parse(c.secret.strip(body))
	switch {
	case broken == nil && f.status == "error" || status >= 400:
		return nil, c.failure(resp, f, broken)
	case broken != nil:
		return nil, c.bad(status, "bad_json", "the answer is no JSON document: %v", broken)
	case f.status != "success":
		return nil, c.bad(status, "bad_answer", "the answer's status is %q, not success", f.status)
	}
	return f, nil
}

// isCode tells whether a text looks like an error code of the API.
func isCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// failure makes the error of an answer that reports one.
func (c *Client) failure(resp *http.Response, f *fields, broken error) *Error {
	code := f.code
	if broken != nil || !isCode(code) {
		code = fmt.Sprintf("http_%d", resp.StatusCode)
	}
	if code == "http_200" {
		return c.bad(resp.StatusCode, "bad_answer", "the answer reports an error without a code: %s", f.description)
	}
	return &Error{
		Kind: classify(code, resp.StatusCode), Code: c.secret.hide(code), HTTP: resp.StatusCode,
		RetryAfter: retryAfter(resp.Header, time.Now()), Description: c.clean(f.description),
	}
}

func (c *Client) redirect(resp *http.Response) *Error {
	host := "somewhere"
	if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
		host = u.Host
	}
	return c.bad(resp.StatusCode, "redirect", "the API sends us to %s, where the key must not go: check base_url", host)
}

// array returns the elements of a field that must be a list. PHP writes an empty
// object where a list is empty.
func (f *fields) array(name string, raw jx.Raw) ([][]byte, *Error) {
	switch {
	case raw == nil:
		return nil, f.client.bad(f.http, "bad_answer", "the answer has no %s", name)
	case raw.Type() == jx.Object && emptyObject(raw):
		return nil, nil
	case raw.Type() != jx.Array:
		return nil, f.client.bad(f.http, "bad_answer", "the answer's %s is no list", name)
	}
	var list [][]byte
	fault := f.each(name, raw, func(v []byte) { list = append(list, v) })
	if fault != nil {
		return nil, fault
	}
	return list, nil
}

// each hands on the elements of a list, up to what is taken.
func (f *fields) each(name string, raw jx.Raw, to func([]byte)) *Error {
	var n int64
	var fault *Error
	err := jx.DecodeBytes(raw).Arr(func(d *jx.Decoder) error {
		v, err := d.Raw()
		if err != nil {
			return err
		}
		n++
		if fault = f.client.element(f.http, name, n, v); fault != nil {
			return fault
		}
		to(v)
		return nil
	})
	switch {
	case fault != nil:
		return fault
	case err != nil:
		return f.client.bad(f.http, "bad_json", "the answer's %s: %v", name, err)
	}
	return nil
}

func emptyObject(raw []byte) bool {
	inside, ok := bytes.CutPrefix(raw, []byte("{"))
	return ok && bytes.Equal(bytes.TrimSpace(inside), []byte("}"))
}

// count reads a field that must be a whole number of things.
func (f *fields) count(name string, raw jx.Raw) (int64, *Error) {
	if n, ok := Whole(raw); ok && n >= 0 {
		return n, nil
	}
	return 0, f.client.bad(f.http, "bad_answer", "the answer's %s is no number", name)
}
