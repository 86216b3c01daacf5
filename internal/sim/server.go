package sim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"roistat-etl/internal/sim/world"
)

// Server plays the API. It is safe for concurrent use.
type Server struct {
	opt     Options
	methods map[string]method // by path below apiRoot
	control *http.ServeMux
	quotas  map[string]*quota // by project
	state   atomic.Pointer[world.State]
	move    sync.Mutex // held while the world moves on
	faults  atomic.Pointer[faultList]
	cache   *cache
	found   matches
	stats   stats
	imports imports
	packer  packer
}

// apiRoot is the path below which the API's methods are.
const apiRoot = "/api/v1"

// method is one method of the API.
type method struct {
	name string // in statistics and faults
	verb string
	run  func(*Server, *call) (*answer, error)
}

// New makes a server and its world. With Options.Cache call Warm next, or let
// the cache fill as feeds are asked for.
func New(o Options) (*Server, error) {
	if o.Key == "" {
		return nil, errors.New("the key is empty")
	}
	if len(o.Projects) == 0 {
		return nil, errors.New("no project is allowed")
	}
	if o.MaxPage < 1 {
		return nil, fmt.Errorf("max page %d: must be at least 1", o.MaxPage)
	}
	w, err := world.New(o.World)
	if err != nil {
		return nil, fmt.Errorf("make world: %w", err)
	}
	s := &Server{opt: o, quotas: map[string]*quota{}, methods: apiMethods(), imports: imports{count: o.CountImports}}
	for _, p := range o.Projects {
		s.quotas[p] = newQuota(o.PerSecond, o.PerHour)
	}
	s.state.Store(w.State())
	if o.Cache {
		s.cache = &cache{}
		if !o.NoGzip {
			s.cache.packer = &s.packer
		}
	}
	s.control = s.controls()
	if o.Others != (Others{}) {
		if err := s.SetOthers(o.Others); err != nil {
			return nil, err
		}
	}
	return s, s.SetFaults(o.Faults)
}

func apiMethods() map[string]method {
	return map[string]method{
		"/project/clients":                       {"list", http.MethodPost, (*Server).list},
		"/project/clients/detail/feed":           {"feed", http.MethodGet, (*Server).feed},
		"/project/clients/campaign/contact/list": {"contacts", http.MethodPost, (*Server).contacts},
		"/project/clients/import":                {"import", http.MethodPost, (*Server).importClients},
	}
}

// ServeHTTP answers a call of the API, or of the controls under /_sim/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.control.ServeHTTP(w, r)
		return
	}
	s.serve(w, r)
}

// State returns the world as it is now.
func (s *Server) State() *world.State { return s.state.Load() }

// Night moves the world on by so many nights, each touching a share of the
// clients.
func (s *Server) Night(nights int, share float64) {
	s.move.Lock()
	defer s.move.Unlock()
	for range nights {
		s.state.Store(s.state.Load().Night(share))
	}
}

// shift lets n clients appear at the top of the list, or -n vanish from it.
func (s *Server) shift(n int) {
	s.move.Lock()
	defer s.move.Unlock()
	if n >= 0 {
		s.state.Store(s.state.Load().Grow(n))
		return
	}
	s.state.Store(s.state.Load().Shrink(-n))
}
