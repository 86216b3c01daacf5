package sim

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault makes some calls go wrong. Which: those of Method, for feeds only of
// Clients or of a Share of all clients if either is set; of each client (or of
// the method) only the first Times calls if that is not 0. The first fault that
// fits a call is the one it gets, but for those that only bend a list or the
// clock, which add up.
type Fault struct {
	Kind    string  `json:"kind"`              // see Kinds
	Method  string  `json:"method,omitempty"`  // feed, list, contacts, import or any; by default what the kind is for
	Clients []int64 `json:"clients,omitempty"` // of feed calls
	Share   float64 `json:"share,omitempty"`   // of clients for feed calls, else of calls
	Times   int     `json:"times,omitempty"`   // 0: for good
	Code    string  `json:"code,omitempty"`    // of kind error
	N       int     `json:"n,omitempty"`       // rows, bytes, levels or milliseconds, by kind

	IDs []string `json:"ids,omitempty"` // in the CRM, of rows of an import
}

// effect is what a kind of fault does: before the method runs, or to its
// answer.
type effect struct {
	method  string // by default
	explain string
	before  func(*Server, *call, *Fault) error
	after   func(*answer, *Fault)
}

// effects is the table of all faults; a new kind is a new line.
func effects() map[string]effect {
	return map[string]effect{
		"error":        {"feed", "answers the error code", failWith, nil},
		"error_200":    {"feed", "answers the error code with status 200, whatever the error mode", nil, failOK},
		"delay":        {"any", "waits n milliseconds", delay, nil},
		"refuse":       {"feed", "refuses the connection; over a port, where it is open by then, resets it and doesn't listen for n milliseconds", nil, refuseConnection},
		"clock":        {"any", "answers as ever, but by a clock that is n seconds ahead, or behind", bendClock, nil},
		"truncate":     {"feed", "promises the whole body, sends half and hangs up", nil, deliverAs(truncated)},
		"reset":        {"feed", "resets the connection", nil, deliverAs(reset)},
		"html":         {"feed", "a page of HTML with status 200", nil, html},
		"half_json":    {"feed", "half of the JSON in a complete answer", nil, halfJSON},
		"too_large":    {"feed", "blanks up to n bytes after the JSON's first brace", nil, tooLarge},
		"empty_feed":   {"feed", "a feed without items", nil, emptyFeed},
		"not_utf8":     {"feed", "an item with a byte that is no UTF-8", nil, notUTF8},
		"deep":         {"feed", "an item nested n levels deep", nil, deep},
		"no_status":    {"feed", "the answer without its status", nil, noStatus},
		"chunked_cut":  {"feed", "half of a body without a promised length, then hangs up", nil, deliverAs(cutChunked)},
		"reset_header": {"feed", "resets the connection in the middle of the header", nil, deliverAs(resetInHeader)},
		"reset_body":   {"feed", "resets the connection in the middle of the body", nil, deliverAs(resetInBody)},
		"stall":        {"feed", "sends half the body, then nothing until the caller goes", nil, deliverAs(stalled)},
		"slow":         {"feed", "sends one byte a second", nil, deliverAs(slow)},
		"bad_gzip":     {"feed", "says it is gzip, and isn't", nil, deliverAs(brokenGzip)},
		"limit":        {"any", "429; says to come again in n seconds if n is not 0", limited, nil},
		"limit_200":    {"any", "the quota's error code with status 200, whatever the error mode", nil, limitedOK},
		"limit_date":   {"any", "429, to come again at a date n seconds after the year 2040 by a wrong clock", nil, wrongClock(2040)},
		"limit_past":   {"any", "429, to come again at a date n seconds after the year 1990 by a wrong clock", nil, wrongClock(1990)},
		"long_text":    {"feed", "an item whose text has n bytes", nil, longText},
		"empty_items":  {"feed", "n items without content", nil, emptyItems},
		"invalid":      {"import", "refuses rows as not valid: those with ids=a;b, and those whose id is a multiple of n", bendImport, nil},
		"many_rows":    {"list", "n rows without content", nil, manyRows},
		"gateway":      {"any", "502 with HTML, whatever the error mode", nil, gateway},
		"total_add":    {"list", "the total is n too many, or too few", bendTotal, nil},
		"cut_list":     {"list", "a page lacks its last n rows", bendCut, nil},
		"shift":        {"list", "after each page n clients appear at the top, or -n vanish", bendShift, nil},
	}
}

// Kinds lists the kinds of faults, each with what it does.
func Kinds() []string {
	var out []string
	for kind, e := range effects() {
		out = append(out, kind+": "+e.explain+" (by default of "+e.method+" calls)")
	}
	slices.Sort(out)
	return out
}

// faultList is the faults in force. How often each struck is kept by client.
type faultList struct {
	faults  []Fault
	effects []effect
	mu      sync.Mutex
	struck  map[strike]int
	calls   []int // calls a fault looked at, for shares without a client
}

type strike struct {
	fault  int
	client int64
}

// armed is the fault a call got.
type armed struct {
	fault *Fault
	after func(*answer, *Fault)
}

// spoil lets the fault do to the answer what it does.
func (a *armed) spoil(ans *answer) {
	if a.after == nil {
		return
	}
	a.after(ans, a.fault)
	ans.gz = nil
	ans.outcome = a.fault.Kind
}

// SetFaults puts these faults in the place of those before.
func (s *Server) SetFaults(faults []Fault) error {
	l := &faultList{faults: slices.Clone(faults), struck: map[strike]int{}, calls: make([]int, len(faults))}
	table := effects()
	for i := range l.faults {
		f := &l.faults[i]
		e, ok := table[f.Kind]
		if !ok {
			return fmt.Errorf("fault %d: there is no kind %q", i, f.Kind)
		}
		if f.Method == "" {
			f.Method = e.method
		}
		if err := f.check(); err != nil {
			return fmt.Errorf("fault %d (%s): %w", i, f.Kind, err)
		}
		l.effects = append(l.effects, e)
	}
	s.faults.Store(l)
	return nil
}

func (f *Fault) check() error {
	if !slices.Contains([]string{"feed", "list", "contacts", "import", "any"}, f.Method) {
		return fmt.Errorf("there is no method %q", f.Method)
	}
	if _, ok := statusOf(f.Code); strings.HasPrefix(f.Kind, "error") && !ok {
		return fmt.Errorf("the API has no error code %q", f.Code)
	}
	if f.Share < 0 || f.Share > 1 {
		return fmt.Errorf("share %v: must be from 0 to 1", f.Share)
	}
	if f.Times < 0 {
		return fmt.Errorf("times %d: must not be negative", f.Times)
	}
	if f.N < 0 && !slices.Contains([]string{"shift", "total_add", "clock"}, f.Kind) {
		return fmt.Errorf("n %d: must not be negative", f.N)
	}
	return nil
}

// arm finds the fault for a call and lets it act before the method.
func (s *Server) arm(c *call) error {
	l := s.faults.Load()
	for i := range l.faults {
		f, e := &l.faults[i], &l.effects[i]
		if !l.strikes(i, c) {
			continue
		}
		if e.before != nil {
			if err := e.before(s, c, f); err != nil {
				return err
			}
			continue
		}
		if c.fault == nil {
			c.fault = &armed{f, e.after}
		}
	}
	return nil
}

// strikes decides whether a fault hits the call, and counts it.
func (l *faultList) strikes(i int, c *call) bool {
	f := &l.faults[i]
	if f.Method != "any" && f.Method != c.method.name {
		return false
	}
	if len(f.Clients) > 0 && !slices.Contains(f.Clients, c.client) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int64(l.calls[i])
	l.calls[i]++
	if f.Share > 0 && !f.draws(c, n) {
		return false
	}
	key := strike{i, c.client}
	if f.Times > 0 && l.struck[key] >= f.Times {
		return false
	}
	if f.Times > 0 {
		l.struck[key]++
	}
	return true
}

// draws decides a share: of clients by their id, of other calls by their
// number.
func (f *Fault) draws(c *call, n int64) bool {
	if c.client != 0 {
		n = c.client
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(f.Kind + f.Code + strconv.FormatInt(n, 10))) // a hash never fails
	return float64(h.Sum64()%1_000_000) < f.Share*1_000_000
}

func failWith(_ *Server, _ *call, f *Fault) error {
	return refuse(f.Code, "a fault that was asked for")
}

func delay(_ *Server, c *call, f *Fault) error {
	return pause(c.r.Context(), time.Duration(f.N)*time.Millisecond, 0)
}

func bendTotal(_ *Server, c *call, f *Fault) error {
	c.totalAdd += f.N
	return nil
}

func bendCut(_ *Server, c *call, f *Fault) error {
	c.cut += f.N
	return nil
}

func bendShift(s *Server, c *call, f *Fault) error {
	c.shift += f.N
	return nil
}

func bendImport(_ *Server, c *call, f *Fault) error {
	c.invalid = append(c.invalid, f)
	return nil
}

// refuses tells whether a row of an import with this id is not valid.
func (f *Fault) refuses(id string) bool {
	number, err := strconv.Atoi(id)
	return slices.Contains(f.IDs, id) || f.N > 0 && err == nil && number%f.N == 0
}

func bendClock(_ *Server, c *call, f *Fault) error {
	c.skew += time.Duration(f.N) * time.Second
	return nil
}

func html(a *answer, _ *Fault) {
	a.kind, a.status = "text/html; charset=utf-8", http.StatusOK
	a.body = []byte("<!DOCTYPE html>\n<html><head><title>Roistat</title></head><body>Технические работы</body></html>\n")
}

func gateway(a *answer, f *Fault) {
	html(a, f)
	a.status = http.StatusBadGateway
}

func halfJSON(a *answer, _ *Fault) { a.body = a.body[:len(a.body)/2] }

func tooLarge(a *answer, f *Fault) {
	if pad := f.N - len(a.body); pad > 0 {
		a.body = slices.Concat(a.body[:1], []byte(strings.Repeat(" ", pad)), a.body[1:])
	}
}

func emptyFeed(a *answer, _ *Fault) {
	a.status, a.body = http.StatusOK, []byte(`{"feed":[],"status":"success"}`)
}

func notUTF8(a *answer, _ *Fault) {
	addItem(a, "{\"type\":\"sms\",\"date\":\"2026-01-01T00:00:00Z\",\"text\":\"\xff\xfe\"}")
}

func deep(a *answer, f *Fault) {
	addItem(a, `{"type":"sms","date":"2026-01-01T00:00:00Z","x":`+strings.Repeat("[", f.N)+strings.Repeat("]", f.N)+`}`)
}

// addItem puts one more item at the start of a feed.
func addItem(a *answer, item string) {
	const start = `{"feed":[`
	rest, ok := strings.CutPrefix(string(a.body), start)
	if !ok {
		return
	}
	if !strings.HasPrefix(rest, "]") {
		item += ","
	}
	a.body = []byte(start + item + rest)
}

func noStatus(a *answer, _ *Fault) {
	a.body = []byte(strings.Replace(string(a.body), `,"status":"success"}`, "}", 1))
}
