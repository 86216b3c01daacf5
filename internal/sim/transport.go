package sim

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
)

// Transport runs the handler in the caller's goroutine, without a network, so
// that a client under testing/synctest waits only for virtual time. A torn
// answer ends in io.ErrUnexpectedEOF, a reset connection in ECONNRESET, as over
// a port; a refused one in ECONNREFUSED while dialing; one that the caller didn't
// wait for, in the body if that had begun. It is safe for concurrent use.
func Transport(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ handler http.Handler }

// RoundTrip answers the request.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	defer func() { _ = r.Body.Close() }() // a request's body has nothing to lose
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	ended := t.run(rec, r)
	late := r.Context().Err()
	switch {
	case late != nil && (ended == nil || rec.body.Len() == 0):
		return nil, late
	case errors.Is(ended, errNotListening):
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case ended != nil && rec.body.Len() == 0:
		return nil, syscall.ECONNRESET
	case ended == nil:
		return rec.response(r, nil), nil
	}
	return rec.response(r, cmp.Or(late, io.ErrUnexpectedEOF)), nil
}

// recorder keeps what a handler answers.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the header to be sent.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write keeps a part of the body.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// response is the answer as a client of net/http would get it; reading its body
// ends with an error, if there is one.
func (r *recorder) response(req *http.Request, torn error) *http.Response {
	length, err := strconv.ParseInt(r.header.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	body := io.Reader(&r.body)
	if torn != nil {
		body = io.MultiReader(body, tornReader{torn})
	}
	return &http.Response{
		Status: strconv.Itoa(r.status) + " " + http.StatusText(r.status), StatusCode: r.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, Body: io.NopCloser(body), ContentLength: length, Request: req,
	}
}

// run reports how the handler hung up, if it did.
func (t inProcess) run(w http.ResponseWriter, r *http.Request) (ended error) {
	defer func() {
		v := recover()
		if err, ok := v.(error); ok && (errors.Is(err, http.ErrAbortHandler) || errors.Is(err, errNotListening)) {
			ended = err
			return
		}
		if v != nil {
			panic(v)
		}
	}()
	t.handler.ServeHTTP(w, r)
	return nil
}

type tornReader struct{ err error }

func (r tornReader) Read([]byte) (int, error) { return 0, r.err }
