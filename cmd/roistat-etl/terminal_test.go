package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"
	"unicode/utf8"
)

// deceiving is what a terminal must not get from others: a cursor that moves,
// lines that are not ours, a direction that turns.
const deceiving = "\x1b[2J\u009b2J\u0085\x7f\u202e\u2066\u200b\u2028"

// hostileAPI has three clients: the first has texts that deceive, also in items
// that are rejected, the second one's feed fails with such a text, which would
// pass for lines of a report.
func hostileAPI(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := json.Marshal(deceiving)
		raw := string(text)
		for _, c := range []string{"\x7f", "\u0085", "\u009b", "\u202e", "\u2066", "\u200b"} { // as they are, where JSON lets them be
			raw = strings.TrimSuffix(raw, `"`) + c + `"`
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/feed") && r.URL.Query().Get("client") == "2":
			w.WriteHeader(http.StatusBadRequest)
			description, _ := json.Marshal("no " + deceiving + "\n  error: forged\r\n\ndemo: done")
			_, _ = fmt.Fprintf(w, `{"status":"error","error":"incorrect_request","description":%s}`, description)
		case strings.HasSuffix(r.URL.Path, "/feed"):
			_, _ = fmt.Fprintf(w, `{"status":"success","feed":[{"type":"visit","visitId":"1","date":"2026-01-01T00:00:00Z","x":%s},{"type":"visit","visitId":"2","date":%s}]}`, raw, raw)
		default:
			body, _ := io.ReadAll(r.Body)
			if bytes.Contains(body, []byte(`"offset":0`)) || r.URL.Query().Get("offset") == "0" || !strings.Contains(string(body)+r.URL.RawQuery, "offset") {
				_, _ = fmt.Fprintf(w, `{"status":"success","total":3,"clients":[{"id":"1","name":%s},{"id":"2"},{"id":"3"}]}`, raw)
				return
			}
			_, _ = io.WriteString(w, `{"status":"success","total":3,"clients":[]}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// configureFor writes a pipeline that asks an API.
func configureFor(t *testing.T, dir, api string) {
	t.Helper()
	text := fmt.Sprintf("version: 1\npipelines:\n  - name: demo\n    project: \"12345\"\n    api: {base_url: %q, key: some-key, max_attempts: 1}\n    gates: {max_rejects: 100%%}\n    load: [{parquet: {path: tables}}]\n", api+"/api/v1")
	if err := os.WriteFile(filepath.Join(dir, "pipelines.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNothingDeceivesATerminal: whatever Roistat sends, no output of the program
// moves a cursor, and no line of a report is another's.
func TestNothingDeceivesATerminal(t *testing.T) {
	dir := t.TempDir()
	configureFor(t, dir, hostileAPI(t))
	report := want(t, 3, etl(dir, "run"))
	if strings.Contains(report.stdout, "\n  error: forged") || strings.Count(report.stdout, "demo: done") != 2 || strings.Contains(report.stdout, "\ndemo: done\n") {
		t.Errorf("a line is forged:\n%s", report.stdout)
	}
	outputs := map[string]finished{"run": report}
	for _, args := range [][]string{
		{"run", "--json", "--full"}, {"show", "1"}, {"show", "1", "--json"}, {"rejects"}, {"rejects", "--json"}, {"status"}, {"status", "--json"}, {"status", "--html", "page.html"},
	} {
		code := 0
		if args[0] == "run" {
			code = 3
		}
		outputs[strings.Join(args, " ")] = want(t, code, etl(dir, args...))
	}
	page, err := os.ReadFile(filepath.Join(dir, "page.html"))
	if err != nil {
		t.Fatal(err)
	}
	outputs["the page"] = finished{stdout: string(page)}
	for name, o := range outputs {
		for _, out := range []string{o.stdout, o.stderr} {
			if !utf8.ValidString(out) {
				t.Errorf("%s: invalid UTF-8", name)
			}
			for _, r := range out {
				if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
					t.Errorf("%s: %U", name, r)
					break
				}
			}
		}
	}
	var row map[string]any
	first, _, _ := strings.Cut(outputs["show 1 --json"].stdout, "\n")
	if err := json.Unmarshal([]byte(first), &row); err != nil || !strings.Contains(fmt.Sprint(row), "\u202e") {
		t.Errorf("JSON says another thing than the API: %v, %s", err, first)
	}
}

// TestOnlyFilesAreReplaced: a fifo or a link that --metrics-file or --html names is
// a mistake in the command line, told before anything is done, and stays.
func TestOnlyFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	configureFor(t, dir, "http://127.0.0.1:1")
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("absent", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{"fifo": "a fifo", "link": "a symbolic link"} {
		before, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for flag, args := range map[string][]string{"--metrics-file": {"run", "--metrics-file", name}, "--html": {"status", "--html", name}} {
			f := want(t, 2, etl(dir, args...))
			if !strings.Contains(f.stderr, flag+" "+name+" is "+kind) || !strings.Contains(f.stderr, "name another path") {
				t.Errorf("%v: %s", args, f.stderr)
			}
		}
		if after, err := os.Lstat(filepath.Join(dir, name)); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s became %v, %v", name, after, err)
		}
	}
}
