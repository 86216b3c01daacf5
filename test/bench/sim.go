package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	simKey  = "sim-key"
	project = "12345"
)

// world is what the stand-in API serves. It is plain, so that DuckDB's SQL need
// not know the quirks, rendered once at the start, and without the one feed of
// 20,000 items that would be a good part of a small world.
type world struct {
	clients int
	months  int
}

func (w world) args(addrFile string) []string {
	return []string{
		"serve", "--addr", "127.0.0.1:0", "--addr-file", addrFile, "--key", simKey, "--project", project, "--plain", "--cache", "--whale=false",
		"--clients", strconv.Itoa(w.clients), "--months", strconv.Itoa(w.months), "--seed", "1",
	}
}

// stand is a running stand-in API.
type stand struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	url    string // without a path
}

// startSim starts the stand-in API on a free port and waits until it listens.
func (b *bench) startSim(ctx context.Context, w world) (*stand, error) {
	addr := filepath.Join(b.dir, "sim.addr")
	if err := os.RemoveAll(addr); err != nil {
		return nil, err
	}
	s := &stand{cmd: exec.CommandContext(ctx, b.sim, w.args(addr)...)}
	s.cmd.Stderr = &s.stderr
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 5 * time.Second
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the stand-in API: %w", err)
	}
	at, err := await(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("%w (stand-in API: %s; stopped: %w)", err, tail(s.stderr.Bytes()), s.stop())
	}
	s.url = "http://" + at
	return s, nil
}

// await returns what the file holds as soon as it is there. Rendering a large
// world takes its time.
func await(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		text, err := os.ReadFile(path)
		if err == nil {
			return strings.TrimSpace(string(text)), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for %s: %w", path, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the stand-in API; that it was ended by a signal is no error.
func (s *stand) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the stand-in API: %w", err)
	}
	if err := s.cmd.Wait(); err != nil && s.cmd.ProcessState.ExitCode() > 0 {
		return fmt.Errorf("stop the stand-in API: %w: %s", err, tail(s.stderr.Bytes()))
	}
	return nil
}

// night moves the world on by one night.
func (s *stand) night(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/_sim/night?n=1", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("move the world on: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("move the world on: %s", resp.Status)
	}
	return nil
}
