package main

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// together runs the program with stdout and stderr on one pipe, as a terminal has them.
func together(t testing.TB, dir string, args ...string) (code int, out string) {
	t.Helper()
	cmd := etl(dir, args...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	_ = cmd.Run() // its exit code is looked at
	if s := leak(both.Bytes()); s != "" {
		t.Errorf("%v printed the key as %s", args, s)
	}
	return cmd.ProcessState.ExitCode(), both.String()
}

// TestNothingFollowsTheReport looks at the end of what a run prints in all, however it ended.
func TestNothingFollowsTheReport(t *testing.T) {
	t.Parallel()
	s := newSim(t, "--clients", "150", "--months", "2")
	dir := t.TempDir()
	configure(t, dir, s.url)
	for _, c := range []struct {
		name, faults string
		code         int
		args         []string
		last         string // of the text
	}{
		{"done", `[]`, 0, nil, "  parquet out: published, shows run 2"},
		{"unchanged", `[]`, 0, nil, "  parquet out: unchanged, shows run 2"},
		{"the budget is used up", `[]`, 3, []string{"--full", "--budget", "9"}, "  because the budget is used up"},
		{"gone on with", `[]`, 0, []string{"--full"}, "  parquet out: published, shows run 2"},
		{"clients failed", `[{"kind":"html","clients":[5]}]`, 3, []string{"--full"}, "  because 1 clients failed"},
		{"a gate", `[{"kind":"html","share":0.2}]`, 5, []string{"--full"}, "  error: stopped by max_failed_clients;"},
		{"refused", `[{"kind":"error","method":"list","code":"project_frozen"}]`, 4, nil, "  error: list the clients: "},
		{"failed", `[{"kind":"html","method":"list"}]`, 1, nil, "  error: list the clients: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.faults(t, c.faults)
			args := append([]string{"run", "--progress", "log"}, c.args...)
			code, out := together(t, dir, args...)
			if last := lastLine(out); code != c.code || !strings.HasPrefix(last, c.last) {
				t.Errorf("exit code %d, want %d, and at the end of the text:\n%s\nwant %s", code, c.code, last, c.last)
			}
			code, out = together(t, dir, append(args, "--json")...)
			if err := conform(runDocument, lastLine(out)); err != nil || code != c.code {
				t.Errorf("exit code %d, want %d; at the end of the JSON: %v", code, c.code, err)
			}
		})
	}
	s.faults(t, "[]")
	flipPublished(t, dir)
	for _, args := range [][]string{{"verify"}, {"verify", "--json"}} {
		_, out := together(t, dir, args...)
		if last := lastLine(out); !strings.HasSuffix(last, "not as it should be") && conform(verifyDocument, last) != nil {
			t.Errorf("%v: %s", args, last)
		}
	}
}

func lastLine(s string) string {
	all := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return all[len(all)-1]
}

// flipPublished spoils a published file.
func flipPublished(t testing.TB, dir string) {
	t.Helper()
	if err := flipByte(filepath.Join(dir, "out", "current", "clients", "part-0000.parquet")); err != nil {
		t.Fatal(err)
	}
}

// TestAListThatShiftsAndLies pages through a list that does both, under a quota, for real.
func TestAListThatShiftsAndLies(t *testing.T) {
	t.Parallel()
	s := newSim(t, "--clients", "300", "--months", "2", "--max-page", "40", "--per-second", "150", "--retry-after")
	dir := t.TempDir()
	configure(t, dir, s.url)
	s.faults(t, `[{"kind":"shift","n":2,"times":5}]`)
	first := want(t, 0, etl(dir, "run", "--json")).stdout
	if !strings.Contains(first, `"list_complete":true`) || strings.Contains(first, `"refused":0}`) {
		t.Error(first)
	}
	s.faults(t, `[{"kind":"shift","n":-2,"times":5}]`)
	want(t, 0, etl(dir, "run", "--json"))
	s.faults(t, `[{"kind":"total_add","n":30}]`)
	lied := want(t, 3, etl(dir, "run", "--json")).stdout
	if !strings.Contains(lied, `"list_complete":false`) || !strings.Contains(lied, `"gone":0}`) {
		t.Error(lied)
	}
	s.faults(t, "[]")
	if _, err := s.control(http.MethodPost, "/_sim/reset-stats", ""); err != nil {
		t.Fatal(err)
	}
	want(t, 0, etl(dir, "run"))
	want(t, 0, etl(dir, "verify"))
}
