package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	words "roistat-etl/internal/canary"
)

// canary is the key of the tests.
const canary = words.Key

// leak names a spelling of the key that the text holds; "" if there is none.
func leak(text []byte) string { return words.Words{canary}.In(text) }

// leakedFiles lists the files below a folder that hold the key.
func leakedFiles(dir string) (found []string, err error) { return words.Words{canary}.Files(dir, nil) }

// standIn is a running roistat-sim.
type standIn struct {
	cmd *exec.Cmd
	url string
}

// launch starts roistat-sim with the canary as its key and waits until it listens.
func launch(dir string, args ...string) (*standIn, error) {
	f, err := os.CreateTemp(dir, ".sim-*")
	if err != nil {
		return nil, err
	}
	file := f.Name()
	if err := errors.Join(f.Close(), os.Remove(file)); err != nil {
		return nil, err
	}
	base := []string{"serve", "--addr", "127.0.0.1:0", "--addr-file", file, "--key", canary, "--whale=false"}
	s := &standIn{cmd: exec.Command(filepath.Join(binaries, "roistat-sim"), append(base, args...)...)}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 1500 {
		if addr, err := os.ReadFile(file); err == nil {
			s.url = "http://" + strings.TrimSpace(string(addr))
			return s, os.Remove(file)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("roistat-sim did not start"), s.end())
}

// end kills the stand-in; one that has ended by itself is an error.
func (s *standIn) end() error {
	err := s.cmd.Process.Kill()
	_ = s.cmd.Wait() // how it ended is looked at
	if status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		return errors.Join(err, fmt.Errorf("roistat-sim had ended before: %v", s.cmd.ProcessState))
	}
	return err
}

// control calls a control of the stand-in and returns what it says.
func (s *standIn) control(method, path, body string) ([]byte, error) {
	return control(s.url, method, path, body)
}

func control(base, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text, nil
}

// feedCalls is how many feeds the stand-in was asked for since it began.
func (s *standIn) feedCalls(t testing.TB) int64 {
	t.Helper()
	var st struct {
		Feeds struct{ Calls int64 }
	}
	text, err := s.control(http.MethodGet, "/_sim/stats", "")
	if err == nil {
		err = json.Unmarshal(text, &st)
	}
	if err != nil {
		t.Fatal(err)
	}
	return st.Feeds.Calls
}

// newSim starts a stand-in for a test.
func newSim(t testing.TB, args ...string) *standIn {
	t.Helper()
	s, err := launch(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// etl is a command line of the program in a folder.
func etl(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(binaries, "roistat-etl"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ROISTAT_API_KEY="+canary)
	return cmd
}

// finished is a program that has ended.
type finished struct {
	code           int
	stdout, stderr string
}

// run runs the program to its end.
func run(t testing.TB, cmd *exec.Cmd) finished {
	t.Helper()
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	f := finished{cmd.ProcessState.ExitCode(), out.String(), log.String()}
	if s := leak([]byte(f.stdout + f.stderr)); s != "" {
		t.Errorf("%v printed the key as %s", cmd.Args[1:], s)
	}
	return f
}

// want runs the program and demands an exit code.
func want(t testing.TB, code int, cmd *exec.Cmd) finished {
	t.Helper()
	f := run(t, cmd)
	if f.code != code {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", cmd.Args[1:], f.code, code, f.stdout, f.stderr)
	}
	return f
}
