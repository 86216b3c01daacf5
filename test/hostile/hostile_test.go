package hostile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// limit is what the program may have in memory at most, whatever it is answered.
const limit = 300 << 20

// clients is how many clients the API lists, unless a test says otherwise: as many
// as the default concurrency are asked for at once. All have the same feed.
const clients = 8

const key = "hostile-key"

// program is the real program, built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hostile-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "roistat-etl")
	if out, err := exec.Command("go", "build", "-o", program, "roistat-etl/cmd/roistat-etl").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// api is an API that answers each method with one body, or with one a page; with
// few clients and nothing else where there is none.
type api struct {
	clients        int // 0: as above
	mu             sync.Mutex
	feed           body // with mu held
	list, contacts func(offset int64) body
	gzip           bool  // feeds are compressed
	length         int64 // that is promised of a feed; 0: none
}

// ServeHTTP answers.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct{ Offset int64 }
	_ = json.NewDecoder(r.Body).Decode(&q) // a GET has no body
	b := pageOf("data", "total_count", 0, text(""))
	switch r.URL.Path {
	case "/api/v1/project/clients":
		if b = few(cmp.Or(a.clients, clients), q.Offset); a.list != nil {
			b = a.list(q.Offset)
		}
	case "/api/v1/project/clients/campaign/contact/list":
		if a.contacts != nil {
			b = a.contacts(q.Offset)
		}
	case "/api/v1/project/clients/detail/feed":
		if b = a.now(); b == nil {
			b = feed(text(""))
		}
		if a.gzip {
			w.Header().Set("Content-Encoding", "gzip")
		}
		if a.length > 0 {
			w.Header().Set("Content-Length", strconv.FormatInt(a.length, 10))
		}
	}
	_ = b(w) // it fails when whoever asked has hung up
}

// now is the feed that is served, and next serves another.
func (a *api) now() body {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.feed
}

func (a *api) next(feed body) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.feed = feed
}

// few is a list of n clients.
func few(n int, offset int64) body {
	return some(pageOf("clients", "total", n, numbered(n, func(dst []byte, i int) []byte { return fmt.Appendf(dst, `{"id":%d}`, i+1) })))(offset)
}

// some is pages of which only the first holds anything.
func some(first body) func(offset int64) body {
	return func(offset int64) body {
		if offset > 0 {
			return text(`{"clients":[],"total":0,"data":[],"total_count":0,"status":"success"}`)
		}
		return first
	}
}

// outcome is what a run came to.
type outcome struct {
	code   int
	rss    int64
	stderr string
	report struct {
		Outcome string
		Error   string
		Reasons []string
		Feeds   struct{ Due, Fetched, Failed, Left int64 }
		Rejects struct{ Items, Fields int64 }
		Tables  map[string]struct{ Rows int64 }
		Failed  []struct{ Code string } `json:"failed_clients"`
	}
}

// night is a folder with a configuration, and the API that it names.
func night(t *testing.T, a *api) (dir string) {
	t.Helper()
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	config := `version: 1
pipelines:
  - name: demo
    project: "12345"
    api: {base_url: "` + s.URL + `/api/v1", key: ` + key + `, per_second: 100000, per_hour: 10000000, max_attempts: 1}
    extract: {campaigns: [{id: 2}]}
    load: [{parquet: {path: out}}]
`
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pipelines.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run lets the program run once in such a folder.
func run(t *testing.T, dir string, args ...string) (o outcome) {
	t.Helper()
	var out, log bytes.Buffer
	cmd := exec.Command(program, append([]string{"run", "--json", "--accept", "max_failed_clients", "--accept", "max_rejects"}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &log
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	o.code, o.stderr = cmd.ProcessState.ExitCode(), log.String()
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system says nothing of memory")
	}
	o.rss = usage.Maxrss * 1024
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &o.report); err != nil {
		t.Fatalf("exit code %d, no report: %v\n%s%s", o.code, err, out.String(), o.stderr)
	}
	return o
}
