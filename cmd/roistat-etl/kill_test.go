package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"
)

// concurrency is how many feed calls of the tests' configuration are in flight at most.
const concurrency = 4

// killsVariable asks for more kills than the usual number.
const (
	killsVariable = "ROISTAT_ETL_KILLS"
	usualKills    = 20
)

// configure writes a pipelines.yaml with one pipeline into a folder.
func configure(t testing.TB, dir, sim string) {
	t.Helper()
	text := fmt.Sprintf(`version: 1
pipelines:
  - name: demo
    project: "12345"
    api: {base_url: "%s/api/v1", key: "${ROISTAT_API_KEY}", per_second: 100000, per_hour: 10000000, concurrency: %d, max_attempts: 2}
    extract: {campaigns: [{id: 2}]}
    load: [{parquet: {path: out}}]
`, sim, concurrency)
	if err := os.WriteFile(filepath.Join(dir, "pipelines.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// victim is a folder whose runs are killed, and how often that was done.
type victim struct {
	*testing.T
	dir    string
	peer   string // whose runs are undisturbed
	random *rand.Rand
	kills  int
}

// TestKilledRunsEndLikeUndisturbedOnes kills the real process at random moments
// and starts it again until it ends, night after night.
func TestKilledRunsEndLikeUndisturbedOnes(t *testing.T) {
	t.Parallel()
	wanted := usualKills
	if n, err := strconv.Atoi(os.Getenv(killsVariable)); err == nil {
		wanted = n
	}
	seed := uint64(time.Now().UnixNano())
	if *killSeed != 0 {
		seed = *killSeed
	}
	t.Logf("-kill-seed %d", seed)
	s := newSim(t, "--clients", "400", "--months", "5", "--latency", "2ms")
	v := &victim{T: t, random: rand.New(rand.NewPCG(seed, 1))}
	for night := 0; v.kills < wanted; night++ {
		if night%3 == 0 { // from nothing; else a night of the same mirror
			v.dir, v.peer = t.TempDir(), t.TempDir()
			configure(t, v.dir, s.url)
			configure(t, v.peer, s.url)
		}
		v.night(s)
		v.compare()
		v.tidy()
		if _, err := s.control("POST", "/_sim/night?share=30%", ""); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills", v.kills)
}

// night lets a run end after it was killed, and compares what that cost with an
// undisturbed run. Both run once more, so that both have seen two lists.
func (v *victim) night(s *standIn) {
	v.Helper()
	start := s.feedCalls(v)
	want(v, 0, etl(v.peer, "run"))
	undisturbed := s.feedCalls(v) - start
	kills := v.kills
	for v.killed(time.Duration(v.random.Int64N(int64(600 * time.Millisecond)))) {
		v.kills++
		v.audit()
	}
	cost, most := s.feedCalls(v)-start-undisturbed, undisturbed+int64(v.kills-kills)*concurrency
	if cost > most {
		v.Errorf("%d feed calls and %d kills, but %d calls undisturbed: at most %d", cost, v.kills-kills, undisturbed, most)
	}
	want(v, 0, etl(v.peer, "run"))
	want(v, 0, etl(v.dir, "run"))
}

// killed starts a run and kills it after a time; false: it had ended well before.
func (v *victim) killed(after time.Duration) bool {
	v.Helper()
	cmd := etl(v.dir, "run", "--json")
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Start(); err != nil {
		v.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
	err := cmd.Wait()
	timer.Stop()
	if err == nil {
		return false
	}
	if code := cmd.ProcessState.ExitCode(); code != -1 {
		v.Fatalf("exit code %d\n%s%s", code, out.String(), log.String())
	}
	return true
}

// audit verifies what is published, if anything is.
func (v *victim) audit() {
	v.Helper()
	if _, err := os.Lstat(filepath.Join(v.dir, "out", "current")); errors.Is(err, fs.ErrNotExist) {
		return
	}
	if f := run(v, etl(v.dir, "verify")); f.code != 0 {
		v.Fatalf("after %d kills: verify: %s%s", v.kills, f.stdout, f.stderr)
	}
}

// compare demands the tables of the undisturbed runs: the digests of all, and of
// clients the columns that don't tell when something was read.
func (v *victim) compare() {
	v.Helper()
	digests := map[string]map[string]published{}
	for _, dir := range []string{v.dir, v.peer} {
		files, err := readManifest(filepath.Join(dir, "out", "current"))
		if err != nil {
			v.Fatal(err)
		}
		for path, f := range files {
			f.SHA256 = ""
			if strings.HasPrefix(path, "clients/") {
				f.Digest = ""
			}
			files[path] = f
		}
		digests[dir] = files
	}
	if diff := cmp.Diff(digests[v.peer], digests[v.dir]); diff != "" {
		v.Errorf("after %d kills (- undisturbed, + killed):\n%s", v.kills, diff)
	}
	if diff := cmp.Diff(clientRows(v, v.peer), clientRows(v, v.dir)); diff != "" {
		v.Errorf("clients after %d kills (- undisturbed, + killed):\n%s", v.kills, diff)
	}
}

// clientRows reads the published clients, without the columns of the mirror's own times.
func clientRows(t testing.TB, dir string) []map[string]any {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	r, err := file.OpenParquetFile(filepath.Join(dir, "out", "current", "clients", "part-0000.parquet"), false, file.WithReadProps(parquet.NewReaderProperties(mem)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, mem)
	if err != nil {
		t.Fatal(err)
	}
	records, err := reader.GetRecordReader(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Release()
	var rows []map[string]any
	for records.Next() {
		b, err := records.Record().MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var batch []map[string]any
		if err := json.Unmarshal(b, &batch); err != nil {
			t.Fatal(err)
		}
		for _, row := range batch {
			delete(row, "first_seen_at")
			delete(row, "feed_fetched_at")
			row["gone_at"] = row["gone_at"] != nil
			rows = append(rows, row)
		}
	}
	return rows
}

// tidy demands that the last run left nothing but the mirror and whole snapshots.
func (v *victim) tidy() {
	v.Helper()
	for folder, allowed := range map[string][]string{
		filepath.Join("data", "demo"): {"mirror.db"},
		"out":                         {".lock", "current", "snapshots"},
	} {
		if got := names(v, filepath.Join(v.dir, folder)); !slices.Equal(got, allowed) {
			v.Errorf("after %d kills %s holds %v", v.kills, folder, got)
		}
	}
	snapshots := names(v, filepath.Join(v.dir, "out", "snapshots"))
	if len(snapshots) > 3 {
		v.Errorf("after %d kills there are the snapshots %v", v.kills, snapshots)
	}
	for _, name := range snapshots {
		if _, err := readManifest(filepath.Join(v.dir, "out", "snapshots", name)); err != nil {
			v.Errorf("after %d kills: %v", v.kills, err)
		}
	}
}

func names(t testing.TB, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
