package sim

import (
	"net/http"
	"strings"
	"time"
)

const quotaCode = "request_limit_error"

// deliverAs is a fault of the way an answer takes.
func deliverAs(d delivery) func(*answer, *Fault) {
	return func(a *answer, _ *Fault) { a.delivery = d }
}

// limited refuses as a quota does, under the status of the error mode.
func limited(_ *Server, _ *call, f *Fault) error {
	r := refuse(quotaCode, "a fault that was asked for")
	r.retryAfter = time.Duration(f.N) * time.Second
	return r
}

func limitedOK(a *answer, _ *Fault) { failOK(a, &Fault{Code: quotaCode}) }

// failOK is an error that looks like a success to whoever goes by the status.
func failOK(a *answer, f *Fault) {
	*a = *refusalAnswer(refuse(f.Code, "a fault that was asked for"), false)
}

// refuseConnection turns the caller away at the door.
func refuseConnection(a *answer, f *Fault) {
	a.delivery, a.wait = turnedAway, time.Duration(f.N)*time.Millisecond
}

// wrongClock refuses by the clock of a server that lives in another year.
func wrongClock(year int) func(*answer, *Fault) {
	return func(a *answer, f *Fault) {
		limitedOK(a, f)
		a.status = http.StatusTooManyRequests
		a.clock, a.wait = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), time.Duration(f.N)*time.Second
	}
}

func longText(a *answer, f *Fault) {
	addItem(a, `{"type":"sms","date":"2026-01-01T00:00:00Z","text":"`+strings.Repeat("x", f.N)+`"}`)
}

func emptyItems(a *answer, f *Fault) {
	a.body = []byte(`{"feed":[` + repeated("{}", f.N) + `],"status":"success"}`)
}

func manyRows(a *answer, f *Fault) {
	a.body = []byte(`{"clients":[` + repeated("{}", f.N) + `],"total":1,"status":"success"}`)
}

// repeated is a list of n equal elements.
func repeated(element string, n int) string {
	return strings.TrimSuffix(strings.Repeat(element+",", n), ",")
}
