package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// binaries is the folder of the real programs, built once for all tests.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "roistat-etl-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", dir+string(filepath.Separator), "roistat-etl/cmd/roistat-etl", "roistat-etl/cmd/roistat-sim")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		return 1
	}
	binaries = dir
	return m.Run()
}

// TestScripts runs the real program against the real stand-in, as a user would.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", binaries+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("ROISTAT_API_KEY", "sim-key")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sim":  startSim,
			"post": post,
			"code": code,
			"grab": grab,
		},
		RequireExplicitExec: true,
	})
}

// startSim starts roistat-sim with the given flags and sets SIM to its address.
func startSim(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs("sim-addr-" + strconv.FormatInt(time.Now().UnixNano(), 36))
	cmd := exec.CommandContext(context.Background(), filepath.Join(binaries, "roistat-sim"), append([]string{"serve", "--addr", "127.0.0.1:0", "--addr-file", file}, args...)...)
	cmd.Stderr = os.Stderr
	ts.Check(cmd.Start())
	ts.Defer(func() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait() // its exit code is not what is tested
	})
	for range 600 {
		if addr, err := os.ReadFile(file); err == nil {
			ts.Setenv("SIM", "http://"+strings.TrimSpace(string(addr)))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("roistat-sim did not start")
}

// post posts to a control of the stand-in: post PATH [BODY].
func post(ts *testscript.TestScript, _ bool, args []string) {
	body := strings.Join(args[1:], " ")
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, ts.Getenv("SIM")+args[0], strings.NewReader(body))
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	text, err := io.ReadAll(resp.Body)
	ts.Check(errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("post %s: %s: %s", args[0], resp.Status, text)
	}
}

// code runs a program and compares its exit code: code N PROGRAM ARG….
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s", got, want, ts.ReadFile("stderr"))
	}
}

// grab sets a variable to what follows a prefix in the last output: grab NAME PREFIX.
func grab(ts *testscript.TestScript, _ bool, args []string) {
	_, rest, ok := strings.Cut(ts.ReadFile("stdout"), args[1])
	if !ok {
		ts.Fatalf("no %q in the output", args[1])
	}
	if end := strings.IndexAny(rest, "\",} \n"); end >= 0 {
		rest = rest[:end]
	}
	ts.Setenv(args[0], rest)
}
