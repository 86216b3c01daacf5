package wiretest

import "net/http"

// Fault is how a server answers a request badly.
type Fault struct {
	Name   string
	Answer func(*Exchange)
	Good   bool // an answer that must be taken: Answer only sends what goes before it
	Only   Protocol
}

// html is the page of a firewall or a proxy.
const html = "<!DOCTYPE html>\n<html><head><title>Request blocked</title></head><body>Request blocked</body></html>\n"

// Faults lists what every client must outlive, in the order of a table.
func Faults() []Fault {
	list := []Fault{
		{Name: "101 Switching Protocols", Answer: switching},
		{Name: "early hints without an end", Answer: endlessHints},
		{Name: "a few early hints", Answer: fewHints, Good: true},
		{Name: "HTTP/1.0 with 101", Only: HTTP1, Answer: func(x *Exchange) {
			x.Raw("HTTP/1.0 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
			x.Silence()
		}},
		{Name: "an upgrade to h2c that nobody asked for", Only: HTTP1, Answer: func(x *Exchange) {
			x.Raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			x.Silence()
		}},
		{Name: "HTTP/2 over HTTP/1.1", Only: HTTP1, Answer: func(x *Exchange) {
			x.Raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
			x.End()
		}},
		{Name: "reset", Answer: func(x *Exchange) { x.leave(byReset) }},
		{Name: "GOAWAY", Only: HTTP2, Answer: func(x *Exchange) { x.leave(byGoAway) }},
		{Name: "GOAWAY without an error", Only: HTTP2, Answer: func(x *Exchange) { x.leave(byNotice) }},
	}
	for _, status := range []int{401, 402, 403, 407, 451} {
		list = append(list, Fault{Name: http.StatusText(status) + " with HTML", Answer: func(x *Exchange) { x.Whole(status, "text/html", html) }})
	}
	return append(list,
		Fault{Name: "Forbidden without a body", Answer: func(x *Exchange) { x.Whole(http.StatusForbidden, "", "") }},
		Fault{Name: "Forbidden with JSON of others", Answer: func(x *Exchange) {
			x.Whole(http.StatusForbidden, "application/json", `{"error":"forbidden","message":"Missing Authentication Token"}`)
		}},
	)
}

func switching(x *Exchange) {
	if x.Early(http.StatusSwitchingProtocols) == nil {
		x.Silence()
	}
}

func endlessHints(x *Exchange) {
	for x.ctx.Err() == nil && x.Early(http.StatusEarlyHints) == nil {
		continue
	}
	x.ended = true
}

func fewHints(x *Exchange) {
	for range 3 {
		if x.Early(http.StatusEarlyHints) != nil {
			x.ended = true
		}
	}
}
