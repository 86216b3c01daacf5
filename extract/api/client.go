package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"roistat-etl/internal/endpoint"
	"roistat-etl/internal/transport"
	"roistat-etl/internal/untrusted"
)

// Options say where the API is and who asks.
type Options struct {
	BaseURL     string // such as https://cloud.roistat.com/api/v1
	Key         string
	Project     string
	Timeout     time.Duration // of a call, its body included; 0: one minute
	MaxResponse int64         // the largest body, inflated; 0: 64 MiB
	Concurrency int           // connections that are kept
	CAFile      string        // PEM certificates trusted besides the system's
	UserAgent   string

	// Transport replaces the network, in tests.
	Transport http.RoundTripper
}

// Client asks the API of one project. Its methods are safe for concurrent use.
// All errors of its questions are an [*Error].
type Client struct {
	base, project string
	timeout       time.Duration
	max           int64
	header        http.Header
	secrets       *untrusted.Secrets
	transport     *transport.Transport // an http.Client has no redirect to follow here
	gzips         sync.Pool            // of *gzip.Reader
	buffers       sync.Pool            // of *bytes.Buffer
	large         chan struct{}        // holds the one large answer
	clock         clock
}

// New makes a client. It fails on a base URL, key or certificate file that can't
// be used; the error doesn't hold the key.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no base URL of an API", o.BaseURL)
	}
	if strings.ContainsFunc(o.Key, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("the API key holds a control character (a line feed at its end?)")
	}
	c := &Client{
		base: strings.TrimSuffix(o.BaseURL, "/"), project: o.Project, secrets: untrusted.NewSecrets(o.Key),
		timeout: o.Timeout, max: o.MaxResponse, large: make(chan struct{}, 1),
		header: http.Header{"Api-Key": {o.Key}, "Use-Http-Code": {"1"}, "Content-Type": {"application/json"}, "Accept": {"application/json"}},
	}
	if o.UserAgent != "" {
		c.header.Set("User-Agent", o.UserAgent)
	}
	if !endpoint.Loopback(u.Hostname()) { // there packing costs more than it saves
		c.header.Set("Accept-Encoding", "gzip")
	}
	if c.timeout <= 0 {
		c.timeout = time.Minute
	}
	if c.max <= 0 {
		c.max = 64 << 20
	}
	if c.transport, err = network(o); err != nil {
		return nil, err
	}
	return c, nil
}

// network makes the transport to the API.
func network(o Options) (*transport.Transport, error) {
	if o.Transport != nil {
		return transport.Guard(o.Transport), nil
	}
	roots, err := endpoint.Roots(o.CAFile)
	if err != nil {
		return nil, err
	}
	return transport.New(transport.Options{Roots: roots, Idle: max(1, o.Concurrency), HTTP2: true}), nil
}

// Close gives back the connections that are kept.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// ask makes one request and returns the fields of its successful answer.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, question []byte) (*fields, *Error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	query.Set("project", c.project)
	req, err := http.NewRequestWithContext(transport.Once(limited, cancel), method, c.base+path+"?"+query.Encode(), bytes.NewReader(question))
	if err != nil {
		return nil, c.lost(ctx, 0, err)
	}
	req.Header = c.header // never written to: requests share it
	// A body that can't be had again keeps net/http from sending a GET twice;
	// cancelling alone, see transport.Once, may come too late for the second writing.
	req.Body, req.GetBody = io.NopCloser(bytes.NewReader(question)), nil
	// Not sent; without it net/http finds out by a goroutine and a timer that a GET's body is empty.
	req.TransferEncoding = []string{"identity"}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, c.lost(ctx, 0, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read; what closing says changes nothing
	buf := c.buffer()
	release, fault := c.body(limited, ctx, resp, buf)
	if fault != nil {
		release()
		c.giveBack(buf)
		return nil, fault
	}
	f, fault := c.judge(resp, buf)
	if fault != nil {
		release()
		return nil, fault
	}
	f.release = release
	c.clock.compare(resp.Header, time.Now())
	return f, nil
}
