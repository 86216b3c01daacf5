package world

import (
	"fmt"
	"time"
)

// Config says which world to make.
type Config struct {
	Seed    uint64
	Clients int    // before any night
	Months  int    // of history before the world's end
	Whale   bool   // one client has a feed of WhaleItems items
	Plain   bool   // no quirks: every value spelt in one way, nothing broken
	Loose   bool   // campaigns spell contacts loosely: with names, in pairs, inside other rows
	Project string // the project column of the truth
}

// DefaultConfig is the world roistat-sim serves unless told otherwise.
func DefaultConfig() Config {
	return Config{Seed: 1, Clients: 1000, Months: 12, Whale: true, Project: "12345"}
}

// World makes clients, feeds and contacts from a seed. It is immutable but for
// the lists of contacts it remembers, and safe for concurrent use.
type World struct {
	cfg        Config
	start, end int64 // of the history, Unix milliseconds
	contacts   [Campaigns]func() []contactRef
}

// endOfHistory is where every world's history ends and its nights begin; it is
// fixed so that a seed means the same bytes on any day.
func endOfHistory() time.Time { return time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) }

// The bounds of a world: ids stay well inside what a JSON number can hold.
const (
	maxClients = 10_000_000
	maxMonths  = 600
)

// New makes a world, or says what is wrong with its configuration.
func New(cfg Config) (*World, error) {
	if cfg.Clients < 0 || cfg.Clients > maxClients {
		return nil, fmt.Errorf("clients %d: must be 0 to %d", cfg.Clients, maxClients)
	}
	if cfg.Months < 1 || cfg.Months > maxMonths {
		return nil, fmt.Errorf("months %d: must be 1 to %d", cfg.Months, maxMonths)
	}
	w := &World{cfg: cfg, end: endOfHistory().UnixMilli()}
	w.start = endOfHistory().AddDate(0, -cfg.Months, 0).UnixMilli()
	for c := range w.contacts {
		w.contacts[c] = rememberContacts(w, c+1)
	}
	return w, nil
}

// Config returns what the world was made from.
func (w *World) Config() Config { return w.cfg }

func (w *World) rng(purpose uint64, id int64, night int) rng {
	return newRNG(w.cfg.Plain, w.cfg.Seed, purpose, uint64(id), uint64(night))
}

func (w *World) share(purpose uint64, id int64, night int) float64 {
	return share(w.cfg.Seed, purpose, uint64(id), uint64(night))
}

// whale is the client with the largest feed.
func (w *World) whale() int64 { return min(7, int64(w.cfg.Clients)) }

// nightStart is the first millisecond of the day that ends in night n.
func (w *World) nightStart(n int) int64 { return w.end + int64(n-1)*day }
