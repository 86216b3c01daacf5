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

func (w world) args() []string {
	return []string{
		"serve", "--addr", "127.0.0.1:0", "--key", simKey, "--project", project, "--plain", "--cache", "--whale=false",
		"--clients", strconv.Itoa(w.clients), "--months", strconv.Itoa(w.months), "--seed", "1",
	}
}

// service is a running program that serves.
type service struct {
	name   string
	cmd    *exec.Cmd
	stderr bytes.Buffer
	at     []string // where it listens
}

// serve starts a program that takes free ports and writes where it listens into
// the file that --addr-file names, and waits until it does.
func (b *bench) serve(ctx context.Context, name, path string, args ...string) (*service, error) {
	file := filepath.Join(b.dir, "addr")
	if err := os.RemoveAll(file); err != nil {
		return nil, err
	}
	s := &service{name: name, cmd: exec.CommandContext(ctx, path, append(args, "--addr-file", file)...)}
	s.cmd.Stderr = &s.stderr
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 15 * time.Second
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	at, err := await(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("%w (%s: %s; stopped: %w)", err, name, tail(s.stderr.Bytes()), s.stop())
	}
	s.at = strings.Fields(at)
	return s, nil
}

// stand is a running stand-in API.
type stand struct {
	*service
	url string // without a path
}

// startSim starts the stand-in API.
func (b *bench) startSim(ctx context.Context, w world) (*stand, error) {
	s, err := b.serve(ctx, "the stand-in API", b.sim, w.args()...)
	if err != nil {
		return nil, err
	}
	return &stand{s, "http://" + s.at[0]}, nil
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

// stop ends the program; that it was ended by a signal is no error.
func (s *service) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	if err := s.cmd.Wait(); err != nil && s.cmd.ProcessState.ExitCode() > 0 {
		return fmt.Errorf("stop %s: %w: %s", s.name, err, tail(s.stderr.Bytes()))
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
