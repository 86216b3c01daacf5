package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// The marks between which the document holds the figures of a run.
const (
	begin = "<!-- figures: written by make bench, not by hand -->\n"
	end   = "<!-- end of figures -->\n"
)

// insert replaces the figures of a document, by temporary file and rename.
func insert(path, figures string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	next, err := replace(text, figures)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".performance-*")
	if err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	_, err = f.Write(next)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the document: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// replace puts the figures between the marks.
func replace(text []byte, figures string) ([]byte, error) {
	head, rest, ok := bytes.Cut(text, []byte(begin))
	if !ok {
		return nil, errors.New("no mark where the figures begin")
	}
	_, foot, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, errors.New("no mark where the figures end")
	}
	return bytes.Join([][]byte{head, []byte(begin), []byte(figures), []byte(end), foot}, nil), nil
}

// machine says on what the figures were taken.
func (b *bench) machine(ctx context.Context) (string, error) {
	versions, err := measure(ctx, b.dir, b.python, "-c", "import duckdb, platform; print(duckdb.__version__, platform.python_version())")
	if err != nil {
		return "", err
	}
	duck, python, _ := strings.Cut(strings.TrimSpace(string(versions.out)), " ")
	command := "go run ./test/bench"
	if b.long {
		command += " -long"
	}
	return fmt.Sprintf("\nTaken %s by `%s -rounds %d` at %s: %s, %d cores, %s of memory, %s, DuckDB %s, Python %s; load average %s before. "+
		"Figures are the median of the rounds, thrice as many in the first two sections (least–greatest); s are seconds, CPU is user + system, MB are 10⁶ bytes.\n",
		time.Now().UTC().Format(time.DateOnly), command, b.rounds, revision(ctx), processor(), runtime.NumCPU(), memorySize(),
		runtime.Version(), duck, python, loadAverage()), nil
}

// revision names the commit, and whether the tree differs from it.
func revision(ctx context.Context) string {
	id, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "an unknown commit"
	}
	name := "commit " + strings.TrimSpace(string(id))
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "-uno").Output()
	if err != nil || len(changed) > 0 {
		name += " with changes"
	}
	return name
}

func processor() string { return field("/proc/cpuinfo", "model name", "an unknown processor") }

func memorySize() string { return field("/proc/meminfo", "MemTotal", "unknown size") }

// loadAverage is that of the last minute: above 0.5 others were at work, and
// the wall times are theirs too.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// field reads the first "name : value" line of a file of /proc.
func field(path, name, otherwise string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return otherwise
}

// moduleVersion is the version of a library in this program.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of an unknown version"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "of an unknown version"
}
