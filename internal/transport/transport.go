package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Options say how to connect. A zero wait is fifteen seconds.
type Options struct {
	Roots       *x509.CertPool // whom to trust; nil: whom the system trusts
	ConnectWait time.Duration  // for a connection, and once more for its TLS
	HeaderWait  time.Duration  // for the head of an answer, once all was sent; 0: as long as the context
	Idle        int            // connections to a host that are kept; 0: two, below: none
	HTTP2       bool           // is asked for
}

// Transport sends requests. It is safe for concurrent use.
type Transport struct {
	inner http.RoundTripper
}

// New makes a transport over the network. TLS is always verified.
func New(o Options) *Transport {
	if o.ConnectWait <= 0 {
		o.ConnectWait = 15 * time.Second
	}
	return &Transport{&http.Transport{
		Proxy:                  proxyOf,
		OnProxyConnectResponse: judgeProxy,
		DialContext:            (&net.Dialer{Timeout: o.ConnectWait, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    o.ConnectWait,
		ResponseHeaderTimeout:  o.HeaderWait,
		MaxIdleConnsPerHost:    o.Idle,
		IdleConnTimeout:        90 * time.Second,
		ForceAttemptHTTP2:      o.HTTP2,
		DisableCompression:     true, // who asks for packed answers unpacks them
	}}
}

// Guard makes a transport of another one, such as that of a test.
func Guard(inner http.RoundTripper) *Transport { return &Transport{inner} }

// RoundTrip sends a request and returns the head of its answer.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w, ok := r.Context().Value(watchKey{}).(*watch)
	if !ok {
		var ctx context.Context
		ctx, w = watched(r.Context(), nil)
		r = r.WithContext(ctx)
	}
	resp, err := t.inner.RoundTrip(r)
	if refused := w.refused.Load(); refused != nil && err != nil {
		return nil, refused // how HTTP/1 and HTTP/2 wrap it is nobody's business
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < http.StatusOK {
		_ = resp.Body.Close() // which closes the connection; the answer is refused anyway
		return nil, &AnswerError{Status: resp.StatusCode}
	}
	return resp, nil
}

// CloseIdleConnections closes the connections that are kept.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.inner.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Client makes a client that follows no redirect. A question takes at most so long.
func (t *Transport) Client(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: t, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// proxyOf is the proxy that the environment names for a request.
func proxyOf(r *http.Request) (*url.URL, error) { return conceal(http.ProxyFromEnvironment(r)) }

// conceal quotes nobody: an address that can't be read may hold a password.
func conceal(proxy *url.URL, err error) (*url.URL, error) {
	if err != nil {
		return nil, &ProxyError{}
	}
	return proxy, nil
}

// judgeProxy judges what a proxy answers to CONNECT.
func judgeProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{Host: proxy.Host, Status: resp.StatusCode, Known: proxy.User != nil}
}
