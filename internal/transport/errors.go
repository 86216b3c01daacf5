package transport

import (
	"fmt"
	"net/http"
)

// AnswerError is an answer 1xx that no client can use.
type AnswerError struct {
	Status int
}

// Error says what came. It holds no text of the server.
func (e *AnswerError) Error() string {
	if e.Status == http.StatusSwitchingProtocols {
		return "the server switches to another protocol (HTTP 101), which nobody asked for"
	}
	return fmt.Sprintf("the server sends answers without an end before the real one (HTTP %d)", e.Status)
}

// ProxyError is a proxy that doesn't let us through.
type ProxyError struct {
	Host   string // of the proxy; "": the variable that names it can't be read
	Status int    // that it answered
	Known  bool   // we gave it a user
}

// ProxyExample is how the environment names a proxy with a password.
const ProxyExample = "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"

// Error says what to do. It holds no text of the proxy, and no password.
func (e *ProxyError) Error() string {
	switch {
	case e.Host == "":
		return "HTTPS_PROXY or HTTP_PROXY names no proxy: set it as in " + ProxyExample
	case e.Status == http.StatusProxyAuthRequired && e.Known:
		return fmt.Sprintf("the proxy %s doesn't take the user and password that HTTPS_PROXY names: correct them (%s)", e.Host, ProxyExample)
	case e.Status == http.StatusProxyAuthRequired:
		return fmt.Sprintf("the proxy %s wants a password: set %s", e.Host, ProxyExample)
	}
	return fmt.Sprintf("the proxy %s doesn't let us through (HTTP %d): ask whoever runs it, or set NO_PROXY", e.Host, e.Status)
}
