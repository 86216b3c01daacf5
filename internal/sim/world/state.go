package world

import (
	"slices"
	"sort"
)

// State is a world after some nights: who is listed, and what each night did.
// It is immutable; moving on makes another one.
type State struct {
	w      *World
	nights []float64 // the share of clients each night touched
	births []birth   // ascending
	gone   map[int64]bool
	live   []int64 // ascending; a negative one is a row without a usable id
	junk   int     // how many of those
	next   int64   // the next client's id
}

// birth says from which id on clients were born in which night.
type birth struct {
	from  int64
	night int
}

// State returns the world before any night.
func (w *World) State() *State {
	n := w.cfg.Clients
	s := &State{w: w, next: int64(n) + 1, births: []birth{{1, 0}}, live: make([]int64, 0, n+n/500+1)}
	for id := int64(1); id <= int64(n); id++ {
		s.live = append(s.live, id)
		if !w.cfg.Plain && id%500 == 250 {
			s.junk++
			s.live = append(s.live, -int64(s.junk))
		}
	}
	return s
}

// World returns the world the state is of.
func (s *State) World() *World { return s.w }

// Nights returns the number of nights that have passed.
func (s *State) Nights() int { return len(s.nights) }

// Listed is the number of rows in the list, those without a usable id included.
func (s *State) Listed() int { return len(s.live) }

// Total is the number of clients in the list.
func (s *State) Total() int { return len(s.live) - s.junk }

// Row returns the row at an offset of the list, newest first.
func (s *State) Row(offset int) *Row {
	id := s.At(offset)
	if id < 0 {
		return s.w.junkRow(-id)
	}
	f, _ := s.Feed(id)
	return s.w.Row(f)
}

// At returns the id at an offset of the list; negative if it isn't usable.
func (s *State) At(offset int) int64 { return s.live[len(s.live)-1-offset] }

// Clients returns the ids of the live clients, ascending. The caller must not
// change it.
func (s *State) Clients() []int64 {
	if s.junk == 0 {
		return s.live
	}
	return slices.DeleteFunc(slices.Clone(s.live), func(id int64) bool { return id < 0 })
}

// Has reports whether the client exists now.
func (s *State) Has(id int64) bool { return id > 0 && id < s.next && !s.gone[id] }

// Feed makes the client's feed; false if there is no such client now.
func (s *State) Feed(id int64) (*Feed, bool) {
	if !s.Has(id) {
		return nil, false
	}
	born := s.born(id)
	g := s.w.base(id, born)
	for n := born + 1; n <= len(s.nights); n++ {
		if s.touched(id, n) {
			g.night(s.w, n)
		}
	}
	return &Feed{Client: id, Escaped: !g.plain && g.rng.escapes(s.w, id), Items: g.items}, true
}

// escapes decides by the client alone whether its feed has letters escaped.
func (r rng) escapes(w *World, id int64) bool { return w.share(forFeed, id, 1) < 0.35 }

// Version counts the nights that touched the client: equal versions of a client
// have equal feeds and rows.
func (s *State) Version(id int64) int {
	v := 0
	for n := s.born(id) + 1; n <= len(s.nights); n++ {
		if s.touched(id, n) {
			v++
		}
	}
	return v
}

func (s *State) touched(id int64, n int) bool {
	return s.w.share(forNight, id, n) < s.nights[n-1]
}

func (s *State) born(id int64) int {
	i := sort.Search(len(s.births), func(i int) bool { return s.births[i].from > id })
	return s.births[i-1].night
}

// Night moves the world on by a night that touches a share of the clients. A
// twentieth of that share vanishes, and a fifth of it is new.
func (s *State) Night(touched float64) *State {
	n := *s
	n.nights = append(slices.Clip(s.nights), touched)
	n.vanish(func(id int64) bool {
		return id > 0 && s.w.share(forVanish, id, len(n.nights)) < touched/20
	})
	return n.Grow(int(touched/5*float64(s.w.cfg.Clients) + 0.5))
}

// Grow adds new clients at the top of the list.
func (s *State) Grow(count int) *State {
	n := *s
	n.births = append(slices.Clip(s.births), birth{s.next, len(s.nights)})
	n.live = slices.Grow(slices.Clip(s.live), count)
	for range count {
		n.live = append(n.live, n.next)
		n.next++
	}
	return &n
}

// Shrink takes the newest clients away from the list.
func (s *State) Shrink(count int) *State {
	n := *s
	from := max(0, len(s.live)-count)
	top := s.live[from:]
	n.vanish(func(id int64) bool { return id > 0 && slices.Contains(top, id) })
	return &n
}

// vanish takes the clients that which names out of the list, for good.
func (s *State) vanish(which func(int64) bool) {
	gone := make(map[int64]bool, len(s.gone))
	for id := range s.gone {
		gone[id] = true
	}
	live := make([]int64, 0, len(s.live))
	for _, id := range s.live {
		if which(id) {
			gone[id] = true
			continue
		}
		live = append(live, id)
	}
	s.gone, s.live = gone, live
}
