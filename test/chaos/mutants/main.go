// Command mutants breaks copies of the tree, one patch at a time, and demands
// that the checker of package chaos finds each. It prints the table of
// docs/chaos.md.
//
// Disk: one copy of the tree's files (about 3 MB) in a temporary folder, and what
// the go command keeps in its cache. The copies share the servers that `make
// clickhouse` and `make s3-server` have installed.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// batches are how many seeds are played before looking: most mutants die early.
func batches() []int { return []int{16, 60, 160} }

// hunt is a hunt for mutants.
type hunt struct {
	tree string // the copy
	out  *os.File
}

// catch is how a mutant was found.
type catch struct {
	test  string
	seed  int
	what  string
	after int // seeds that were played
}

func main() {
	only := flag.String("only", ".", "patches whose name matches this pattern")
	flag.Parse()
	if err := run(context.Background(), *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run hunts all mutants and says which live.
func run(ctx context.Context, only string, out *os.File) (err error) {
	dir, err := os.MkdirTemp("", "chaos-mutants-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h := &hunt{tree: dir, out: out}
	if err := errors.Join(h.copyTree(ctx), h.lendServers()); err != nil {
		return err
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	patches, err := filepath.Glob("test/chaos/mutants/*.patch")
	if err != nil {
		return err
	}
	var alive []string
	_, _ = fmt.Fprintln(out, "| mutant | found by | seed | of so many played | by |\n|---|---|---|---|---|") // a terminal
	for _, p := range patches {
		if !pattern.MatchString(filepath.Base(p)) {
			continue
		}
		found, err := h.mutant(ctx, p)
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, p+":", err) // the others are hunted all the same
		}
		if !found || err != nil {
			alive = append(alive, filepath.Base(p))
		}
	}
	if len(alive) > 0 {
		return fmt.Errorf("the checker did not find %s", strings.Join(alive, ", "))
	}
	return nil
}

// copyTree copies the files that git knows, as they are now.
func (h *hunt) copyTree(ctx context.Context) error {
	list, err := exec.CommandContext(ctx, "git", "ls-files", "-z").Output()
	if err != nil {
		return fmt.Errorf("list the tree: %w", err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		to := filepath.Join(h.tree, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// lendServers gives the copy what this tree has installed, and git doesn't know.
func (h *hunt) lendServers() error {
	for part, remedy := range map[string]string{".clickhouse/node_modules": "make clickhouse", ".s3/versitygw": "make s3-server"} {
		from, err := filepath.Abs(part)
		if err != nil {
			return err
		}
		if _, err := os.Stat(from); err != nil {
			return fmt.Errorf("a server is missing, run %s: %w", remedy, err)
		}
		to := filepath.Join(h.tree, part)
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			return err
		}
		if err := os.Symlink(from, to); err != nil {
			return err
		}
	}
	return nil
}

// mutant applies a patch, hunts and takes the patch back.
func (h *hunt) mutant(ctx context.Context, patch string) (found bool, err error) {
	name, err := filepath.Abs(patch)
	if err != nil {
		return false, err
	}
	if err := h.command(ctx, "git", "apply", name); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, h.command(ctx, "git", "apply", "-R", name)) }()
	began := time.Now()
	search := h.search
	switch base := filepath.Base(patch); { // only there it can show
	case strings.HasPrefix(base, "clickhouse-"):
		search = h.searchClickHouse
	case strings.HasPrefix(base, "s3-"):
		search = h.searchS3
	}
	c, err := search(ctx)
	if err != nil {
		return false, err
	}
	row := strings.TrimSuffix(filepath.Base(patch), ".patch")
	if c == nil {
		_, err = fmt.Fprintf(h.out, "| %s | **not found** | – | – | %v |\n", row, time.Since(began).Round(time.Second))
		return false, err
	}
	_, err = fmt.Fprintf(h.out, "| %s | %s | %d | %d | %s |\n", row, c.test, c.seed, c.after, c.what)
	return true, err
}

func (h *hunt) command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = h.tree
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// search plays seeds in process, then the real program, until something is found.
func (h *hunt) search(ctx context.Context) (*catch, error) {
	first := 1
	for _, last := range batches() {
		c, err := h.play(ctx, "TestChaos", first, last, "-chaos.seeds="+strconv.Itoa(last-first+1))
		if c != nil || err != nil {
			return c, err
		}
		first = last + 1
	}
	return h.play(ctx, "TestProgram", 1, 20, "-chaos.programs=20")
}

// searchClickHouse plays seeds with a real ClickHouse.
func (h *hunt) searchClickHouse(ctx context.Context) (*catch, error) {
	const batch, most = 4, 24
	for first := 1; first < most; first += batch {
		c, err := h.play(ctx, "TestClickHouse", first, first+batch-1, "-chaos.clickhouse="+strconv.Itoa(batch))
		if c != nil || err != nil {
			return c, err
		}
	}
	return nil, nil
}

// searchS3 plays seeds with a real S3 server.
func (h *hunt) searchS3(ctx context.Context) (*catch, error) {
	const batch, most = 8, 40
	for first := 1; first < most; first += batch {
		c, err := h.play(ctx, "TestS3", first, first+batch-1, "-chaos.s3="+strconv.Itoa(batch))
		if c != nil || err != nil {
			return c, err
		}
	}
	return nil, nil
}

// finding matches the first line that a failing seed prints.
var finding = regexp.MustCompile(`seed (\d+):\n\s+(.*)`)

// play plays seeds of a test, and returns the least that failed.
func (h *hunt) play(ctx context.Context, test string, first, last int, flags ...string) (*catch, error) {
	args := append([]string{"test", "./test/chaos", "-count=1", "-timeout=60m", "-run", "^" + test + "$", "-chaos.shrink=0s", "-failfast", "-chaos.first=" + strconv.Itoa(first)}, flags...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = h.tree
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil, nil
	}
	if bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")) {
		return nil, fmt.Errorf("the mutant doesn't build:\n%s", out)
	}
	var list []catch
	var unable error
	for _, m := range finding.FindAllSubmatch(out, -1) {
		seed, err := strconv.Atoi(string(m[1]))
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(m[2], []byte("the checker:")) { // it could not do its work
			unable = fmt.Errorf("%s: seed %d: %s\n%s", test, seed, m[2], out)
			continue
		}
		list = append(list, catch{test: test, seed: seed, what: shorten(string(m[2])), after: seed})
	}
	if len(list) == 0 && unable != nil {
		return nil, unable
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s failed without a finding: %w\n%s", test, err, out)
	}
	least := slices.MinFunc(list, func(a, b catch) int { return a.seed - b.seed })
	if test == "TestProgram" {
		least.after = batches()[len(batches())-1] + least.seed
	}
	return &least, nil
}

// shorten makes a finding fit into a table.
func shorten(text string) string {
	text = strings.NewReplacer("|", "/", "¦", ";").Replace(text)
	if r := []rune(text); len(r) > 110 {
		text = string(r[:110]) + "…"
	}
	return text
}
