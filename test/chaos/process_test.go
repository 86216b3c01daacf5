package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/s3test"
	"roistat-etl/internal/sim"
	"roistat-etl/pipeline"
)

// binaries is the folder of the real program; made when it is first asked for.
var binaries = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "chaos-bin-")
	if err != nil {
		panic(err)
	}
	return dir
})

// program builds the real program once.
var program = sync.OnceValues(func() (string, error) {
	name := filepath.Join(binaries(), "roistat-etl")
	cmd := exec.Command("go", "build", "-o", name, "roistat-etl/cmd/roistat-etl")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return name, nil
})

// traces tells whether this process may trace another.
var traces = sync.OnceValue(func() bool {
	return exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace=fsync", "true").Run() == nil
})

// injections are the system calls that are made to fail in the real program.
func injections() []string {
	return []string{
		"fsync:error=EIO", "fdatasync:error=EIO", "renameat:error=EIO", "symlinkat:error=ENOSPC", "linkat:error=EIO",
		"pwrite64:error=ENOSPC", "mkdirat:error=ENOSPC", "unlinkat:error=EIO", "openat:error=EMFILE",
	}
}

// drawProgram makes the schedule of a seed for the real program.
func drawProgram(seed uint64, kills int) *schedule {
	d := dice{rand.New(rand.NewPCG(seed, 0xb14a7))}
	s := &schedule{Seed: seed, Binary: true, World: drawPlace(d)}
	p := &s.World
	p.Clients, p.MaxPage, p.PerHour, p.SimHour, p.SimSecond = d.between(20, 250), one(d, 50, 1000), 10_000_000, 0, 0
	for night := range 2 {
		for range kills {
			t := step{Full: night > 0, Signal: "kill", After: time.Duration(d.between(1, 350)) * time.Millisecond}
			if d.chance(0.3) {
				t.Faults = []sim.Fault{{Kind: one(d, "truncate", "reset", "html", "half_json", "no_status", "gateway"), Method: "feed", Share: 0.1, Times: 1}}
			}
			s.Steps = append(s.Steps, t)
		}
		switch d.IntN(4) {
		case 0:
			s.Steps = append(s.Steps, step{Full: night > 0, Signal: "term", After: time.Duration(d.between(1, 300)) * time.Millisecond})
		case 1:
			s.Steps = append(s.Steps, step{Full: night > 0, Signal: "stop", After: time.Duration(d.between(20, 100)) * time.Millisecond, Deadline: 150 * time.Millisecond})
		case 2:
			s.Steps = append(s.Steps, step{Full: night > 0, Inject: fmt.Sprintf("%s:when=%d%s", one(d, injections()...), d.between(1, one(d, 3, 12, 40)), one(d, "", "+"))})
		}
		s.Steps = append(s.Steps, step{Full: true, Accept: true, Clean: true, Inject: one(d, "", "", "watch")})
		if night == 0 {
			s.Steps[len(s.Steps)-1].Full = false
		}
	}
	for i := range s.Steps {
		if s.Steps[i].Clean && i < len(s.Steps)-1 {
			s.Steps[i+1].Night = 0.3
		}
	}
	if d := (dice{rand.New(rand.NewPCG(seed, 0xf06e7))}); d.chance(0.4) { // dice of its own: all else stays as it was
		p.Loose = true
		s.Steps = append(s.Steps,
			step{Forget: []int64{int64(d.between(1, p.Clients)), int64(d.between(1, p.Clients))}, After: time.Duration(d.between(1, 40)) * time.Millisecond},
			step{Full: true, Accept: true, Clean: true})
	}
	return s
}

// processes is a stand whose runs are processes.
type processes struct {
	*stand
	url   string
	kills []*kill
	house *warehouse // nil: none
	shop  *shop      // nil: none
	saved bool       // the last run ended well, and kept a copy of the mirror

	connections atomic.Int64 // of the program under way: one that died may have calls in them
}

// kill is a run that was killed, and what it had been answered.
type kill struct {
	answered map[int64]bool
	repeated int
}

// playProgram runs a schedule with the real program, and says what was done to it.
func playProgram(t *testing.T, s *schedule) (done tally, found []string) {
	t.Helper()
	fail := func(err error) (tally, []string) { return tally{}, []string{"the checker: " + err.Error()} }
	dir, err := os.MkdirTemp(scratch(), "chaos-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	d, err := newDisk(dir)
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			found = append(found, "the checker: "+err.Error())
		}
	}()
	w := &watcher{root: d.tables}
	base, err := newStand(s, dir, d, w, false)
	if err != nil {
		return fail(err)
	}
	p := &processes{stand: base}
	if s.World.ClickHouse != "" {
		p.house = newWarehouse(t)
	}
	if s.World.S3 != "" {
		p.shop = newShop(t)
		p.disk = &disk{tables: p.shop.tables(), mirror: d.mirror}
		w.root = p.disk.tables
	}
	hangUp, err := p.listen()
	if err != nil {
		return fail(err)
	}
	defer hangUp()
	ctx, stop := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return w.run(ctx) })
	if p.house != nil {
		g.Go(func() error { return p.house.read(ctx) })
	}
	if err = p.configure(); err == nil {
		err = p.steps()
	}
	stop()
	if err := errors.Join(err, g.Wait()); err != nil {
		return fail(err)
	}
	if p.house != nil {
		return p.house.tally, append(p.found, w.found...)
	}
	if p.shop != nil {
		return p.shop.tally, append(p.found, w.found...)
	}
	return tally{killed: len(p.kills)}, append(p.found, w.found...)
}

// listen serves the recorded API on a port.
func (p *processes) listen() (func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: p.recorder, ReadHeaderTimeout: time.Minute, ConnState: func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			p.connections.Add(1)
		case http.StateClosed, http.StateHijacked:
			p.connections.Add(-1)
		}
	}}
	p.url = "http://" + l.Addr().String()
	var g errgroup.Group
	g.Go(func() error { return server.Serve(l) })
	return func() {
		_ = server.Close()
		_ = g.Wait() // ends with ErrServerClosed
	}, nil
}

func (p *processes) configure() error {
	w, metrics := p.schedule.World, ""
	for i, id := range w.Campaigns {
		metrics += map[bool]string{true: ", "}[i > 0] + fmt.Sprintf("{id: %d}", id)
	}
	gone := map[bool]string{true: "keep", false: "drop"}[w.KeepGone]
	text := fmt.Sprintf(`version: 1
pipelines:
  - name: chaos
    project: "12345"
    api: {base_url: "%s/api/v1", key: sim-key, per_second: 100000, per_hour: %d, concurrency: %d, max_attempts: %d, max_response: 1MiB}
    extract: {page_size: %d, campaigns: [%s]}
    transform: {gone_clients: %s}
    mirror: %s
    mirror_backup: "%s"
    load: [%s]
`, p.url, w.PerHour, w.Concurrency, w.Attempts, w.PageSize, metrics, gone, p.pipeline.Mirror, map[bool]string{true: "s3://" + bucketName + "/m"}[w.S3 == "tables and copies"], p.destinations())
	return os.WriteFile(filepath.Join(p.dir, "pipelines.yaml"), []byte(text), 0o600)
}

// destinations are those of the configuration.
func (p *processes) destinations() string {
	if p.shop != nil {
		return p.shop.entry(p.schedule.World.Keep)
	}
	parquet := fmt.Sprintf("{parquet: {path: %s, keep: %d}}", p.disk.tables, p.schedule.World.Keep)
	switch p.schedule.World.ClickHouse {
	case alone:
		return p.house.entry()
	case beside:
		return parquet + ", " + p.house.entry()
	case beforeIt:
		return p.house.entry() + ", " + parquet
	}
	return parquet
}

// steps plays all steps, up to the first that is wrong.
func (p *processes) steps() error {
	p.mirrors = 1
	for i := range p.schedule.Steps {
		t := &p.schedule.Steps[i]
		if t.Night > 0 {
			p.recorder.server.Night(1, t.Night)
		}
		if t.Night > 0 || t.Full && p.ended() {
			for _, k := range p.kills {
				k.answered = nil // a new night asks again, and so does a full reading that begins
			}
		}
		if t.Moved && p.saved {
			if err := p.move(); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		if len(t.Forget) > 0 {
			found, err := p.forget(t)
			if err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
			if p.take(i, found) {
				return nil
			}
			continue
		}
		f, found, err := p.run(t)
		if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		p.saved = f.report != nil && (f.report.ExitCode == 0 || f.report.ExitCode == 3)
		found = append(found, p.repeats(f)...)
		more, err := p.afterwards(f)
		if err == nil && p.shop != nil {
			var also []string
			also, err = p.bucketAfter(f)
			more = append(more, also...)
		}
		if err == nil && p.house != nil {
			var also []string
			also, err = p.house.after(p, f)
			more = append(more, also...)
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if p.take(i, append(found, more...)) {
			return nil
		}
	}
	if p.schedule.World.Clock { // its last step reads all, after all has changed
		p.final()
	}
	return nil
}

// take notes what is wrong with a step, and reports whether anything is.
func (s *stand) take(i int, found []string) bool {
	for _, text := range found {
		s.found = append(s.found, fmt.Sprintf("step %d: %s", i, text))
	}
	return len(s.found) > 0
}

// repeats counts the calls that ask again for what a killed run was answered.
func (p *processes) repeats(f *facts) (found []string) {
	answered := map[int64]bool{}
	for _, x := range f.calls {
		if x.Method != "feed" {
			continue
		}
		if c := p.model.clients[x.Client]; c == nil || !c.suspect {
			for _, k := range p.kills {
				if k.answered[x.Client] {
					delete(k.answered, x.Client)
					if k.repeated++; k.repeated > p.schedule.World.Concurrency {
						found = append(found, fmt.Sprintf("client %d is the %d. feed asked for again after one kill", x.Client, k.repeated))
					}
				}
			}
		}
		if x.delivered(p.model.book) != nil {
			answered[x.Client] = true
		}
	}
	if (f.step.Signal == "kill" || f.step.Moment != nil) && f.report == nil {
		p.kills = append(p.kills, &kill{answered: answered})
	}
	if f.step.Full && (f.report == nil && p.ended() || f.report != nil && slices.Contains([]int{0, 3, 5}, f.report.ExitCode)) {
		for _, k := range p.kills { // the next full reading is another
			k.answered = nil
		}
	}
	return found
}

// ended tells whether no full reading is under way.
func (p *processes) ended() bool {
	r, err := mirror.OpenReader(context.Background(), p.pipeline.Mirror)
	if err != nil {
		return false
	}
	defer r.Close()
	text, err := r.Meta(context.Background(), "full_since")
	return err == nil && text == ""
}

// command is the program's command line for a step.
func (p *processes) command(t *step, trace string) (*exec.Cmd, error) {
	build := program
	if p.schedule.World.Clock {
		build = clocked
	}
	name, err := build()
	if err != nil {
		return nil, err
	}
	args := []string{name, "run", "--json", "--progress", "none"}
	if t.Full {
		args = append(args, "--full")
	}
	if t.Accept {
		args = append(args, "--accept", strings.Join(pipeline.GateNames(), ","))
	}
	if t.Deadline > 0 {
		args = append(args, "--deadline", t.Deadline.String())
	}
	if t.Inject != "" && traces() {
		calls, inject := "fsync,fdatasync,renameat,renameat2", []string(nil)
		if call, _, ok := strings.Cut(t.Inject, ":"); ok {
			calls, inject = call, []string{"-e", "inject=" + t.Inject}
		}
		before := append([]string{"strace", "-f", "-qq", "-y", "-o", trace, "-e", "trace=" + calls}, inject...)
		args = append(before, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = p.dir
	cmd.Env = p.environ()
	return cmd, nil
}

// environ is the environment of the program; nil: this one's.
func (p *processes) environ() []string {
	if p.schedule.World.Clock {
		return append(os.Environ(), clockVariable+"="+filepath.Join(p.dir, "clock"))
	}
	if p.shop == nil {
		return nil
	}
	return append(os.Environ(), s3test.Environ(p.shop.proxy.Addr)...)
}

// run runs the program, sends it the step's signal and reads its report.
func (p *processes) run(t *step) (*facts, []string, error) {
	trace := filepath.Join(p.dir, "trace")
	cmd, err := p.command(t, trace)
	if err != nil {
		return nil, nil, err
	}
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	f := &facts{step: t, start: time.Now(), before: p.last, real: true}
	if t.Full && p.model.fullSince.IsZero() {
		p.model.fullSince = f.start
	}
	f.fullSince = p.model.fullSince
	if err := p.beginClock(f, t); err != nil {
		return nil, nil, err
	}
	if err := p.recorder.server.SetFaults(t.Faults); err != nil {
		return nil, nil, err
	}
	resumed, err := p.execute(cmd, t)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, nil, err
	}
	for p.connections.Load() > 0 || p.recorder.server.Stats().InFlight > 0 {
		time.Sleep(time.Millisecond)
	}
	f.calls = p.recorder.calls()
	code := cmd.ProcessState.ExitCode()
	if p.house != nil {
		if err := p.house.calm(t.Moment, code); err != nil {
			return nil, nil, err
		}
		f.struck = p.house.struck
	}
	if p.shop != nil {
		p.shop.calm(t.Moment, code)
		f.struck, f.bucket = p.shop.struck, true
	}
	if code < 0 { // by the signal
		return f, nil, nil
	}
	found := p.read(f, code, out.String(), log.String())
	found = append(found, late(f, resumed, p.schedule.World.Concurrency)...)
	if t.Inject != "" && traces() && f.report != nil {
		found = append(found, traced(f, trace, p.disk.tables, p.bytes)...)
	}
	return f, found, nil
}

// execute runs the program and does to it what the step demands.
func (p *processes) execute(cmd *exec.Cmd, t *step) (resumed time.Time, err error) {
	up, wait := make(chan struct{}), cmd.Wait
	if p.house != nil {
		p.house.arm(t.Moment, cmd, up)
		wait = func() error { return p.house.wait(t.Moment, cmd) }
	}
	if p.shop != nil {
		p.shop.arm(t.Moment, cmd, up)
	}
	err = cmd.Start()
	close(up)
	if err != nil {
		return resumed, err
	}
	signalled := make(chan time.Time, 1)
	timer := time.AfterFunc(t.After, func() { signalled <- signal(cmd.Process, t) })
	err = wait()
	if !timer.Stop() {
		resumed = <-signalled
	}
	return resumed, err
}

// stopFor is how long a stopped process stands still.
const stopFor = 400 * time.Millisecond

func signal(process *os.Process, t *step) (resumed time.Time) {
	switch t.Signal {
	case "kill":
		_ = process.Kill() // it may have ended
	case "term":
		_ = process.Signal(syscall.SIGTERM)
	case "stop":
		_ = process.Signal(syscall.SIGSTOP)
		time.Sleep(stopFor)
		resumed = time.Now()
		_ = process.Signal(syscall.SIGCONT)
	}
	return resumed
}

// read takes the report from the last line of the output.
func (p *processes) read(f *facts, code int, out, log string) (found []string) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	r := &pipeline.Report{}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), r); err != nil {
		if f.step.Inject != "" && code != 0 && code != 3 { // it could not even begin
			return nil
		}
		return []string{fmt.Sprintf("exit code %d without a report: %v\n%s%s", code, err, out, log)}
	}
	f.report = r
	if r.ExitCode != code {
		found = append(found, "the report says exit code "+strconv.Itoa(r.ExitCode)+", the process "+strconv.Itoa(code))
	}
	f.fired = code == 130
	if code == 130 && f.step.Signal != "term" && (f.step.Moment == nil || f.step.Moment.What != "term") {
		found = append(found, "exit code 130, but no signal came")
	}
	return found
}
