// Command demo takes a whole project from a stand-in API to Parquet tables with
// the two programs in bin/, and shows what can be asked of them. It is what
// `make demo` runs, from the root of the tree; everything it makes lies in a
// folder of its own, data/demo-TIME. With -clickhouse it starts a real ClickHouse
// and publishes there too: `make demo-clickhouse`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	started = 10 * time.Second // the most that the stand-in takes until it listens
	stopped = 15 * time.Second // the most that a program takes to end after a signal
	python  = ".venv/bin/python"
)

func main() {
	withClickHouse := flag.Bool("clickhouse", false, "publish in a real ClickHouse as well, and ask it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx, *withClickHouse)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, withClickHouse bool) (err error) {
	dir := filepath.Join("data", "demo-"+time.Now().UTC().Format("20060102T150405Z"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if !withClickHouse {
		if err := publish(ctx, dir, ""); err != nil {
			return err
		}
		fmt.Print(strings.ReplaceAll(whatNow, "DIR", dir))
		return ask(ctx, dir)
	}
	server, err := startClickHouse(ctx, dir)
	if err != nil {
		return fmt.Errorf("start ClickHouse: %w", err)
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := publish(ctx, dir, server.load()); err != nil {
		return err
	}
	return server.ask(ctx)
}

// publish runs roistat-etl against a stand-in that lives as long as the run. load
// names destinations besides the folder.
func publish(ctx context.Context, dir, load string) error {
	sim, err := startSim(ctx, dir)
	if err != nil {
		return fmt.Errorf("start the stand-in API: %w", err)
	}
	err = extract(ctx, dir, sim.addr, load)
	if stopErr := sim.stop(); err == nil {
		err = stopErr
	}
	return err
}

// extract writes the configuration and runs it.
func extract(ctx context.Context, dir, addr, load string) error {
	file := filepath.Join(dir, "pipelines.yaml")
	text := strings.ReplaceAll(configuration, "ADDR", addr) + load
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	return show(program(ctx, "bin/roistat-etl", "run", "-c", file, "demo"))
}

// show tells the command line and runs it with this program's own output.
func show(cmd *exec.Cmd) error {
	fmt.Printf("\n$ %s\n", strings.Join(cmd.Args, " "))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", cmd.Args[0], err)
	}
	return nil
}

// program prepares a command that is asked to end before it is made to.
func program(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopped
	return cmd
}

// ask puts the example questions to the tables, if DuckDB is installed.
func ask(ctx context.Context, dir string) error {
	if _, err := os.Stat(python); errors.Is(err, os.ErrNotExist) {
		fmt.Println("With Python 3.11 or newer on the PATH, make demo also installs DuckDB and asks three questions.")
		return nil
	}
	args := append([]string{"test/readers/query.py", filepath.Join(dir, "tables")}, questions()...)
	cmd := program(ctx, python, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ask the tables: %w", err)
	}
	return nil
}

// sim is a running stand-in for the Roistat API.
type sim struct {
	addr string // host:port
	cmd  *exec.Cmd
	log  *os.File // what it prints
}

// startSim starts a stand-in on a free port and waits until it listens.
func startSim(ctx context.Context, dir string) (*sim, error) {
	addrFile := filepath.Join(dir, "sim.addr")
	log, err := os.Create(filepath.Join(dir, "sim.log"))
	if err != nil {
		return nil, err
	}
	cmd := program(ctx, "bin/roistat-sim", "serve", "--addr", "127.0.0.1:0", "--addr-file", addrFile,
		"--key", "demo-key", "--project", "12345", "--clients", "1000", "--months", "12", "--seed", "1")
	cmd.Stdout, cmd.Stderr = log, log
	s := &sim{cmd: cmd, log: log}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if s.addr, err = awaitFile(ctx, addrFile); err != nil {
		return nil, errors.Join(fmt.Errorf("%w; its log: %s", err, log.Name()), s.stop())
	}
	return s, nil
}

// awaitFile returns the text of a file that another program is about to write.
func awaitFile(ctx context.Context, file string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, started)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(file)
		if err == nil {
			return strings.TrimSpace(string(text)), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for %s: %w", file, ctx.Err())
		case <-tick.C:
		}
	}
}

// stop ends the stand-in.
func (s *sim) stop() error { return end(s.cmd, s.log) }

// end ends a program. How it takes the signal is its own affair.
func end(cmd *exec.Cmd, log *os.File) error {
	signalled := cmd.Process.Signal(syscall.SIGTERM)
	waited := cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(waited, &exit) {
		waited = nil
	}
	return errors.Join(signalled, waited, log.Close())
}
