package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
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

var (
	update   = flag.Bool("update", false, "write the goldens anew")
	killSeed = flag.Uint64("kill-seed", 0, "kill at the moments of this seed")
)

// TestScripts runs the real program against the real stand-in, as a user would.
// At the end of each script every file that it left is searched for the key, and
// so is all that the program printed.
func TestScripts(t *testing.T) {
	goldens, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", binaries+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("ROISTAT_API_KEY", canary)
			env.Setenv("KEY", canary)
			env.Setenv("TESTDATA", goldens)
			env.Values["started"] = map[string]*started{}
			env.Defer(func() { nothingLeaked(env) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sim": startSim, "post": post, "stats": stats, "await": await,
			"code": code, "start": start, "signal": sendSignal, "ended": ended,
			"grab": grab, "conform": conforms, "want": wantValue,
			"remember": remember, "same": same, "linked": linked,
			"flip": flip, "replace": replace, "golden": golden, "lines": lines, "browse": browse,
			"clients": clients, "imported": importedValue,
			"persons": persons, "traceless": traceless,
		},
		RequireExplicitExec: true,
	})
}

func nothingLeaked(env *testscript.Env) {
	found, err := leakedFiles(env.WorkDir)
	if err != nil || len(found) > 0 {
		env.T().Log("the key leaked: ", found, err)
		env.T().FailNow()
	}
}

// startSim starts roistat-sim with the given flags and sets SIM to its address.
func startSim(ts *testscript.TestScript, _ bool, args []string) {
	s, err := launch(ts.MkAbs("."), args...)
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.end()) })
	ts.Setenv("SIM", s.url)
}

// post posts to a control of the stand-in: post PATH [BODY].
func post(ts *testscript.TestScript, _ bool, args []string) {
	_, err := control(ts.Getenv("SIM"), http.MethodPost, args[0], strings.Join(args[1:], " "))
	ts.Check(err)
}

// statsAgree compares a value of the stand-in's counts: PATH VALUE.
func statsAgree(ts *testscript.TestScript, args []string) (bool, any) {
	text, err := control(ts.Getenv("SIM"), http.MethodGet, "/_sim/stats", "")
	ts.Check(err)
	var doc any
	ts.Check(json.Unmarshal(text, &doc))
	v, err := find(doc, args[0])
	if err != nil {
		v = 0.0 // what was never counted
	}
	ok, err := agrees(v, args[1])
	ts.Check(err)
	return ok, v
}

// stats demands a value of the stand-in's counts: stats PATH VALUE.
func stats(ts *testscript.TestScript, neg bool, args []string) {
	if ok, v := statsAgree(ts, args); ok == neg {
		ts.Fatalf("stats %s is %v", args[0], v)
	}
}

// await waits until the stand-in's counts have a value: await PATH VALUE.
func await(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	for range 3000 {
		var ok bool
		if ok, v = statsAgree(ts, args); ok {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	ts.Fatalf("stats %s is still %v", args[0], v)
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
	if s := leak([]byte(ts.ReadFile("stdout") + ts.ReadFile("stderr"))); s != "" {
		ts.Fatalf("the key was printed as %s", s)
	}
}

// started is a program that runs beside the script.
type started struct {
	cmd  *exec.Cmd
	done bool
}

// start runs a program in the background: start NAME PROGRAM ARG…. What it
// prints goes to NAME.out and NAME.err.
func start(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	defer out.Close()
	log, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	defer log.Close()
	cmd := exec.Command(filepath.Join(binaries, args[1]), args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), out, log
	for _, name := range []string{"ROISTAT_API_KEY", "SIM", "PATH", "HOME", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	p := &started{cmd: cmd}
	ts.Value("started").(map[string]*started)[name] = p
	ts.Defer(func() {
		if !p.done {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
}

func background(ts *testscript.TestScript, name string) *started {
	p := ts.Value("started").(map[string]*started)[name]
	if p == nil {
		ts.Fatalf("%s was not started", name)
	}
	return p
}

// sendSignal sends a signal to a program in the background: signal NAME INT|TERM|HUP|KILL.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}
	ts.Check(background(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// ended waits for a program in the background, at most 10 s: ended NAME CODE.
func ended(ts *testscript.TestScript, _ bool, args []string) {
	p := background(ts, args[0])
	timer := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait() // its exit code is compared
	p.done = true
	if !timer.Stop() {
		ts.Fatalf("%s was not done within 10 s", args[0])
	}
	if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("exit code %s, want %s\n%s%s", got, args[1], ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

// output is what the last program printed, or what a file holds: its lines.
func output(ts *testscript.TestScript, file string) []string {
	return strings.Split(strings.TrimSuffix(ts.ReadFile(file), "\n"), "\n")
}

// conforms demands that every line of a file (by default stdout) is a document of the design: conform NAME [FILE].
func conforms(ts *testscript.TestScript, _ bool, args []string) {
	file := "stdout"
	if len(args) > 1 {
		file = args[1]
	}
	document, ok := documents()[args[0]]
	if !ok {
		ts.Fatalf("there is no document %s", args[0])
	}
	text := output(ts, file)
	if args[0] == "manifest" {
		text = []string{ts.ReadFile(file)}
	}
	for _, line := range text {
		if err := conform(document, line); err != nil {
			ts.Fatalf("%v\n%s", err, line)
		}
	}
}

// wantValue demands values in the JSON of the last line of stdout: want PATH VALUE [PATH VALUE]….
// A first argument @N takes line N, from 1; @FILE takes the last line of a file.
func wantValue(ts *testscript.TestScript, neg bool, args []string) {
	file, line := "stdout", 0
	if name, ok := strings.CutPrefix(args[0], "@"); ok {
		args = args[1:]
		if n, err := strconv.Atoi(name); err == nil {
			line = n
		} else {
			file = name
		}
	}
	text := output(ts, file)
	if line == 0 {
		line = len(text)
	}
	var doc any
	if err := json.Unmarshal([]byte(text[line-1]), &doc); err != nil {
		ts.Fatalf("line %d of %s: %v: %s", line, file, err, text[line-1])
	}
	demand(ts, doc, neg, args)
}

// demand demands values of a document, or others: PATH VALUE [PATH VALUE]….
func demand(ts *testscript.TestScript, doc any, neg bool, args []string) {
	for ; len(args) > 1; args = args[2:] {
		v, err := find(doc, args[0])
		ts.Check(err)
		ok, err := agrees(v, args[1])
		ts.Check(err)
		if ok == neg {
			ts.Fatalf("%s is %v, want %s", args[0], v, args[1])
		}
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

// lines demands how many lines the last program printed: lines N.
func lines(ts *testscript.TestScript, _ bool, args []string) {
	n := strings.Count(ts.ReadFile("stdout"), "\n")
	if ok, err := agrees(float64(n), args[0]); err != nil || !ok {
		ts.Fatalf("%d lines, want %s, %v", n, args[0], err)
	}
}

// remember notes all that is below a folder: remember NAME DIR.
func remember(ts *testscript.TestScript, _ bool, args []string) {
	text, err := fingerprint(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".tree"), []byte(text), 0o600))
}

// same demands that a folder is as it was when it was remembered: same NAME DIR.
func same(ts *testscript.TestScript, neg bool, args []string) {
	text, err := fingerprint(ts.MkAbs(args[1]))
	ts.Check(err)
	diff := firstDifference(ts.ReadFile(args[0]+".tree"), text)
	if neg && diff == "" {
		ts.Fatalf("%s is as it was", args[1])
	}
	if !neg && diff != "" {
		ts.Fatalf("%s is not as it was: %s", args[1], diff)
	}
}

// linked compares two snapshots: a file whose digest stayed is one file with two
// names, any other is not: linked OLD NEW LINKED WRITTEN.
func linked(ts *testscript.TestScript, _ bool, args []string) {
	old, err := readManifest(ts.MkAbs(args[0]))
	ts.Check(err)
	fresh, err := readManifest(ts.MkAbs(args[1]))
	ts.Check(err)
	kept, written := 0, 0
	for path, f := range fresh {
		one, err := os.Stat(filepath.Join(ts.MkAbs(args[1]), path))
		ts.Check(err)
		other, err := os.Stat(filepath.Join(ts.MkAbs(args[0]), path))
		shared := err == nil && os.SameFile(one, other)
		if stays := old[path].Digest == f.Digest; stays != shared {
			ts.Fatalf("%s: same digest %v, same file %v", path, stays, shared)
		}
		if shared {
			kept++
		} else {
			written++
		}
	}
	for i, n := range []int{kept, written} {
		if ok, err := agrees(float64(n), args[2+i]); err != nil || !ok {
			ts.Fatalf("%d linked, %d written, want %s and %s, %v", kept, written, args[2], args[3], err)
		}
	}
}

// flip changes one byte in the middle of a file: flip FILE.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(flipByte(ts.MkAbs(args[0])))
}

func flipByte(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(name, b, 0o600)
}

// replace replaces the first occurrence of a text in a file: replace FILE OLD NEW.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	old := []byte(os.Expand(args[1], ts.Getenv))
	if !bytes.Contains(b, old) {
		ts.Fatalf("%s does not hold %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(name, bytes.Replace(b, old, []byte(args[2]), 1), 0o600))
}

// golden compares the last output with a file of this repository, which -update
// writes: golden FILE.
func golden(ts *testscript.TestScript, _ bool, args []string) {
	got, name := ts.ReadFile("stdout"), filepath.FromSlash(args[0])
	if *update {
		ts.Check(os.WriteFile(name, []byte(got), 0o644))
		return
	}
	b, err := os.ReadFile(name)
	if err != nil {
		ts.Fatalf("%v: write it with go test ./cmd/roistat-etl -update", err)
	}
	if diff := firstDifference(string(b), got); diff != "" {
		ts.Fatalf("%s differs: %s; if that is right, run go test ./cmd/roistat-etl -update", name, diff)
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d is\n%s\nwant\n%s", i+1, b, a)
		}
	}
	return ""
}
