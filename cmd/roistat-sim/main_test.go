package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/sim/world"
)

// asProgram makes the test binary the program itself, so that tests can send
// it real signals.
const asProgram = "ROISTAT_SIM_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// started is a running program.
type started struct {
	cmd  *exec.Cmd
	addr string
	out  *bytes.Buffer
}

// start runs the program until it listens.
func start(t *testing.T, env []string, args ...string) *started {
	t.Helper()
	file := filepath.Join(t.TempDir(), "addr")
	s := &started{cmd: exec.Command(os.Args[0], append(args, "--addr", "127.0.0.1:0", "--addr-file", file)...), out: &bytes.Buffer{}}
	s.cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
	for range 1000 {
		if raw, err := os.ReadFile(file); err == nil {
			s.addr = strings.TrimSpace(string(raw))
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it doesn't listen: %s", s.out)
	return nil
}

// stop sends the signal and returns how long the program took to end well.
func (s *started) stop(t *testing.T, sig os.Signal) time.Duration {
	t.Helper()
	began := time.Now()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, s.out)
	}
	return time.Since(began)
}

func get(t *testing.T, key, url string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", key)
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func (s *started) feed(id int) string {
	return fmt.Sprintf("http://%s/api/v1/project/clients/detail/feed?project=12345&client=%d", s.addr, id)
}

func TestServesWithAndWithoutTheSubcommand(t *testing.T) {
	for _, args := range [][]string{{"serve"}, nil, {"serve", "--cache"}} {
		s := start(t, nil, append(args, "--clients", "20", "--whale=false")...)
		if body := get(t, "sim-key", s.feed(3)); !strings.HasSuffix(body, `"status":"success"}`) {
			t.Errorf("%v: %s", args, body)
		}
		s.stop(t, syscall.SIGTERM)
		if want := "roistat-sim listens on http://" + s.addr + "/api/v1, project 12345, key sim-key\n"; s.out.String() != want {
			t.Errorf("%v: it says %q, want %q", args, s.out, want)
		}
	}
}

func TestStopsOnEitherSignalWithCallsInFlight(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		s := start(t, nil, "--clients", "5", "--latency", "1h")
		var g errgroup.Group
		g.Go(func() error { return hang(t.Context(), s.feed(1)) })
		for !strings.Contains(get(t, "", "http://"+s.addr+"/_sim/stats"), `"in_flight":1`) {
			time.Sleep(5 * time.Millisecond)
		}
		if d := s.stop(t, sig); d > 5*time.Second {
			t.Errorf("%v: took %v", sig, d)
		}
		if err := g.Wait(); err == nil {
			t.Errorf("%v: the call in flight was answered", sig)
		}
	}
}

func TestTheKeyComesFromTheEnvironmentAndIsNotShown(t *testing.T) {
	s := start(t, []string{"ROISTAT_SIM_KEY=env-secret"}, "--clients", "5", "--access-log")
	if body := get(t, "env-secret", s.feed(1)); !strings.Contains(body, "success") {
		t.Errorf("%s", body)
	}
	s.stop(t, syscall.SIGTERM)
	if text := s.out.String(); strings.Contains(text, "env-secret") || !strings.Contains(text, "key en***") || !strings.Contains(text, "method=feed") {
		t.Errorf("%s", text)
	}
	flag := start(t, []string{"ROISTAT_SIM_KEY=env-secret"}, "--clients", "5", "--key", "other")
	if body := get(t, "other", flag.feed(1)); !strings.Contains(body, "success") {
		t.Errorf("%s", body)
	}
	flag.stop(t, syscall.SIGTERM)
}

func TestFaultsAndNightsFromTheCommandLine(t *testing.T) {
	s := start(t, nil, "--clients", "100", "--nights", "2", "--share", "50%", "--fault", "kind=html,clients=3;4", "--fault", "kind=error,code=project_frozen,clients=5")
	if body := get(t, "sim-key", s.feed(4)); !strings.HasPrefix(body, "<!DOCTYPE") {
		t.Errorf("%s", body)
	}
	if body := get(t, "sim-key", s.feed(5)); !strings.Contains(body, "project_frozen") {
		t.Errorf("%s", body)
	}
	if body := get(t, "", "http://"+s.addr+"/_sim/stats"); !strings.Contains(body, `"nights":2`) {
		t.Errorf("%s", body)
	}
	before := get(t, "sim-key", s.feed(50))
	res, err := http.Post("http://"+s.addr+"/_sim/night?n=4", "", nil) // each touches half of the clients
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if after := get(t, "sim-key", s.feed(50)); after == before {
		t.Error("four nights with a share of 50% left client 50 as it was")
	}
	s.stop(t, syscall.SIGTERM)
}

// hang makes a call that the program's end cuts off.
func hang(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Api-Key", "sim-key")
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// execute runs the command in process.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--clients", "-1"}, {"--months", "0"}, {"--fault", "kind=flood"}, {"--fault", "html"}, {"--key", ""},
		{"--max-page", "0"}, {"--share", "200%"}, {"--addr", "nowhere:99999"}, {"--colour"}, {"truth"}, {"other"},
		{"truth", "--clients", "-1", "--out", t.TempDir()},
		{"--clients", "1", "--addr", "127.0.0.1:0", "--addr-file", "/no/such/folder/addr"},
	} {
		if _, err := execute(t, args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestTruthWritesAFileATable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "truth")
	if _, err := execute(t, "truth", "--clients", "50", "--whale=false", "--nights", "1", "--share", "20%", "--project", "77", "--out", dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(world.TableNames()) {
		t.Fatalf("%v, %v", entries, err)
	}
	cfg := world.DefaultConfig()
	cfg.Clients, cfg.Whale, cfg.Project = 50, false, "77"
	w, err := world.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	if err := w.State().Night(0.2).Truth(func(table string, row []byte) error { want[table] += string(row) + "\n"; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, table := range world.TableNames() {
		got, err := os.ReadFile(filepath.Join(dir, table+".ndjson"))
		if err != nil || string(got) != want[table] {
			t.Errorf("%s: %v, %d bytes, want %d", table, err, len(got), len(want[table]))
		}
	}
	var row map[string]any
	if line, _, _ := strings.Cut(want["clients"], "\n"); json.Unmarshal([]byte(line), &row) != nil || row["project"] != "77" {
		t.Errorf("%s", line)
	}
}

func TestAPortThatRefusesConnectionsForAWhile(t *testing.T) {
	s := start(t, nil, "--clients", "20", "--whale=false", "--fault", "kind=refuse,times=1,n=500")
	if err := hang(t.Context(), s.feed(3)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("the connection that was open: %v", err)
	}
	if err := hang(t.Context(), s.feed(3)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the next: %v", err)
	}
	for hang(t.Context(), s.feed(4)) != nil { // until it listens again
		time.Sleep(20 * time.Millisecond)
	}
	if body := get(t, "sim-key", s.feed(3)); !strings.HasSuffix(body, `"status":"success"}`) {
		t.Errorf("%s", body)
	}
	s.stop(t, syscall.SIGTERM)
}

func TestADoorThatIsShutCanBeClosed(t *testing.T) {
	d := newDoor(t.Context())
	if err := d.open("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	g.Go(func() error {
		_, err := d.Accept()
		return err
	})
	d.shut(time.Hour)
	d.shut(time.Hour)
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	if err := g.Wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting ended with %v", err)
	}
}
