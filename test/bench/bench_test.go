package main

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"roistat-etl/internal/clickhousetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(clickhousetest.Main(m)) }

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		name string
		in   series
		want float64
	}{
		{"none", nil, 0},
		{"one", series{3}, 3},
		{"odd, unsorted", series{9, 1, 5}, 5},
		{"even", series{4, 1, 3, 2}, 2.5},
	} {
		if got := c.in.median(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestShow(t *testing.T) {
	s := series{2, 1, 4}
	if got, want := s.show("%.1f"), "2.0 (1.0–4.0)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !cmp.Equal(s, series{2, 1, 4}) {
		t.Errorf("the rounds were reordered: %v", s)
	}
	if got := series(nil).show("%.1f"); got != "–" {
		t.Errorf("no rounds: %q", got)
	}
}

func TestReplace(t *testing.T) {
	text := "before\n" + begin + "old\n" + end + "after\n"
	got, err := replace([]byte(text), "new\n")
	if want := "before\n" + begin + "new\n" + end + "after\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", begin, end, end + begin} {
		if _, err := replace([]byte(bad), "new\n"); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestInsertKeepsTheDocumentOnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(path, []byte("no marks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := insert(path, "new\n"); err == nil {
		t.Error("no error")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "no marks\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// The document and this program must agree on the marks.
func TestDocumentHasTheMarks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replace(text, ""); err != nil {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	for _, bad := range [][]string{{"-rounds", "0"}, {"-only", "speed"}, {"-only", "night", "-update"}, {"extra"}} {
		if _, err := newBench(bad); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
	if _, err := newBench([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

// A folder that bench did not make is not emptied.
func TestCleanSparesOtherFolders(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	mine := filepath.Join(b.dir, "mine")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.clean(); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	b.dir = filepath.Join(b.dir, "new")
	for range 2 {
		if err := b.clean(); err != nil {
			t.Error(err)
		}
	}
}

func TestMeasure(t *testing.T) {
	u, err := measure(t.Context(), t.TempDir(), "/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done")
	if err != nil {
		t.Fatal(err)
	}
	if string(u.out) != "done\n" || u.cpu <= 0 || u.wall <= 0 || u.rss < 100<<10 {
		t.Errorf("%+v", u)
	}
	_, err = measure(t.Context(), t.TempDir(), "/bin/sh", "-c", "echo why >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "exit status 3: why") {
		t.Errorf("exit 3: %v", err)
	}
}

func TestLastReport(t *testing.T) {
	r, err := lastReport([]byte("a log line\n" + `{"outcome":"ok","calls":{"feed":7},"tables":{"visits":{"rows":5,"changed":2},"clients":{"rows":3,"changed":1}}}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != "ok" || r.Calls.Feed != 7 || r.events() != 5 || (outcome{report: r}).changed() != 3 {
		t.Errorf("%+v", r)
	}
	for _, bad := range []string{"", "done\n"} {
		if _, err := lastReport([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestReadText(t *testing.T) {
	text := `
bench: done (run 20261124T104013Z-1a2b3c, 1.2s, exit code 0)

  clients  5,000 listed of 5,000: 5,000 new, 0 changed, 0 gone
  feeds    5,000 due: 5,000 fetched, 0 failed, 0 left
  calls    6 list, 5,001 feed, 0 campaign; 0 retried, 0 refused
  time     extract 690ms, transform 180ms, load 0s
`
	calls, stage, err := readText([]byte(text))
	if err != nil || calls != 5001 || stage != 690*time.Millisecond {
		t.Errorf("%d, %v, %v", calls, stage, err)
	}
	for _, bad := range []string{"", "  calls  6 list, 5,001 feed, 0 campaign", "extract 690ms, transform"} {
		if _, _, err := readText([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestFeedLine(t *testing.T) {
	got, err := feedLine(7, strings.NewReader(`{"status":"success","feed":[{"type":"visit","a":1.50}]}`))
	if want := `{"client_id":7,"feed":[{"type":"visit","a":1.50}]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if _, err := feedLine(7, strings.NewReader("{\"feed\":[\n]}")); err == nil {
		t.Error("a line break: no error")
	}
}

// The programs read all clients of a paged list and all their feeds, once.
func TestPlainPrograms(t *testing.T) {
	const clients = 2345
	api := newFakeAPI(t, clients)
	var out strings.Builder
	if err := run(t.Context(), []string{"floor", api.URL}, &out); err != nil {
		t.Fatal(err)
	}
	var f floor
	if err := json.Unmarshal([]byte(out.String()), &f); err != nil || f.Feeds != clients || f.Seconds <= 0 {
		t.Errorf("floor: %+v, %v", f, err)
	}
	if api.feeds.Load() != clients {
		t.Errorf("%d feed calls", api.feeds.Load())
	}
	dir := t.TempDir()
	if err := run(t.Context(), []string{"export", api.URL, dir}, io.Discard); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"feeds.ndjson": api.wantFeeds(), "clients.ndjson": api.wantClients()} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// One feed that fails ends the export with an error.
func TestExportFails(t *testing.T) {
	api := newFakeAPI(t, 100)
	api.broken.Store(50)
	err := run(t.Context(), []string{"export", api.URL, t.TempDir()}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("%v", err)
	}
}
