package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/clickhousetest"
)

// The orders in which a pipeline has ClickHouse among its destinations.
const (
	alone     = "alone"
	beside    = "after parquet"
	beforeIt  = "before parquet"
	database  = "roistat_chaos"
	hungAfter = 4 * time.Minute // more than the loader's patience with a block
)

// moment is a place in the talk of a run with ClickHouse, and what happens there.
type moment struct {
	What  string        `json:"what"`            // kill, term: the loader; server: kill -9 of it; away: it is down from the start; cut, swallow: the connection; late: the statement, after its connection has broken
	Match string        `json:"match,omitempty"` // the beginning of a statement
	Nth   int           `json:"nth,omitempty"`   // such statement
	Bytes int64         `json:"bytes,omitempty"` // of it that still pass
	Lost  bool          `json:"lost,omitempty"`  // the statement never arrives; else it does
	Again bool          `json:"again,omitempty"` // and at each such statement that follows
	Delay time.Duration `json:"delay,omitempty"` // so long after the statement
	Back  time.Duration `json:"back,omitempty"`  // when the server is up again; 0: after the run
	Verb  string        `json:"verb,omitempty"`  // of a request to S3
	Until string        `json:"until,omitempty"` // when a held request goes on: at the end of the run, in the next, or late: after that
	Upon  string        `json:"upon,omitempty"`  // in the next run before the request that has this in its path
}

// warehouse is a ClickHouse of a seed's own, the proxy before it, a reader that
// asks all the time, and what it may be told.
type warehouse struct {
	server *clickhousetest.Server
	proxy  *clickhousetest.Proxy
	tables []*asked

	fell  chan struct{}  // of the step: the server was killed
	late  errgroup.Group // what happens some time after a statement
	down  atomic.Bool
	falls atomic.Int64
	tally tally

	struck bool // in this step something came between loader and server
	hung   atomic.Bool

	pending *moment      // whose statement is still held
	came    atomic.Int64 // statements that were let through

	mu      sync.Mutex // guards what the reader has seen in this step, up to seen
	trouble []string
	viewed  bool // the views were there; belongs to the reader
	seen    map[string][]sum
	looks   int

	eras   []era          // from the one in which nothing was published
	cursor map[string]int // the era that the reader saw last
	runs   map[string]int // the era that a run published
	listed map[string]*ending
}

// tally counts what was done to the program.
type tally struct{ killed, servers, broken, deaths, late int }

func (t *tally) add(o tally) {
	t.killed, t.servers, t.broken, t.deaths = t.killed+o.killed, t.servers+o.servers, t.broken+o.broken, t.deaths+o.deaths
	t.late += o.late
}

func newWarehouse(t *testing.T) *warehouse {
	t.Helper()
	s := clickhousetest.Start(t, clickhousetest.Options{})
	w := &warehouse{
		server: s, proxy: clickhousetest.StartProxy(t, s.Native), tables: questions(), seen: map[string][]sum{},
		cursor: map[string]int{}, runs: map[string]int{}, listed: map[string]*ending{},
	}
	nothing := era{}
	for _, a := range w.tables {
		nothing[a.name] = content{sum: absent}
	}
	w.eras = []era{nothing}
	return w
}

// entry is the destination as pipelines.yaml has it.
func (w *warehouse) entry() string {
	return fmt.Sprintf(`{clickhouse: {url: "clickhouse://etl@%s/%s", password: %s}}`, w.proxy.Addr, database, clickhousetest.Password)
}

// arm prepares what happens in a run, whose process runs when up is closed.
func (w *warehouse) arm(m *moment, cmd *exec.Cmd, up <-chan struct{}) {
	w.fell, w.struck = make(chan struct{}, 1), false
	if old := w.pending; m == nil && old != nil && old.Until == "next" {
		w.proxy.Set(clickhousetest.Fault{Match: old.Upon, Do: w.release})
	}
	if m == nil {
		return
	}
	f := clickhousetest.Fault{Match: m.Match, Nth: m.Nth, After: m.Bytes, Always: m.Again}
	if m.Lost {
		f.Action = clickhousetest.Cut
	}
	switch m.What {
	case "away":
		w.kill()
		return
	case "cut":
		f.Action = clickhousetest.Cut
	case "swallow":
		f.Action = clickhousetest.Swallow
	case "late":
		f.Action = clickhousetest.Late
		if m.Until == "run" {
			f.Do = func() { w.proxy.Set(clickhousetest.Fault{Match: m.Upon, Do: w.release}) }
		}
	case "server":
		f.Do = w.soon(m.Delay, w.kill)
	case "kill":
		f.Do = w.soon(m.Delay, func() { signalTo(cmd, up, os.Kill) })
	case "term":
		f.Do = w.soon(m.Delay, func() { signalTo(cmd, up, syscall.SIGTERM) })
	}
	w.proxy.Set(f)
}

// release lets statements through that are held.
func (w *warehouse) release() { w.came.Add(int64(w.proxy.Release())) }

// soon does something now, or some time later without keeping the caller.
func (w *warehouse) soon(delay time.Duration, do func()) func() {
	if delay == 0 {
		return do
	}
	return func() {
		w.late.Go(func() error {
			time.Sleep(delay)
			do()
			return nil
		})
	}
}

func signalTo(cmd *exec.Cmd, up <-chan struct{}, s os.Signal) {
	if <-up; cmd.Process != nil {
		_ = cmd.Process.Signal(s) // it may have ended
	}
}

// kill is kill -9 of the server.
func (w *warehouse) kill() {
	w.down.Store(true)
	w.falls.Add(1)
	w.server.Kill()
	w.fallen()
}

func (w *warehouse) fallen() {
	select {
	case w.fell <- struct{}{}:
	default: // it has fallen before
	}
}

// wait waits for the program, and brings a server back that was killed.
func (w *warehouse) wait(m *moment, cmd *exec.Cmd) error {
	done := make(chan error, 1)
	var g errgroup.Group
	g.Go(func() error { done <- cmd.Wait(); return nil })
	hung := time.AfterFunc(hungAfter, func() {
		w.hung.Store(true)
		_ = cmd.Process.Kill() // it may have ended
	})
	defer hung.Stop()
	select {
	case err := <-done:
		return err
	case <-w.fell:
		w.fallen()
	}
	if m.Back == 0 {
		return <-done
	}
	select {
	case err := <-done:
		return err
	case <-time.After(m.Back):
	}
	w.revive()
	return <-done
}

// revive starts the server again.
func (w *warehouse) revive() {
	w.server.Kill() // it may have died by itself
	w.server.Restart()
	w.down.Store(false)
}

// calm ends the disturbance of a run, and waits until the server does nothing
// any more for the loader.
func (w *warehouse) calm(m *moment, code int) error {
	if err := w.late.Wait(); err != nil {
		return err
	}
	if m != nil {
		w.struck = w.proxy.Struck() > 0 || len(w.fell) > 0 || w.came.Load() > 0 || w.proxy.Held() > 0
	}
	w.proxy.Set(clickhousetest.Fault{})
	if w.struck {
		w.count(m, code)
	}
	if w.pending != nil || m != nil && m.Until == "end" {
		w.release()
		w.pending = nil
	}
	if w.proxy.Held() > 0 {
		w.pending = m
	}
	if n := w.came.Swap(0); n > 0 {
		w.struck = true
		w.tally.late += int(n)
		w.cursor = map[string]int{} // it may show for a moment what was there before
	}
	if w.down.Load() {
		w.revive()
	} else if _, err := w.query("SELECT 1"); err != nil { // a server that dies by itself is one more thing to survive
		w.struck, w.tally.deaths = true, w.tally.deaths+1
		w.falls.Add(1)
		w.fallen()
		w.revive()
	}
	return w.idle()
}

func (w *warehouse) count(m *moment, code int) {
	switch {
	case len(w.fell) > 0:
		w.tally.servers++
	case m.What == "kill" && code < 0:
		w.tally.killed++
	case m.What == "cut" || m.What == "swallow":
		w.tally.broken++
	}
}

func (w *warehouse) idle() error {
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if n, err := w.query("SELECT count() FROM system.processes WHERE user = 'etl'"); err != nil || n == "0" {
			return err
		}
	}
	return fmt.Errorf("the server is still busy for the loader after half a minute")
}

// query asks the server, not through the proxy of the loader.
func (w *warehouse) query(q string) (string, error) {
	text, err := w.server.QueryAs(context.Background(), "admin", clickhousetest.Password, q)
	if err != nil {
		return "", fmt.Errorf("%s: %w", q, err)
	}
	return strings.TrimSuffix(text, "\n"), nil
}

// audit lets the product's own verify look at what is published.
func (p *processes) audit() ([]string, error) {
	name, err := program()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(name, "verify", "--json", "-c", filepath.Join(p.dir, "pipelines.yaml"))
	cmd.Env = p.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return []string{fmt.Sprintf("verify: %v\n%s", err, out)}, nil
	}
	return nil, nil
}
