package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through the pipeline.
type call struct {
	w        http.ResponseWriter
	r        *http.Request
	method   method
	query    url.Values
	client   int64 // of a feed call
	fault    *armed
	totalAdd int
	cut      int           // rows a list page lacks
	shift    int           // clients that appear after it, or vanish
	skew     time.Duration // of the clock that the answer goes by
	invalid  []*Fault      // that refuse rows of an import
}

// answer is what a call gets. gz is body compressed, if it is at hand.
type answer struct {
	status   int
	kind     string // content type
	body     []byte
	gz       []byte
	delivery delivery
	outcome  string // in statistics: success, an error code or a fault
	wait     time.Duration
	clock    time.Time // what the server takes for now, in a refusal; zero: nothing is said
}

// serve runs the pipeline for one call.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	defer s.stats.enter()()
	c := &call{w: w, r: r, query: r.URL.Query()}
	a, err := s.answer(c)
	if err != nil {
		a = refused(r, err)
	}
	if c.fault != nil {
		c.fault.spoil(a)
	}
	s.stats.count(c.method.name, a.outcome, c.client)
	s.log(c, a, began)
	s.deliver(c, a)
}

// answer checks the call and lets its method run.
func (s *Server) answer(c *call) (*answer, error) {
	if err := s.route(c); err != nil {
		return nil, err
	}
	if err := s.authorize(c); err != nil {
		return nil, err
	}
	if err := s.admit(c); err != nil {
		return nil, err
	}
	if err := pause(c.r.Context(), s.opt.Latency, s.opt.Jitter); err != nil {
		return nil, err
	}
	if err := s.arm(c); err != nil {
		return nil, err
	}
	a, err := c.method.run(s, c)
	if c.shift != 0 {
		s.shift(c.shift)
	}
	return a, err
}

// route finds the method and, for a feed, its client.
func (s *Server) route(c *call) error {
	path, inside := strings.CutPrefix(c.r.URL.Path, apiRoot)
	m, known := s.methods[path]
	if !inside || !known {
		c.method.name = "unknown"
		return refuse("incorrect_request", "there is no method %q", c.r.URL.Path)
	}
	c.method = m
	if c.r.Method != m.verb {
		return refuse("incorrect_request", "%s takes %s", path, m.verb)
	}
	if m.name == "feed" {
		c.client, _ = strconv.ParseInt(c.query.Get("client"), 10, 64)
	}
	return nil
}

// authorize checks key and project. A key in the URL ends up in logs, so here
// it is refused, unlike by the real service.
func (s *Server) authorize(c *call) error {
	if c.query.Has("key") {
		s.stats.keyInURL.Add(1)
		return refuse("authentication_failed", "the key belongs into the header Api-key")
	}
	if c.r.Header.Get("Api-key") != s.opt.Key {
		return refuse("authentication_failed", "the key is missing or wrong")
	}
	project := c.query.Get("project")
	if project == "" {
		return refuse("authorization_failed", "no project was named")
	}
	if !slices.Contains(s.opt.Projects, project) {
		return refuse("access_denied", "the key may not see project %q", project)
	}
	return nil
}

func (s *Server) admit(c *call) error {
	wait := s.quotas[c.query.Get("project")].admit(time.Now())
	if wait == 0 {
		return nil
	}
	r := refuse("request_limit_error", "the quota of the project is spent")
	if s.opt.RetryAfter {
		r.retryAfter = wait
	}
	return r
}

// pause waits for the latency unless the caller goes away first.
func pause(ctx context.Context, base, jitter time.Duration) error {
	d := base
	if jitter > 0 {
		d += rand.N(jitter)
	}
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait out the latency: %w", ctx.Err())
	}
}

// refused turns an error into the answer the API gives for it.
func refused(r *http.Request, err error) *answer {
	var no *refusal
	if !errors.As(err, &no) {
		no = refuse("internal_error", "%v", err)
	}
	a := refusalAnswer(no, r.Header.Get("Use-Http-Code") == "1")
	if r.Context().Err() != nil {
		a.outcome = "canceled" // nobody is there to read it
	}
	return a
}

// log writes the access line; the query is left out, since a key may be in it.
func (s *Server) log(c *call, a *answer, began time.Time) {
	if s.opt.AccessLog == nil {
		return
	}
	s.opt.AccessLog.LogAttrs(c.r.Context(), levelInfo, "call", accessAttrs(c, a, began)...)
}
