package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"

	"roistat-etl/internal/transport"
)

// Kind says what to do about an error.
type Kind uint8

// The kinds of errors.
const (
	Transient Kind = iota // the network, or the server in trouble: ask again
	Bad                   // an answer that can't be used: ask again
	Limited               // a quota is used up: wait, then ask again
	Refused               // for good, whatever is asked: key, permission, option
	NotFound              // what was asked for is not there
	Rejected              // this question alone is refused
)

// String returns the kind's word.
func (k Kind) String() string {
	return [...]string{"transient", "bad answer", "rate limited", "refused", "not found", "rejected"}[k]
}

// Error is a call that brought no usable answer. Its text never holds the key.
type Error struct {
	Kind        Kind
	Code        string        // the API's error code, or ours: network, timeout, http_502, bad_json, bad_answer, too_large, redirect
	HTTP        int           // status; 0: there was no answer
	RetryAfter  time.Duration // what the server asked for; 0: nothing
	Description string        // what it said, in quotation marks, or what happened; at most 200 characters

	cause error // a context's error, which callers may ask for
	proxy bool  // the environment's proxy is what refused
}

// Error gives code, status and description.
func (e *Error) Error() string {
	text := e.Code
	if e.HTTP != 0 && e.HTTP != http.StatusOK {
		text += fmt.Sprintf(" (HTTP %d)", e.HTTP)
	}
	if e.Description != "" {
		text += ": " + e.Description
	}
	return text
}

// Unwrap returns the context's error if that ended the call.
func (e *Error) Unwrap() error { return e.cause }

// Remedy says what a person can do about a code that is refused for good; "" for
// any other code.
func Remedy(code string) string {
	switch code {
	case "authentication_failed":
		return "check the API key: Roistat doesn't know it"
	case "authorization_failed", "access_denied":
		return "give the key's owner access to this project, or check the project number"
	case "option_not_available":
		return "Client Management isn't part of the project's tariff: ask Roistat to add it"
	case "option_not_enabled":
		return "switch on Client Management in the project's settings"
	case "option_not_paid":
		return "pay for Client Management in the project's billing"
	case "insufficient_funds":
		return "top up the project's balance"
	case "project_frozen":
		return "the project is frozen: unfreeze it in its settings or billing"
	}
	return ""
}

// Hint is what a person can do about an error that is not refused for good; "" where
// there is nothing but to wait.
func (e *Error) Hint() string {
	switch {
	case e.Kind == Limited:
		return "the hour's quota is spent by others: wait until it has passed, or give them and us less of it (api.per_hour)"
	case e.Kind == Rejected || e.Kind == NotFound:
		return "check base_url, project and filters"
	case e.proxy || e.Code == proxyCode:
		return "set " + transport.ProxyExample
	case e.Code == fmt.Sprintf("http_%d", e.HTTP) && blocks(e.HTTP):
		return "let this machine through at the firewall or proxy, or correct base_url"
	}
	return ""
}

const proxyCode = "http_407"

// classify says of which kind an error code is. Codes that nobody has named yet
// go by their status.
func classify(code string, status int) Kind {
	switch {
	case code == "request_limit_error" || status == http.StatusTooManyRequests:
		return Limited
	case Remedy(code) != "":
		return Refused
	}
	switch code {
	case "resource_not_found":
		return NotFound
	case "internal_error", "unknown_error", "integration_error", "http_408", "http_425":
		return Transient
	}
	if status >= http.StatusInternalServerError || code == fmt.Sprintf("http_%d", status) && blocks(status) {
		return Transient
	}
	return Rejected
}

// blocks tells whether a status is one by which firewalls and proxies refuse.
func blocks(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden,
		http.StatusProxyAuthRequired, http.StatusUnavailableForLegalReasons:
		return true
	}
	return false
}

// retryAfter reads the header: seconds, or a date. A date counts from the
// answer's own, since the server's clock may be another than ours.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// lost makes the error of a call that brought no whole answer.
func (c *Client) lost(ctx context.Context, status int, err error) *Error {
	e := &Error{Kind: Transient, Code: "network", HTTP: status, Description: c.clean(told(err))}
	var timeout interface{ Timeout() bool }
	var answer *transport.AnswerError
	var proxy *transport.ProxyError
	e.proxy = errors.As(err, &proxy)
	switch {
	case errors.As(err, &answer):
		e.Kind, e.Code, e.HTTP = Bad, "bad_answer", answer.Status
	case ctx.Err() != nil:
		e.cause = context.Cause(ctx)
		e.Code, e.Description = "cancelled", ""
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Code, e.Description = "timeout", fmt.Sprintf("no whole answer within %v", c.timeout)
	}
	return e
}

// told is the text of an error of the network. That of an answer which is no
// HTTP would quote the server, who may quote the key in parts; it isn't told.
func told(err error) string {
	var head tls.RecordHeaderError
	if errors.As(err, &head) && string(head.RecordHeader[:]) == "HTTP/" {
		err = http.ErrSchemeMismatch
	}
	var network net.Error
	var certificate *tls.CertificateVerificationError
	var number syscall.Errno
	var proxy *transport.ProxyError
	var answer *transport.AnswerError
	switch {
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.As(err, &answer):
		return answer.Error()
	case errors.Is(err, context.Canceled):
		return "the connection broke" // and net/http was kept from sending again, see transport.Once
	case errors.As(err, &network), errors.As(err, &certificate), errors.As(err, &number),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, http.ErrSchemeMismatch),
		errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return err.Error()
	}
	return "the answer is not what HTTP allows"
}

// bad makes the error of an answer that can't be used.
func (c *Client) bad(status int, code, format string, args ...any) *Error {
	return &Error{Kind: Bad, Code: code, HTTP: status, Description: c.clean(fmt.Sprintf(format, args...))}
}
