package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"roistat-etl/internal/sim"
)

// schedule is everything that a seed draws. Its JSON is what a failing seed
// prints, and what -chaos.schedule takes.
type schedule struct {
	Seed   uint64 `json:"seed"`
	Binary bool   `json:"binary,omitempty"` // the real program over a port
	World  place  `json:"world"`
	Steps  []step `json:"steps"`
}

// place is the world, the API that shows it and the pipeline's configuration.
type place struct {
	Clients     int     `json:"clients"`
	Months      int     `json:"months"`
	Plain       bool    `json:"plain,omitempty"`
	Loose       bool    `json:"loose,omitempty"` // see world.Config
	MaxPage     int     `json:"max_page"`
	PageSize    int     `json:"page_size"`
	ContactPage int     `json:"contact_page,omitempty"`
	SimHour     int     `json:"sim_hour,omitempty"`
	SimSecond   int     `json:"sim_second,omitempty"`
	PerHour     int     `json:"per_hour"`
	Concurrency int     `json:"concurrency"`
	Attempts    int     `json:"attempts"`
	Keep        int     `json:"keep"`
	KeepGone    bool    `json:"keep_gone,omitempty"`
	Campaigns   []int64 `json:"campaigns,omitempty"`
	Workers     int     `json:"workers"`
	ClickHouse  string  `json:"clickhouse,omitempty"` // where it stands among the destinations
	Clock       bool    `json:"clock,omitempty"`      // the real program's can be set
	S3          string  `json:"s3,omitempty"`         // what lies there: tables, or tables and copies of the mirror
}

// step is one run of the pipeline and what happens before and during it.
type step struct {
	Hours float64 `json:"hours,omitempty"` // that pass before it (in virtual time)
	Night float64 `json:"night,omitempty"` // share of the clients that a night touches before it

	Full      bool          `json:"full,omitempty"`
	NoExtract bool          `json:"no_extract,omitempty"`
	NoPublish bool          `json:"no_publish,omitempty"`
	Budget    int           `json:"budget,omitempty"`
	Deadline  time.Duration `json:"deadline,omitempty"`
	Accept    bool          `json:"accept,omitempty"` // all gates
	Lost      bool          `json:"lost,omitempty"`   // the mirror was lost before it
	Adopt     bool          `json:"adopt,omitempty"`

	Faults []sim.Fault `json:"faults,omitempty"`
	At     int         `json:"at,omitempty"`   // at this call of the run, from 1 …
	Then   []sim.Fault `json:"then,omitempty"` // … these faults replace the others,
	Moves  float64     `json:"moves,omitempty"`
	Second bool        `json:"second,omitempty"` // a second run is tried,
	Linked bool        `json:"linked,omitempty"` // which knows the mirror by a link,
	Cancel bool        `json:"cancel,omitempty"` // or the signal comes

	Disk string `json:"disk,omitempty"` // see disks
	Room int    `json:"room,omitempty"` // KiB that a full disk has left

	Signal string        `json:"signal,omitempty"` // kill, term or stop: of the real program
	After  time.Duration `json:"after,omitempty"`
	Inject string        `json:"inject,omitempty"` // what strace makes fail
	Moved  bool          `json:"moved,omitempty"`  // the mirror is only in its copy before it

	Moment *moment `json:"moment,omitempty"` // what happens between the real program and ClickHouse or S3

	Clock   float64 `json:"clock,omitempty"`    // days by which our clock is ahead during it
	ClockTo float64 `json:"clock_to,omitempty"` // … and from the call At on
	Link    string  `json:"link,omitempty"`     // what has become of `current` before it, see vandalize
	Mishap  string  `json:"mishap,omitempty"`   // instead of a run: what becomes of the mirror, see mishaps
	Forget  []int64 `json:"forget,omitempty"`   // instead of a run: these clients are forgotten

	Clean bool `json:"clean,omitempty"` // nothing is wrong: it must bring everything
}

// String is the schedule as JSON.
func (s *schedule) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(text)
}

// dice draws.
type dice struct{ *rand.Rand }

func (d dice) chance(p float64) bool { return d.Float64() < p }

func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }

func one[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

// draw makes the schedule of a seed.
func draw(seed uint64) *schedule {
	d := dice{rand.New(rand.NewPCG(seed, 0xc4a05))}
	s := &schedule{Seed: seed, World: drawPlace(d)}
	s.Steps = append(s.Steps, drawStep(d, s, 0))
	for n := d.between(1, 4); n > 0; n-- {
		next := drawStep(d, s, len(s.Steps))
		s.Steps = append(s.Steps, next)
		if next.Lost { // nobody may publish over it until somebody says so
			s.Steps = append(s.Steps, step{Hours: 1, Adopt: true, Accept: true, Clean: true})
		}
	}
	s.Steps = append(s.Steps, step{Hours: 25, Night: one(d, 0, 0.2), Accept: true, Clean: true})
	drawMore(dice{rand.New(rand.NewPCG(seed, 0xb15))}, s)
	return s
}

func drawPlace(d dice) place {
	p := place{
		Clients: d.between(5, one(d, 20, 60, 300)), Months: d.between(1, 8), Plain: d.chance(0.2),
		MaxPage: one(d, 7, 30, 100, 1000), PageSize: one(d, 20, 100, 1000), ContactPage: one(d, 0, 0, 13),
		PerHour: one(d, 5000, 5000, 5000, 150), Concurrency: one(d, 1, 3, 8, 16), Attempts: d.between(1, 5),
		Keep: d.between(1, 3), KeepGone: d.chance(0.3), Workers: d.between(1, 3),
	}
	if p.MaxPage < p.Clients/20 {
		p.MaxPage = 30
	}
	if d.chance(0.2) {
		p.SimHour = p.PerHour + 20
	}
	if d.chance(0.1) {
		p.SimSecond = 8
	}
	for c := range int64(3) {
		if d.chance(0.5) {
			p.Campaigns = append(p.Campaigns, c+1)
		}
	}
	return p
}

// drawStep draws one run; the first sees an empty mirror.
func drawStep(d dice, s *schedule, n int) step {
	st := step{Hours: one(d, 24, 24, 24, 2, 0.2), Night: one(d, 0, 0.05, 0.3, 1)}
	if n == 0 {
		st.Hours, st.Night = 0, 0
	}
	switch {
	case d.chance(0.12) && n > 0:
		st.NoExtract = true
	case d.chance(0.06):
		st.NoPublish = true
	case d.chance(0.1):
		st.Full = true
	}
	if !st.NoExtract && d.chance(0.15) {
		st.Budget = d.between(1, s.World.Clients+3)
	} else if !st.NoExtract && d.chance(0.12) {
		st.Deadline = time.Duration(d.between(1, 60)) * time.Second
	}
	st.Lost = n > 0 && !st.NoExtract && !st.NoPublish && d.chance(0.06)
	st.Accept = d.chance(0.1)
	for d.chance(0.45) && len(st.Faults) < 3 {
		st.Faults = append(st.Faults, drawFault(d, s.World.Clients))
	}
	drawEvent(d, s, &st)
	if d.chance(0.25) {
		st.Disk, st.Room = one(d, disks()...), d.between(1, 600)
	}
	return st
}

// drawEvent draws what happens in the middle of a run.
func drawEvent(d dice, s *schedule, st *step) {
	if st.NoExtract || !d.chance(0.4) {
		return
	}
	st.At = d.between(1, s.World.Clients+5)
	switch d.IntN(5) {
	case 0:
		st.Cancel = true
	case 1:
		st.Second = true
	case 2:
		st.Moves = one(d, 0.05, 0.5)
	default:
		st.Then = []sim.Fault{}
		for len(st.Then) < 2 && d.chance(0.8) {
			st.Then = append(st.Then, drawFault(d, s.World.Clients))
		}
	}
}

// drawFault draws what the API does wrong.
func drawFault(d dice, clients int) sim.Fault {
	switch p := d.Float64(); {
	case p < 0.05:
		return sim.Fault{Kind: "error", Method: "any", Code: one(d, "authentication_failed", "access_denied", "option_not_paid", "project_frozen"), Share: one(d, 0, 0.1)}
	case p < 0.12:
		return sim.Fault{Kind: "empty_feed", Share: one(d, 0, 0.03, 0.3, 1), Times: one(d, 0, 1)}
	case p < 0.2:
		return sim.Fault{Kind: "cut_list", N: d.between(1, 5), Method: one(d, "list", "contacts"), Times: one(d, 0, 1)}
	case p < 0.27:
		return sim.Fault{Kind: "total_add", N: d.between(-3, 5)}
	case p < 0.32:
		return sim.Fault{Kind: "total_add", N: d.between(0, 3), Method: "contacts"}
	case p < 0.38:
		return sim.Fault{Kind: "shift", N: one(d, -2, 1, 3)}
	}
	f := sim.Fault{
		Kind:   one(d, "error", "error", "truncate", "reset", "html", "half_json", "too_large", "no_status", "gateway", "delay"),
		Method: one(d, "feed", "feed", "feed", "list", "contacts", "any"), Times: one(d, 0, 1, 2),
	}
	switch f.Kind {
	case "error":
		f.Code = one(d, "internal_error", "request_limit_error", "unknown_error", "resource_not_found", "request_data_validation_error", "integration_error")
	case "too_large":
		f.N = maxResponse + 1000
	case "delay":
		f.N = d.between(1, 90_000)
	}
	if f.Code == "request_limit_error" && f.Times == 0 {
		f.Times = 3
	}
	if f.Method == "feed" && d.chance(0.3) {
		f.Clients = []int64{int64(d.between(1, clients)), int64(d.between(1, clients))}
	} else if d.chance(0.8) {
		f.Share = one(d, 0.02, 0.1, 0.5)
	}
	return f
}
