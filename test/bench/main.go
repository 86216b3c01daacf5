// Command bench takes the figures of docs/performance.md: what the real binaries
// need for the main job, beside what stands for the best that can be had, in one
// run, round by round in turn, so that a slow minute of the machine meets both.
//
//   - whole: CPU from the API to published Parquet;
//   - extraction: feeds a second, beside a plain Go program that reads the same
//     bodies over as many connections and throws them away;
//   - projection: a mirror into an empty folder, beside DuckDB that writes the
//     same tables from the same feeds as NDJSON; both outputs are compared;
//   - night: which partitions a night encodes in which one client in a hundred
//     changed;
//   - clickhouse: the projected batches into a real ClickHouse, beside
//     clickhouse-go's own columns; what a publishing takes, what such a night
//     sends there, and what a clean table spares its readers.
//
// Everything measured is a process of its own: CPU is user + system and memory
// the peak RSS, both as the kernel accounts them for the child. The stand-in API
// shares the two cores with whoever asks it.
//
// The harness keeps little in memory: on Linux a child starts with its parent's
// peak RSS as its own, so a large parent would falsify it. What needs memory
// (the plain client, the export) runs as a child too. The data goes to -dir, some
// 3 GB, and 6 GB with -long.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the program: a child's task if the first argument names one.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "floor":
			return floorCommand(ctx, args[1:], out)
		case "export":
			return exportCommand(ctx, args[1:])
		case "insert":
			return insertCommand(ctx, args[1:], out)
		}
	}
	b, err := newBench(args)
	if err != nil {
		return err
	}
	return b.run(ctx, out)
}

// bench is one run of the measurements: where things are, and how much to do.
type bench struct {
	rounds int
	long   bool
	update bool
	record string          // the file of a profile that is to be taken instead
	only   map[string]bool // nil: all
	dir    string          // what the runs write; emptied before and after
	etl    string
	sim    string
	server string // the real ClickHouse
	python string
	helper string // the folder of the Python programs
	self   string // this program, for the children's tasks
}

const document = "docs/performance.md"

// newBench reads the command line. Paths count from the repository's root, where make runs.
func newBench(args []string) (*bench, error) {
	b := &bench{}
	var only string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.rounds, "rounds", 3, "rounds of each measurement; three times as many of the short ones")
	flags.BoolVar(&b.long, "long", false, "also four times the data")
	flags.BoolVar(&b.update, "update", false, "put the figures into "+document)
	flags.StringVar(&only, "only", "", "sections to run, with commas: whole, extraction, projection, night, clickhouse")
	flags.StringVar(&b.record, "profile", "", "take no figures, but a profile of the CPU into this file")
	flags.StringVar(&b.dir, "dir", "data/bench", "folder for what the runs write")
	flags.StringVar(&b.python, "python", ".venv/bin/python", "Python with DuckDB")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || b.rounds < 1 {
		return nil, fmt.Errorf("unexpected argument %q, or fewer than one round", flags.Arg(0))
	}
	if err := b.choose(only); err != nil {
		return nil, err
	}
	return b, b.resolve()
}

// choose keeps the named sections.
func (b *bench) choose(only string) error {
	if only == "" {
		return nil
	}
	if b.update {
		return errors.New("-update writes all figures of one run, so it does not go with -only")
	}
	b.only = map[string]bool{}
	for name := range strings.SplitSeq(only, ",") {
		if !known(name) {
			return fmt.Errorf("no section %q", name)
		}
		b.only[name] = true
	}
	return nil
}

// resolve makes the paths absolute, since children run in folders of their own.
func (b *bench) resolve() error {
	b.etl, b.sim, b.server, b.helper = "bin/roistat-etl", "bin/roistat-sim", ".clickhouse/server", "test/bench/duckdb"
	for _, path := range []*string{&b.dir, &b.etl, &b.sim, &b.server, &b.python, &b.helper} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	for _, need := range []string{b.etl, b.sim, b.server, b.python, b.helper} {
		if _, err := os.Stat(need); err != nil {
			return fmt.Errorf("%w: run `make build readers clickhouse-server`, and bench from the repository's root", err)
		}
	}
	self, err := os.Executable()
	b.self = self
	return err
}

// section is one part of the measurements. It returns its figures as Markdown.
type section struct {
	name string
	run  func(*bench, context.Context) (string, error)
}

func sections() []section {
	return []section{
		{"whole", (*bench).whole}, // first: what others leave to the disk and the memory would count against it
		{"extraction", (*bench).extraction},
		{"projection", (*bench).projection},
		{"night", (*bench).night},
		{"clickhouse", (*bench).clickhouse},
	}
}

func known(name string) bool {
	for _, s := range sections() {
		if s.name == name {
			return true
		}
	}
	return false
}

// run takes all figures, prints them and, if asked to, puts them into the document.
func (b *bench) run(ctx context.Context, out io.Writer) error {
	if err := b.clean(); err != nil {
		return err
	}
	if b.record != "" {
		return errors.Join(b.profile(ctx), os.RemoveAll(b.dir))
	}
	text, err := b.machine(ctx)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	for _, s := range sections() {
		if b.only != nil && !b.only[s.name] {
			continue
		}
		part, err := s.run(b, ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if _, err := io.WriteString(out, part); err != nil {
			return err
		}
		text += part
	}
	if b.update {
		if err := insert(document, text); err != nil {
			return err
		}
	}
	return os.RemoveAll(b.dir)
}

// clean empties the folder of the runs, if it is one of ours.
func (b *bench) clean() error {
	mark := filepath.Join(b.dir, ".roistat-bench")
	if _, err := os.Stat(b.dir); err == nil {
		if _, err := os.Stat(mark); err != nil {
			return fmt.Errorf("%s is not a folder of bench: give another -dir", b.dir)
		}
	}
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(mark, nil, 0o600)
}
