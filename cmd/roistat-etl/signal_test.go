package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to hold a mirror up
)

// told is what became of a run that was told to stop.
type told struct {
	finished
	took   time.Duration // from the signal to the end
	report struct {
		ExitCode int    `json:"exit_code"`
		Outcome  string `json:"outcome"`
		Calls    struct{ List, Feed, Campaign int64 }
		Tables   map[string]any
		Error    *string
	}
}

// tell starts a run, and sends SIGTERM once ready says so.
func tell(t testing.TB, dir string, ready func(), args ...string) (r told) {
	t.Helper()
	cmd := etl(dir, append([]string{"run", "--json"}, args...)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready()
	at := time.Now()
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = cmd.Wait()                          // its exit code is compared
	r.took, r.finished = time.Since(at), finished{cmd.ProcessState.ExitCode(), out.String(), log.String()}
	if err := json.Unmarshal(out.Bytes(), &r.report); err != nil {
		t.Fatalf("exit code %d, %v: %s%s", r.code, err, r.stdout, r.stderr)
	}
	if err := conform(runDocument, r.stdout); err != nil {
		t.Errorf("%v: %s", err, r.stdout)
	}
	if r.took > 10*time.Second {
		t.Errorf("it took %v to stop", r.took)
	}
	if r.code != r.report.ExitCode {
		t.Errorf("exit code %d, the report says %d", r.code, r.report.ExitCode)
	}
	return r
}

// interrupted demands that the run said it was, and that what is published stayed.
func (r *told) interrupted(t testing.TB, dir, before string) {
	t.Helper()
	after, err := fingerprint(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := firstDifference(before, after); diff != "" {
		t.Errorf("what is published is not as it was: %s", diff)
	}
	if r.code != 130 || r.report.Outcome != "interrupted" || r.report.Error == nil {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
}

// holds waits until a file is there.
func holds(t testing.TB, path string) {
	t.Helper()
	for range 2000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("there is no %s", path)
}

func (s *standIn) faults(t testing.TB, list string) {
	t.Helper()
	if _, err := s.control(http.MethodPost, "/_sim/faults", list); err != nil {
		t.Fatal(err)
	}
}

// until waits until the stand-in's counts have a value above a limit.
func (s *standIn) until(t testing.TB, path string, above float64) {
	t.Helper()
	for range 3000 {
		text, err := s.control(http.MethodGet, "/_sim/stats", "")
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		if v, err := find(doc, path); err == nil && v.(float64) > above {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("%s stays", path)
}

// publishedFolder is a folder in which a run has published.
func publishedFolder(t testing.TB, s *standIn) (dir, state string) {
	t.Helper()
	dir = t.TempDir()
	configure(t, dir, s.url)
	want(t, 0, etl(dir, "run"))
	state, err := fingerprint(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, state
}

// TestSignalsWhileCallsAreMade stops runs that wait for the API in each way.
func TestSignalsWhileCallsAreMade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, faults, path string }{
		{"for a page of the list", `[{"kind":"delay","method":"list","n":30000}]`, "in_flight"},
		{"for contacts", `[{"kind":"delay","method":"contacts","n":30000}]`, "in_flight"},
		{"for feeds", `[{"kind":"delay","method":"feed","n":30000}]`, "in_flight"},
		{"to repeat a call", `[{"kind":"gateway","method":"feed"}]`, "calls.feed.gateway"},
		{"for the quota", `[{"kind":"error","method":"feed","code":"request_limit_error"}]`, "calls.feed.request_limit_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSim(t, "--clients", "40", "--months", "2")
			dir, before := publishedFolder(t, s)
			s.faults(t, c.faults)
			r := tell(t, dir, func() { s.until(t, c.path, 0) }, "--full")
			r.interrupted(t, dir, before)
			s.faults(t, "[]")
			want(t, 0, etl(dir, "run", "--full"))
			want(t, 0, etl(dir, "verify"))
		})
	}
}

// TestSignalsWhileTablesAreMade stops runs at moments all over their projection
// and publishing: each has published nothing, or all.
func TestSignalsWhileTablesAreMade(t *testing.T) {
	t.Parallel()
	s := newSim(t, "--clients", "2500", "--months", "24")
	dir, before := publishedFolder(t, s)
	stops := map[string]int{}
	for steps := time.Duration(6); steps < 100; steps *= 2 {
		if _, err := s.control(http.MethodPost, "/_sim/night?share=100%", ""); err != nil {
			t.Fatal(err)
		}
		want(t, 0, etl(dir, "run", "--no-publish"))
		start := time.Now()
		want(t, 0, etl(dir, "run", "--no-publish", "--no-extract"))
		before = stopEverLater(t, dir, before, time.Since(start)/steps, stops)
		want(t, 0, etl(dir, "verify"))
		if stops["projecting"] > 0 && stops["publishing"] > 0 {
			break
		}
	}
	t.Log(stops)
	if stops["projecting"] == 0 || stops["publishing"] == 0 {
		t.Errorf("not every phase was met: %v", stops)
	}
}

// stopEverLater stops runs step by step later, until one has published before it
// was told, and returns what that has published. It counts where it stopped them.
func stopEverLater(t testing.TB, dir, before string, step time.Duration, stops map[string]int) string {
	t.Helper()
	for at := time.Duration(0); ; at += step {
		r := tell(t, dir, func() {
			holds(t, filepath.Join(dir, "data", "demo", "mirror.db.lock"))
			time.Sleep(at)
		}, "--no-extract")
		if r.code == 0 {
			after, err := fingerprint(filepath.Join(dir, "out"))
			if err != nil || after == before {
				t.Fatalf("exit code 0, but nothing is published; %v", err)
			}
			return after
		}
		phase := "publishing"
		if len(r.report.Tables) == 0 {
			phase = "projecting"
		}
		stops[phase]++
		r.interrupted(t, dir, before)
		if got := fmt.Sprint(names(t, filepath.Join(dir, "data", "demo"))); got != "[mirror.db]" {
			t.Errorf("the mirror's folder holds %s", got)
		}
	}
}

// TestTheSecondSignalEndsAtOnce keeps a run from ending in peace by a lock on its mirror.
func TestTheSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSim(t, "--clients", "40", "--months", "2")
	dir, _ := publishedFolder(t, s)
	s.faults(t, `[{"kind":"delay","method":"feed","n":30000}]`)
	cmd := etl(dir, "run", "--full", "--json")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.until(t, "in_flight", 0)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "data", "demo", "mirror.db")+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // it changed nothing
	start := time.Now()
	for range 2 {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond) // the first one is taken, and the run waits for its mirror
	}
	_ = cmd.Wait()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), cmd.ProcessState)
	}
}

// TestNohup sends SIGHUP to a run that was told to ignore it.
func TestNohup(t *testing.T) {
	sim := newSim(t, "--clients", "60", "--months", "1", "--fault", "kind=delay,method=feed,n=50")
	dir := t.TempDir()
	config := fmt.Sprintf(`version: 1
pipelines:
  - name: demo
    project: "12345"
    api: {base_url: "%s/api/v1", key: "${ROISTAT_API_KEY}", per_second: 100000, per_hour: 10000000}
    load: [{parquet: {path: out}}]
`, sim.url)
	if err := os.WriteFile(filepath.Join(dir, "pipelines.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := etl(dir, "run")
	cmd.Path, cmd.Args = "/usr/bin/nohup", append([]string{"nohup"}, cmd.Args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for sim.feedCalls(t) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
}
