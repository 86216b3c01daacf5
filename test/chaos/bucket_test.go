package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"roistat-etl/internal/s3test"
)

// TestS3 plays seeds with the real program and a real S3 server: requests that
// are lost, arrive late, after another run has begun or ended, or arrive twice.
func TestS3(t *testing.T) {
	if *scheduleFlag != "" {
		s := &schedule{}
		if err := json.Unmarshal([]byte(*scheduleFlag), s); err != nil {
			t.Fatal(err)
		}
		bucketSeed(t, s)
		return
	}
	first, n := *firstFlag, *bucketsFlag
	if *seedFlag != 0 {
		first, n = *seedFlag, 1
	}
	var mu sync.Mutex
	var sum tally
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+uint64(n); seed++ {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				done := bucketSeed(t, drawBucket(seed))
				mu.Lock()
				defer mu.Unlock()
				sum.add(done)
			})
		}
	})
	t.Logf("%d requests arrived late or twice, %d times the loader was killed, %d times requests or answers were lost", sum.late, sum.killed, sum.broken)
}

// bucketSeed plays one schedule, and prints how to do so again if it fails.
func bucketSeed(t *testing.T, s *schedule) tally {
	t.Helper()
	done, found := playProgram(t, s)
	if len(found) > 0 {
		t.Errorf("seed %d:\n  %s\nagain: go test ./test/chaos -run TestS3 -chaos.seed=%d\nor: go test ./test/chaos -run TestS3 -chaos.schedule='%s'",
			s.Seed, some(found), s.Seed, s)
	}
	return done
}

// drawBucket makes the schedule of a seed with S3: two or three nights, each with
// runs that are disturbed, one into which late requests may fall, and a quiet one.
func drawBucket(seed uint64) *schedule {
	d := dice{rand.New(rand.NewPCG(seed, 0x53))}
	s := &schedule{Seed: seed, Binary: true, World: drawPlace(d)}
	p := &s.World
	p.Clients, p.Months, p.MaxPage, p.PageSize = d.between(5, 30), d.between(1, 2), 1000, 1000
	p.PerHour, p.SimHour, p.SimSecond, p.Attempts = 10_000_000, 0, 0, 5
	p.S3 = one(d, "tables", "tables", "tables and copies")
	s.Steps = append(s.Steps, step{Accept: true, Clean: true})
	for range d.between(2, 3) {
		for range d.between(1, 2) {
			s.Steps = append(s.Steps, step{Full: true, Accept: true, Night: one(d, 0.3, 0.1, 0.02), Moment: drawRequest(d, p.S3 != "tables")})
		}
		s.Steps = append(s.Steps,
			step{Full: true, Accept: true, Night: one(d, 0.3, 0.1, 0)},
			step{Full: true, Accept: true, Clean: true, Moved: p.S3 != "tables" && d.chance(0.4)})
	}
	return s
}

// drawRequest draws a request of a run, and what becomes of it.
func drawRequest(d dice, copies bool) *moment {
	m := &moment{Verb: "PUT", Match: "/t/current.json"}
	switch p := d.Float64(); {
	case p < 0.5:
	case p < 0.6:
		m.Match, m.Nth = "/t/snapshots/", d.between(1, 8)
	case p < 0.68:
		m.Match = "_manifest.json"
	case p < 0.76:
		m.Match = ".staging-"
	case p < 0.84:
		m.Verb, m.Match, m.Nth = one(d, "DELETE", "POST"), "", d.between(1, 2)
	case copies:
		m.Match, m.Nth = one(d, "/m/lease.json", "/m/copy.json", "/m/copies/"), d.between(1, 2)
	}
	switch p := d.Float64(); {
	case p < 0.35: // nothing of the destination answers any more
		m.What, m.Again = "hold", true
	case p < 0.5:
		m.What = "hold"
	case p < 0.7:
		m.What = "die"
	case p < 0.8:
		m.What = "twice"
	case p < 0.85:
		m.What = "kill"
	case p < 0.9:
		m.What = "term"
	default:
		m.What, m.Again = one(d, "cut", "swallow"), d.chance(0.2)
	}
	m.Until = one(d, "end", "next", "next", "next", "late")
	m.Upon = one(d, ".staging-", ".staging-", "list-type", "/t/current.json", "/t/snapshots/", "delete")
	return m
}

// shop is an S3 server of a seed's own, and the proxy before it.
type shop struct {
	server *s3test.Server
	proxy  *s3test.Proxy
	struck bool // in this step something came between loader and server
	tally  tally

	pending *moment      // whose requests are still held
	came    atomic.Int64 // requests that were let through
}

// chance is what a run that failed may still come to show, by a request of its
// that is on its way.
type chance struct {
	model *model
	want  map[int64]rows
}

const bucketName = "chaos"

func newShop(t *testing.T) *shop {
	t.Helper()
	s := s3test.Start(t, bucketName)
	return &shop{server: s, proxy: s.Proxy(t)}
}

// entry is the destination as pipelines.yaml has it.
func (h *shop) entry(keep int) string {
	return fmt.Sprintf("{parquet: {path: s3://%s/t, keep: %d}}", bucketName, keep)
}

// tables is the folder in which the server keeps the tables.
func (h *shop) tables() string { return h.server.File(bucketName, "t") }

// arm prepares what happens in a run, whose process runs when up is closed.
func (h *shop) arm(m *moment, cmd *exec.Cmd, up <-chan struct{}) {
	var faults []s3test.Fault
	if old := h.pending; old != nil && old.Until == "next" {
		faults = append(faults, s3test.Fault{Match: old.Upon, Times: 1, Do: h.release})
	}
	if m == nil {
		h.proxy.Set(faults...)
		return
	}
	f := s3test.Fault{Method: m.Verb, Match: m.Match, Skip: max(0, m.Nth-1), Times: 1}
	if m.Again && m.What != "hold" {
		f.Times = 0
	}
	switch m.What {
	case "hold":
		f.Hold = true
		if m.Again {
			f.Do = func() { h.proxy.Set(s3test.Fault{Match: "/t/", Cut: true}) }
		}
	case "die":
		f.Hold = true
		f.Do = func() { signalTo(cmd, up, os.Kill) }
	case "twice":
		f.Twice = true
	case "kill":
		f.Do = func() { signalTo(cmd, up, os.Kill) }
	case "term":
		f.Do = func() { signalTo(cmd, up, syscall.SIGTERM) }
	case "cut":
		f.Cut = true
	case "swallow":
		f.Lose = true
	}
	h.proxy.Set(append(faults, f)...)
}

// release lets through what is held.
func (h *shop) release() {
	n := len(h.proxy.Release())
	h.came.Add(int64(n))
}

// calm ends the disturbance of a run, and lets through what is due by then.
func (h *shop) calm(m *moment, code int) {
	h.struck = h.proxy.Struck() > 0 || h.came.Load() > 0 || h.proxy.Held() > 0
	h.proxy.Set()
	old := h.pending
	if m != nil && m.Until == "end" || old != nil {
		h.release()
		h.pending = nil
	}
	if h.proxy.Held() > 0 {
		h.pending = m
	}
	if n := h.came.Swap(0); n > 0 {
		h.tally.late += int(n)
		h.struck = true
	}
	switch {
	case m == nil || !h.struck:
	case code < 0:
		h.tally.killed++
	case m.What == "cut" || m.What == "swallow":
		h.tally.broken++
	}
}

// overdue reports whether what is shown now is what one of these runs made.
func (f *facts) overdue(list []chance) bool {
	return slices.ContainsFunc(list, func(c chance) bool { return len(f.after.shows(c.model, c.want)) == 0 })
}

// bucketAfter checks what a run has left in the bucket, at rest.
func (p *processes) bucketAfter(f *facts) ([]string, error) {
	if f.report == nil || f.report.ExitCode != 0 && f.report.ExitCode != 3 {
		want, err := p.projection()
		if err != nil {
			return nil, err
		}
		p.chances = append(p.chances, chance{p.model.copy(), want})
	} else if p.shop.proxy.Held() == 0 {
		p.chances = nil
	}
	if !f.step.Clean {
		return nil, nil
	}
	found, err := p.copyStands()
	if err != nil || len(found) > 0 {
		return found, err
	}
	return p.audit()
}

// copyStands checks that the pointer to the mirror's copy names a whole one.
func (p *processes) copyStands() ([]string, error) {
	if p.schedule.World.S3 == "tables" {
		return nil, nil
	}
	text, err := os.ReadFile(p.shop.server.File(bucketName, "m/copy.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{"there is no copy of the mirror"}, nil
	}
	if err != nil {
		return nil, err
	}
	var c struct{ Key, SHA256 string }
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, err
	}
	body, err := os.ReadFile(p.shop.server.File(bucketName, "m/"+c.Key))
	if err != nil {
		return []string{fmt.Sprintf("copy.json names a copy that can't be read: %v", err)}, nil
	}
	if s := sha256.Sum256(body); hex.EncodeToString(s[:]) != c.SHA256 {
		return []string{"the copy of the mirror is not the one that copy.json names"}, nil
	}
	return nil, nil
}

// move takes the mirror's folder away, as where the next run is on another
// machine: it is restored from its copy.
func (p *processes) move() error {
	if _, err := os.Stat(p.shop.server.File(bucketName, "m/copy.json")); err != nil {
		return nil
	}
	for _, name := range names(p.disk.mirror) {
		if err := os.RemoveAll(filepath.Join(p.disk.mirror, name)); err != nil {
			return err
		}
	}
	return nil
}
