package transport

import (
	"net/http"
	"net/url"
	"testing"
)

// throughProxy makes a transport that asks this proxy: net/http reads the
// environment once in a process.
func throughProxy(t *testing.T, address string) *Transport {
	t.Helper()
	tr := New(Options{HTTP2: true})
	tr.inner.(*http.Transport).Proxy = func(*http.Request) (*url.URL, error) { return conceal(url.Parse(address)) }
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}
