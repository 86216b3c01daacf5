package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestClocks plays seeds with the real program, whose clock is wrong by days in
// some runs, and is set in the middle of others. The program is built with
// another time.Now, which takes minutes the first time, so only `make chaos`
// plays it; TestChaos has wrong clocks every day.
func TestClocks(t *testing.T) {
	first, n := *firstFlag, *clocksFlag
	if *seedFlag != 0 {
		first, n = *seedFlag, 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := drawClocks(seed)
			if _, found := playProgram(t, s); len(found) > 0 {
				t.Errorf("seed %d:\n  %s\nagain: go test ./test/chaos -run TestClocks -chaos.seed=%d\n%s", seed, some(found), seed, s)
			}
		})
	}
}

// drawClocks makes the schedule of a seed: runs by clocks that are wrong, then
// one by the right clock, and one that reads all.
func drawClocks(seed uint64) *schedule {
	d := dice{rand.New(rand.NewPCG(seed, 0xc10c5))}
	s := &schedule{Seed: seed, Binary: true, World: drawPlace(d)}
	p := &s.World
	p.Clients, p.MaxPage, p.PerHour, p.SimHour, p.SimSecond = d.between(10, 100), 1000, 10_000_000, 0, 0
	p.Clock = true
	days := func() float64 { return one(d, -1.0, 1) * one(d, 1, float64(d.between(2, 10))) }
	s.Steps = append(s.Steps, step{Accept: true, Clean: true})
	for range d.between(1, 3) {
		st := step{Night: one(d, 0.3, 0.05, 1), Clock: one(d, days(), days(), 0), Accept: true}
		if d.chance(0.4) {
			st.At, st.ClockTo = d.between(1, p.Clients+3), days()
		}
		s.Steps = append(s.Steps, st, step{Night: one(d, 0, 0.1), Accept: true})
	}
	s.Steps = append(s.Steps, step{Night: 1, Full: true, Accept: true, Clean: true})
	return s
}

// clocked is a program whose clock a file sets, in seconds ahead of the machine's.
var clocked = sync.OnceValues(func() (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find Go: %w", err)
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		return "", err
	}
	const now = "\nfunc Now() Time {"
	if strings.Count(string(text), now) != 1 {
		return "", fmt.Errorf("%s has no time.Now that is known", folder)
	}
	dir := binaries()
	replace := map[string]string{}
	for name, text := range map[string]string{"time.go": strings.Replace(string(text), now, "\nfunc machineNow() Time {", 1), "set.go": setClock} {
		replace[filepath.Join(folder, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file, name := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "clocked")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-pgo=off", "-overlay", file, "-o", name, "roistat-etl/cmd/roistat-etl")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program with another clock: %w\n%s", err, out)
	}
	return name, nil
})

// clockVariable names the file.
const clockVariable = "CHAOS_CLOCK"

// setClock is what package time gets: Now as the file has it. The monotonic clock
// goes on as if nothing were, as on a machine whose clock is set.
const setClock = `package time

import "syscall"

var clockFile, _ = syscall.Getenv("` + clockVariable + `")

// Now is the time that the file says.
func Now() Time {
	t := machineNow()
	if n := clockAhead(); t.wall&hasMonotonic != 0 {
		t.wall += uint64(n << nsecShift)
	}
	return t
}

func clockAhead() (n int64) {
	fd, err := syscall.Open(clockFile, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	var b [24]byte
	size, _ := syscall.Read(fd, b[:])
	_ = syscall.Close(fd)
	sign := int64(1)
	for i := 0; i < size; i++ {
		switch c := b[i]; {
		case c == '-':
			sign = -1
		case c >= '0' && c <= '9':
			n = n*10 + int64(c-'0')
		}
	}
	return sign * n
}
`

// setClock sets the program's clock so many days ahead.
func (p *processes) setClock(days float64) error {
	ahead := time.Duration(days * 24 * float64(time.Hour)).Truncate(time.Second)
	p.recorder.setAhead(ahead)
	if p.model.aheads == nil {
		p.model.aheads = map[time.Duration]bool{}
	}
	p.model.aheads[ahead] = true
	name := filepath.Join(p.dir, "clock")
	if err := os.WriteFile(name+"~", fmt.Append(nil, int64(ahead/time.Second)), 0o600); err != nil {
		return err
	}
	return os.Rename(name+"~", name)
}

// beginClock begins a run by the clock of its step, which may be set in its midst.
func (p *processes) beginClock(f *facts, t *step) error {
	if !p.schedule.World.Clock {
		p.recorder.begin(nil)
		return nil
	}
	if err := p.setClock(t.Clock); err != nil {
		return err
	}
	f.clock, f.ahead = true, p.recorder.ahead
	p.recorder.begin(func(n int) {
		if n == t.At && t.ClockTo != 0 {
			if err := p.setClock(t.ClockTo); err != nil {
				panic(err) // a disk of our own
			}
		}
	})
	return nil
}
