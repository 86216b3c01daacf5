package chaos

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roistat-etl/load/parquet/parquettest"
)

var (
	seedFlag       = flag.Uint64("chaos.seed", 0, "play this seed alone")
	seedsFlag      = flag.Int("chaos.seeds", 24, "how many seeds to play, from -chaos.first on")
	firstFlag      = flag.Uint64("chaos.first", 1, "the first seed")
	scheduleFlag   = flag.String("chaos.schedule", "", "play this schedule, as a failing seed prints it")
	programsFlag   = flag.Int("chaos.programs", 4, "how many seeds to play with the real program")
	clickhouseFlag = flag.Int("chaos.clickhouse", 4, "how many seeds to play with the real program and a real ClickHouse")
	bucketsFlag    = flag.Int("chaos.s3", 4, "how many seeds to play with the real program and a real S3 server")
	clocksFlag     = flag.Int("chaos.clocks", 0, "how many seeds to play with the real program and a clock that is set")
	killsFlag      = flag.Int("chaos.kills", 3, "how many runs of a night of the real program are killed")
	patience       = flag.Duration("chaos.shrink", 45*time.Second, "how long to look for a smaller schedule that fails too")
)

func TestMain(m *testing.M) {
	parquettest.Warm()
	flag.Parse()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(binaries())
		os.Exit(code)
	}))
}

// TestChaos plays seeds in process. Each must end without a finding.
func TestChaos(t *testing.T) {
	if *scheduleFlag != "" {
		s := &schedule{}
		if err := json.Unmarshal([]byte(*scheduleFlag), s); err != nil {
			t.Fatal(err)
		}
		report(t, s, play(t, s))
		return
	}
	first, n := *firstFlag, *seedsFlag
	if *seedFlag != 0 {
		first, n = *seedFlag, 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := draw(seed)
			found := play(t, s)
			if len(found) == 0 {
				return
			}
			t.Errorf("seed %d:\n  %s", seed, some(found))
			t.Logf("again: go test ./test/chaos -run TestChaos -chaos.seed=%d", seed)
			small, why := shrink(t, s, *patience)
			report(t, small, why)
		})
	}
}

// TestProgram plays seeds with the real program: kill -9, SIGTERM, SIGSTOP and
// system calls that fail.
func TestProgram(t *testing.T) {
	first, n := *firstFlag, *programsFlag
	if *seedFlag != 0 {
		first, n = *seedFlag, 1
	}
	var kills atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+uint64(n); seed++ {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				s := drawProgram(seed, *killsFlag)
				done, found := playProgram(t, s)
				kills.Add(int64(done.killed))
				if len(found) > 0 {
					t.Errorf("seed %d:\n  %s\nagain: go test ./test/chaos -run TestProgram -chaos.seed=%d\n%s", seed, some(found), seed, s)
				}
			})
		}
	})
	t.Logf("%d runs killed", kills.Load())
}

// some joins the first findings.
func some(found []string) string {
	if n := len(found) - 10; n > 0 {
		found = append(found[:10:10], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(found, "\n  ")
}

// report prints a schedule that fails.
func report(t *testing.T, s *schedule, found []string) {
	t.Helper()
	if len(found) > 0 {
		t.Errorf("smallest schedule:\n  %s\nagain: go test ./test/chaos -run TestChaos -chaos.schedule='%s'", some(found), s)
	}
}

// shrink drops steps, faults, events and clients while the schedule still fails.
func shrink(t *testing.T, s *schedule, patience time.Duration) (*schedule, []string) {
	t.Helper()
	until := time.Now().Add(patience)
	best, why := s, []string(nil)
	for again := true; again; {
		again = false
		for _, smaller := range simpler(best) {
			if time.Now().After(until) {
				return best, why
			}
			if found := play(t, smaller); len(found) > 0 {
				best, why, again = smaller, found, true
				break
			}
		}
	}
	return best, why
}

// simpler lists schedules that are one thing simpler, the greatest steps first.
func simpler(s *schedule) (list []*schedule) {
	try := func(change func(*schedule)) {
		c := &schedule{}
		if json.Unmarshal([]byte(s.String()), c) == nil {
			if change(c); c.String() != s.String() {
				list = append(list, c)
			}
		}
	}
	for i := range s.Steps {
		if len(s.Steps) > 1 {
			try(func(c *schedule) { c.Steps = slices.Delete(c.Steps, i, i+1) })
		}
	}
	try(func(c *schedule) { c.World.Clients = max(5, c.World.Clients/2) })
	try(func(c *schedule) { c.World.Clients = max(5, c.World.Clients*4/5) })
	try(func(c *schedule) { c.World.Months = 1 })
	try(func(c *schedule) { c.World.Plain = true })
	try(func(c *schedule) { c.World.Campaigns = nil })
	try(func(c *schedule) { c.World.Concurrency, c.World.Workers = 1, 1 })
	try(func(c *schedule) { c.World.SimHour, c.World.SimSecond, c.World.PerHour = 0, 0, 5000 })
	try(func(c *schedule) { c.World.MaxPage, c.World.PageSize, c.World.ContactPage = 1000, 1000, 0 })
	for i := range s.Steps {
		for j := range s.Steps[i].Faults {
			try(func(c *schedule) { c.Steps[i].Faults = slices.Delete(c.Steps[i].Faults, j, j+1) })
		}
		try(func(c *schedule) { c.Steps[i].Disk = "" })
		try(func(c *schedule) { c.Steps[i].At, c.Steps[i].Clock = 0, 0 })
		try(func(c *schedule) { c.Steps[i].Link, c.Steps[i].Linked = "", false })
		try(func(c *schedule) { c.Steps[i].Night = 0 })
		try(func(c *schedule) { c.Steps[i].Budget, c.Steps[i].Deadline = 0, 0 })
		try(func(c *schedule) { c.Steps[i].Full, c.Steps[i].NoExtract, c.Steps[i].NoPublish = false, false, false })
	}
	return list
}
