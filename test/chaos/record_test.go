package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"roistat-etl/internal/sim"
	"roistat-etl/internal/sim/world"
)

// exchange is a call and the answer that was sent, as the recorder saw it.
type exchange struct {
	Method  string // list, feed or contacts
	Client  int64
	Offset  int
	Began   time.Time
	At      time.Time     // when the answer began
	Ahead   time.Duration // by which the program's clock was ahead of ours then
	Status  int
	Body    []byte
	Torn    bool
	States  [2]*world.State // before and after
	Ordinal int             // of the run, from 0
}

// recorder is the API with a memory: every answer it gave, as sent, in order.
type recorder struct {
	server *sim.Server
	event  func(n int) // at the n-th call of the run, before it is answered
	gossip bool        // refusals name the client's email

	mu    sync.Mutex
	ahead time.Duration
	log   []*exchange
	made  int
	all   []time.Time // of all calls, for the journal
}

// begin forgets the calls of the run before.
func (r *recorder) begin(event func(int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event, r.log, r.made = event, nil, 0
}

// setAhead notes that the program's clock was set.
func (r *recorder) setAhead(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead = d
}

// calls returns the calls of this run, in the order of their answers.
func (r *recorder) calls() []*exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*exchange(nil), r.log...)
}

// since counts the calls of any run since a time.
func (r *recorder) since(t time.Time) (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.all {
		if at.After(t) {
			n++
		}
	}
	return n
}

// ServeHTTP answers and remembers.
func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	x := &exchange{Method: methodOf(q.URL.Path), Began: time.Now()}
	x.Client, _ = strconv.ParseInt(q.URL.Query().Get("client"), 10, 64)
	if q.Method == http.MethodPost {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		var asked struct{ Offset int }
		_ = json.Unmarshal(body, &asked) // the server complains
		x.Offset = asked.Offset
		q.Body = io.NopCloser(bytes.NewReader(body))
	}
	r.mu.Lock()
	r.made++
	x.Ordinal = r.made
	r.all = append(r.all, x.Began)
	event := r.event
	r.mu.Unlock()
	if event != nil {
		event(x.Ordinal)
	}
	x.States[0] = r.server.State()
	c := &capture{ResponseWriter: w, status: http.StatusOK}
	if r.gossip {
		c.name = emailOf(x.States[0], x.Client)
	}
	defer func() {
		if v := recover(); v != nil {
			x.Torn = true
			r.keep(x, c)
			panic(v)
		}
	}()
	r.server.ServeHTTP(c, q)
	r.keep(x, c)
}

func (r *recorder) keep(x *exchange, c *capture) {
	x.States[1], x.Status, x.Body = r.server.State(), c.status, c.body.Bytes()
	if x.At = c.at; x.At.IsZero() {
		x.At = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x.Ahead = r.ahead
	r.log = append(r.log, x)
}

func methodOf(path string) string {
	switch {
	case strings.HasSuffix(path, "/detail/feed"):
		return "feed"
	case strings.HasSuffix(path, "/contact/list"):
		return "contacts"
	default:
		return "list"
	}
}

// capture passes an answer on and keeps it.
type capture struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	at     time.Time
	name   string // who is named in a refusal
}

// refusalText is what the stand-in's refusals say; no email is longer.
const refusalText = "a fault that was asked for"

// emailOf is the email in a client's row; "" if it has none.
func emailOf(s *world.State, id int64) string {
	f, ok := s.Feed(id)
	if !ok {
		return ""
	}
	if c := s.World().Row(f).Find("email"); c != nil && !c.IsNull() {
		return c.Text
	}
	return ""
}

// WriteHeader keeps the status.
func (c *capture) WriteHeader(status int) {
	c.status, c.at = status, time.Now()
	c.ResponseWriter.WriteHeader(status)
}

// Write keeps a part of the body.
func (c *capture) Write(p []byte) (int, error) {
	if c.name != "" {
		p = bytes.Replace(p, []byte(refusalText), fmt.Appendf(nil, "%-*s", len(refusalText), c.name), 1)
	}
	c.body.Write(p)
	return c.ResponseWriter.Write(p)
}

// Unwrap lets a controller reach the connection.
func (c *capture) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// refusal is the error code of an answer; "" if it has none.
func (x *exchange) refusal() string {
	var doc struct{ Status, Error string }
	if x.Torn || json.Unmarshal(x.Body, &doc) != nil || doc.Status != "error" {
		return ""
	}
	return doc.Error
}

// final tells whether the API refused for good.
func (x *exchange) final() bool {
	switch x.refusal() {
	case "authentication_failed", "authorization_failed", "access_denied", "option_not_available",
		"option_not_enabled", "option_not_paid", "insufficient_funds", "project_frozen":
		return true
	case "": // a body that says nothing of it
		return !x.Torn && (x.Status == http.StatusUnauthorized || x.Status == http.StatusPaymentRequired || x.Status == http.StatusForbidden)
	}
	return false
}

// version is a feed that was delivered whole, and which it was.
type version struct {
	feed  []byte // the array as sent
	of    *truth // the rows that it must become
	items int64
	at    time.Time     // when it was delivered; zero: never
	ahead time.Duration // of the program's clock then
}

// page is what a list answer showed; nil if the answer was not whole.
type page struct {
	ids   []int64 // 0: a row without an id
	rows  [][]byte
	total int64
	state *world.State
}

// page reads a list answer and finds the state that it shows.
func (x *exchange) page() *page {
	var doc struct {
		Clients []json.RawMessage
		Total   *int64
		Status  string
	}
	if x.Torn || x.Status != http.StatusOK || len(x.Body) > maxResponse || json.Unmarshal(x.Body, &doc) != nil || doc.Status != "success" || doc.Total == nil {
		return nil
	}
	for _, state := range x.States {
		p := &page{total: *doc.Total, state: state}
		for i, raw := range doc.Clients {
			if x.Offset+i >= state.Listed() || !bytes.Equal(world.AppendRow(nil, state.Row(x.Offset+i)), raw) {
				p = nil
				break
			}
			p.ids, p.rows = append(p.ids, max(0, state.At(x.Offset+i))), append(p.rows, raw)
		}
		if p != nil {
			return p
		}
	}
	return nil
}

const (
	feedHead = `{"feed":`
	feedTail = `,"status":"success"}`
)

// delivered returns the feed that an answer brought whole; nil if it did not.
func (x *exchange) delivered(book *book) *version {
	if x.Torn || x.Status != http.StatusOK {
		return nil
	}
	if string(x.Body) == `{"feed":[],"status":"success"}` {
		return &version{feed: []byte("[]"), of: book.nothing(x.Client), at: x.At, ahead: x.Ahead}
	}
	for _, state := range x.States {
		f, ok := state.Feed(x.Client)
		if !ok || !bytes.Equal(world.AppendFeed(nil, f), x.Body) {
			continue
		}
		inner := bytes.TrimSuffix(bytes.TrimPrefix(x.Body, []byte(feedHead)), []byte(feedTail))
		if string(inner) == "{}" {
			inner = []byte("[]")
		}
		return &version{feed: inner, of: book.of(state, x.Client), items: int64(len(f.Items)), at: x.At, ahead: x.Ahead}
	}
	return nil
}
