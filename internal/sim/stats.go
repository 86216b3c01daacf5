package sim

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what the server was asked since it began or was reset. Every call
// counts, refused ones too. No key is in it.
type Stats struct {
	Total       int64                       `json:"total"`
	Calls       map[string]map[string]int64 `json:"calls"` // by method and outcome
	InFlight    int64                       `json:"in_flight"`
	InFlightMax int64                       `json:"in_flight_max"`
	Feeds       FeedStats                   `json:"feeds"`
	Others      OthersStats                 `json:"others"` // of all projects; not among the calls
	KeyInURL    int64                       `json:"key_in_url"`
	Bytes       int64                       `json:"bytes"` // of bodies sent
	Nights      int                         `json:"nights"`
	Listed      int                         `json:"listed"` // clients in the list now
}

// FeedStats counts feed calls by client.
type FeedStats struct {
	Calls    int64           `json:"calls"`
	Distinct int64           `json:"distinct"`  // clients asked for
	Repeated int64           `json:"repeated"`  // calls beyond the first of a client
	ByClient map[int64]int64 `json:"by_client"` // clients asked for more than once, at most maxRepeated
}

// maxRepeated bounds how many clients are named.
const maxRepeated = 10_000

type stats struct {
	inFlight, inFlightMax, keyInURL, bytes atomic.Int64

	mu    sync.Mutex
	calls map[string]map[string]int64
	feeds []uint32 // calls by client id
}

// enter counts a call in flight and returns how to count it out.
func (s *stats) enter() func() {
	now := s.inFlight.Add(1)
	for most := s.inFlightMax.Load(); now > most; most = s.inFlightMax.Load() {
		if s.inFlightMax.CompareAndSwap(most, now) {
			break
		}
	}
	return func() { s.inFlight.Add(-1) }
}

// maxCounted is the greatest client id whose calls are counted by client.
const maxCounted = 20_000_000

func (s *stats) count(method, outcome string, client int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]map[string]int64{}
	}
	by := s.calls[method]
	if by == nil {
		by = map[string]int64{}
		s.calls[method] = by
	}
	by[outcome]++
	if client <= 0 || client > maxCounted {
		return
	}
	if n := int(client) + 1 - len(s.feeds); n > 0 {
		s.feeds = append(s.feeds, make([]uint32, n)...)
	}
	s.feeds[client]++
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	st := &s.stats
	state := s.State()
	out := Stats{
		InFlight: st.inFlight.Load(), InFlightMax: st.inFlightMax.Load(),
		KeyInURL: st.keyInURL.Load(), Bytes: st.bytes.Load(),
		Calls: map[string]map[string]int64{}, Nights: state.Nights(), Listed: state.Total(),
	}
	for _, q := range s.quotas {
		o := q.othersStats(time.Now())
		out.Others.Calls += o.Calls
		out.Others.Refused += o.Refused
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for method, by := range st.calls {
		out.Calls[method] = maps.Clone(by)
		for _, n := range by {
			out.Total += n
		}
	}
	out.Feeds = st.feedStats()
	return out
}

func (s *stats) feedStats() FeedStats {
	f := FeedStats{ByClient: map[int64]int64{}}
	for id, n := range s.feeds {
		if n == 0 {
			continue
		}
		f.Calls += int64(n)
		f.Distinct++
		f.Repeated += int64(n) - 1
		if n > 1 && len(f.ByClient) < maxRepeated {
			f.ByClient[int64(id)] = int64(n)
		}
	}
	return f
}

// ResetStats starts counting anew.
func (s *Server) ResetStats() {
	st := &s.stats
	st.inFlightMax.Store(st.inFlight.Load())
	st.keyInURL.Store(0)
	st.bytes.Store(0)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.calls, st.feeds = nil, nil
}
