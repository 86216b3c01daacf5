package privacy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/canary"
	"roistat-etl/internal/clickhousetest"
)

// The folder of the programs: as it is, and with leaks put in.
var programs string

const (
	asItIs = "roistat-etl"
	leaky  = "leaky"
)

// suite are the tests between the building of the programs and their removal.
type suite struct{ clickhousetest.M }

// Run builds the programs and runs the tests.
func (s suite) Run() (code int) {
	dir, err := os.MkdirTemp("", "privacy-")
	if err == nil {
		programs = dir
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		return 1
	}
	code = s.M.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{clickhousetest.Main(m)}) }

// build builds both programs, the leaky one with files in the place of others.
func build(dir string) error {
	overlay, err := putLeaksIn(dir)
	if err != nil {
		return err
	}
	for name, args := range map[string][]string{asItIs: nil, leaky: {"-overlay", overlay}} {
		args = append(append([]string{"build", "-o", filepath.Join(dir, name)}, args...), "roistat-etl/cmd/roistat-etl")
		if out, err := exec.CommandContext(context.Background(), "go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

// trace is all that the programs of a folder have said and been called.
type trace struct {
	dir    string
	env    []string
	said   []said
	titles bytes.Buffer
}

// said is what one command printed.
type said struct {
	command     string
	out, err    string
	showsPeople bool
}

// command is a command line in the folder.
func (r *trace) command(program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(programs, program), args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "ROISTAT_API_KEY="+canary.Key, "ROISTAT_ETL_SALT="+canary.Salt)
	cmd.Env = append(cmd.Env, r.env...)
	return cmd
}

// run runs a command, which ends by itself or is killed after a time, and keeps
// what it says and what it and its children are called meanwhile.
func (r *trace) run(t testing.TB, cmd *exec.Cmd, kill time.Duration) (code int) {
	t.Helper()
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if kill > 0 {
		timer := time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error { return r.watch(ctx, cmd.Process.Pid) })
	err := cmd.Wait()
	stop()
	var exit *exec.ExitError
	if watched := g.Wait(); watched != nil || err != nil && !errors.As(err, &exit) {
		t.Fatal(err, watched)
	}
	shows := cmd.Args[1] == "show" || slices.Contains(cmd.Args, "--dry-run")
	r.said = append(r.said, said{strings.Join(cmd.Args[1:], " "), out.String(), log.String(), shows})
	return cmd.ProcessState.ExitCode()
}

// watch notes the titles of a process and its children until it is told to stop.
func (r *trace) watch(ctx context.Context, pid int) error {
	for {
		for _, p := range append(children(pid), pid) {
			title, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), "cmdline"))
			if err == nil && !bytes.Contains(r.titles.Bytes(), title) { // one that has ended has none
				r.titles.Write(title)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// children are the processes that any thread of a process has started.
func children(pid int) (list []int) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	for _, name := range names {
		text, _ := os.ReadFile(name) // it may have ended
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}

// holdsPeople tells of a file that persons may be in: the mirror's, the tables of
// the pipeline without rules, and what may hold secrets.
func (r *trace) holdsPeople(path string) bool {
	name := strings.TrimPrefix(path, r.dir)
	return strings.Contains(name, "/mirror.db") || strings.HasPrefix(name, "/open-tables") || r.holdsSecrets(path)
}

// holdsSecrets tells of the files that we wrote ourselves.
func (r *trace) holdsSecrets(path string) bool {
	return strings.HasSuffix(path, "literal.yaml") || strings.HasSuffix(path, "people.csv")
}

// search looks through all that was left and says where something was found.
func (r *trace) search(t testing.TB) (found []string) {
	t.Helper()
	note := func(where, word string) {
		if word != "" {
			found = append(found, where+" holds "+word)
		}
	}
	for _, s := range r.said {
		note("stdout of "+s.command, secrets().In([]byte(s.out)))
		note("stderr of "+s.command, secrets().In([]byte(s.err)))
		note("stderr of "+s.command, persons().In([]byte(s.err)))
		if !s.showsPeople {
			note("stdout of "+s.command, persons().In([]byte(s.out)))
		}
	}
	note("a title", append(secrets(), persons()...).In(r.titles.Bytes()))
	for _, search := range []struct {
		words canary.Words
		skip  func(string) bool
	}{{secrets(), r.holdsSecrets}, {persons(), r.holdsPeople}} {
		files, err := search.words.Files(r.dir, search.skip)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, files...)
	}
	return found
}

// forOwnerAlone demands that nobody else can read what holds persons.
func (r *trace) forOwnerAlone(t testing.TB) {
	t.Helper()
	for _, dir := range []string{"mirror", "open"} {
		err := filepath.WalkDir(filepath.Join(r.dir, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// configure writes the configuration: one pipeline with rules and one without.
func (r *trace) configure(t testing.TB, s *server, load, backup string) {
	t.Helper()
	quoted, _ := json.Marshal(map[string]string{"key": canary.Key, "salt": canary.Salt}) // texts always marshal
	var literal map[string]json.RawMessage
	_ = json.Unmarshal(quoted, &literal) // that is what it is
	api := fmt.Sprintf(`{base_url: "%s/api/v1", key: "${ROISTAT_API_KEY}", per_second: 100000, per_hour: 10000000, max_attempts: 2}`, s.URL)
	files := map[string]string{
		"pipelines.yaml": fmt.Sprintf(`version: 1
defaults:
  project: "12345"
  api: %s
  extract: {campaigns: [{id: 2}]}
  gates: {max_rejects: 60%%}
pipelines:
  - name: hidden
    transform:
      salt: ${ROISTAT_ETL_SALT}
      privacy: %s
    mirror: mirror/mirror.db
%s    load:
      - parquet: {path: tables, compression: none}
%s  - name: open
    mirror: open/mirror.db
    load: [{parquet: {path: open-tables}}]
`, api, rules, backup, load),
		"wrong.yaml": fmt.Sprintf("version: 1\npipelines:\n  - {name: a, project: \"1\", api: {base_url: \"http://far.example/${ROISTAT_API_KEY}\", key: \"${ROISTAT_API_KEY}\\n\"}, transform: {privacy: %s, salt: \"${ROISTAT_ETL_SALT:-x\"}, load: [{parquet: {path: \"${ROISTAT_ETL_SALT}\", keep: \"${ROISTAT_API_KEY}\"}}]}\n", rules),
		"people.csv": fmt.Sprintf("id,name,phone,email,birth_date,Адрес\n1,%[1]s,%[2]s,%[3]s,1980-01-31,%[1]s\n2,%[1]s,%[2]s,%[3]s,1980-02-31,%[1]s\n", name, spelt, email),
		"literal.yaml": fmt.Sprintf("version: 1\npipelines:\n  - {name: a, project: \"1\", api: {key: [%s], key_file: x}, transform: {salt: {a: %s}, privacy: {clients.phone: hash}}, load: []}\n",
			literal["key"], literal["salt"]),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
