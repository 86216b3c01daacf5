package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestClickHouse plays seeds with the real program and a real ClickHouse: kill
// -9 of either, connections cut and answers lost, at chosen statements.
func TestClickHouse(t *testing.T) {
	if *scheduleFlag != "" {
		s := &schedule{}
		if err := json.Unmarshal([]byte(*scheduleFlag), s); err != nil {
			t.Fatal(err)
		}
		warehouseSeed(t, s)
		return
	}
	first, n := *firstFlag, *clickhouseFlag
	if *seedFlag != 0 {
		first, n = *seedFlag, 1
	}
	var mu sync.Mutex
	var sum tally
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+uint64(n); seed++ {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				done := warehouseSeed(t, drawWarehouse(seed))
				mu.Lock()
				defer mu.Unlock()
				sum.add(done)
			})
		}
	})
	t.Logf("%d times the loader was killed, %d times the server, which died by itself %d times; %d times a connection was cut or an answer lost, %d statements came late",
		sum.killed, sum.servers, sum.deaths, sum.broken, sum.late)
}

// warehouseSeed plays one schedule, and prints how to do so again if it fails.
func warehouseSeed(t *testing.T, s *schedule) tally {
	t.Helper()
	done, found := playProgram(t, s)
	if len(found) > 0 {
		t.Errorf("seed %d:\n  %s\nagain: go test ./test/chaos -run TestClickHouse -chaos.seed=%d\nor: go test ./test/chaos -run TestClickHouse -chaos.schedule='%s'",
			s.Seed, some(found), s.Seed, s)
	}
	return done
}

// drawWarehouse makes the schedule of a seed with ClickHouse: two or three
// nights, each with runs that are disturbed and one that is not.
func drawWarehouse(seed uint64) *schedule {
	d := dice{rand.New(rand.NewPCG(seed, 0xc11c4))}
	s := &schedule{Seed: seed, Binary: true, World: drawPlace(d)}
	p := &s.World
	p.Clients, p.Months, p.MaxPage, p.PageSize = d.between(5, 40), d.between(1, 3), 1000, 1000
	p.PerHour, p.SimHour, p.SimSecond, p.Attempts = 10_000_000, 0, 0, 5
	p.ClickHouse = one(d, beside, beforeIt, alone)
	for night := range d.between(2, 3) {
		for run := range d.between(1, 3) {
			st := step{Full: night > 0, Accept: true, Moment: drawMoment(d, night+run == 0)}
			if night+run > 0 {
				st.Night = one(d, 0.3, 0.1, 0.1, 0.02, 0)
			}
			s.Steps = append(s.Steps, st)
		}
		s.Steps = append(s.Steps, step{Full: night > 0, Accept: true, Clean: true, Night: one(d, 0, 0, 0.1)})
	}
	drawLate(dice{rand.New(rand.NewPCG(seed, 0x1a7e))}, s)
	return s
}

// drawLate lets, in half of the seeds, a statement of a run arrive late. It has
// dice of its own, so that all else of a seed stays as it was.
func drawLate(d dice, s *schedule) {
	i := d.between(2, len(s.Steps)-1)
	for s.Steps[i].Moment == nil && i > 1 {
		i--
	}
	if i < 2 || !d.chance(0.5) {
		return
	}
	m := &moment{What: "late", Match: one(d, "EXCHANGE TABLES", "EXCHANGE TABLES", "EXCHANGE TABLES", "MODIFY COMMENT", "DROP TABLE IF EXISTS `", "INSERT INTO `_partitions`", "ATTACH PARTITION"), Nth: one(d, 1, 1, 2)}
	m.Until = one(d, "run", "run", "run", "end", "next", "late")
	m.Upon = one(d, "MODIFY COMMENT", "DROP TABLE IF EXISTS `", "FROM system.tables", "INSERT INTO `_runs`")
	s.Steps[i].Moment, s.Steps[i].Night = m, 0.3
	quiet := step{Full: true, Accept: true, Night: 0.1} // into which it may fall
	s.Steps = slices.Insert(s.Steps, i+1, quiet)
}

// drawMoment draws what happens between loader and server.
func drawMoment(d dice, first bool) *moment {
	m := drawPlaceOf(d, first)
	switch p := d.Float64(); {
	case p < 0.37:
		m.What, m.Lost, m.Delay = "kill", d.chance(0.4), drawDelay(d)
	case p < 0.7:
		m.What, m.Lost, m.Delay = "server", d.chance(0.3), drawDelay(d)
		m.Back = time.Duration(one(d, 0, 1, d.between(1, 1500))) * time.Millisecond
	case p < 0.74:
		m = &moment{What: "away", Back: time.Duration(one(d, 0, d.between(1, 800))) * time.Millisecond}
	case p < 0.78:
		m.What, m.Delay = "term", drawDelay(d)
	case p < 0.89:
		m.What, m.Again = "cut", d.chance(0.2)
	default:
		m.What, m.Again = "swallow", d.chance(0.2)
	}
	if m.Lost {
		m.Delay = 0
	}
	return m
}

func drawDelay(d dice) time.Duration {
	return time.Duration(one(d, 0, d.between(1, 3000), d.between(1, 20_000))) * time.Microsecond
}

// drawPlaceOf draws the statement. The first publishing renames, later ones exchange.
func drawPlaceOf(d dice, first bool) *moment {
	swap := one(d, "EXCHANGE TABLES", "EXCHANGE TABLES", "EXCHANGE TABLES", "RENAME TABLE")
	if first {
		swap = "RENAME TABLE"
	}
	switch p := d.Float64(); {
	case p < 0.3:
		return &moment{Match: swap, Nth: one(d, 1, 1, 1, 2), Bytes: one(d, 0, int64(d.between(1, 300)))}
	case p < 0.45:
		return &moment{Match: one(d, "INSERT INTO `clients__next_", "INSERT INTO `visits__next_", "INSERT INTO `orders__next_"), Bytes: int64(d.between(0, 4000))}
	case p < 0.53:
		return &moment{Match: "INSERT INTO `_partitions`", Bytes: int64(one(d, 0, d.between(1, 600)))}
	case p < 0.61:
		return &moment{Match: "INSERT INTO `_runs`", Bytes: int64(one(d, 0, d.between(1, 600)))}
	case p < 0.65:
		return &moment{Match: "sum(xxHash64(r))", Nth: d.between(1, 4)}
	case p < 0.7:
		return &moment{Match: "ATTACH PARTITION", Nth: one(d, 1, 1, 2)}
	case p < 0.75:
		return &moment{Match: "CREATE TABLE `", Nth: d.between(1, 6)}
	case p < 0.8:
		return &moment{Match: "FROM system.tables", Nth: d.between(1, 7)}
	case p < 0.85:
		return &moment{Match: "MODIFY COMMENT", Nth: d.between(1, 3)}
	case p < 0.9:
		return &moment{Match: "DROP TABLE IF EXISTS `", Nth: d.between(1, 6)}
	case p < 0.93:
		return &moment{Match: "CREATE OR REPLACE VIEW", Nth: d.between(1, 3)}
	case p < 0.95: // what a dead run has entered
		return &moment{Match: "DELETE WHERE run"}
	default:
		return &moment{Bytes: int64(d.between(1, 200_000))}
	}
}
