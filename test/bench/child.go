package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// usage is what a process took, and what it said on stdout.
type usage struct {
	wall time.Duration
	cpu  time.Duration // user + system
	rss  int64         // peak, in bytes
	out  []byte
}

// measure runs a program to its end. Any exit code but 0 is an error: a run that
// did not fetch or publish everything has no figure.
func measure(ctx context.Context, dir, name string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), "ROISTAT_API_KEY="+simKey)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	start := time.Now()
	err := cmd.Run()
	u := usage{wall: time.Since(start), out: stdout.Bytes()}
	if err != nil {
		return u, fmt.Errorf("run %s %v: %w: %s%s", name, args, err, tail(u.out), tail(stderr.Bytes()))
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.rss = peak(cmd.ProcessState)
	return u, nil
}

// peak is the largest resident set; Linux counts it in KiB.
func peak(state *os.ProcessState) int64 {
	r, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return r.Maxrss * 1024
}

// tail is the end of a program's output, for an error.
func tail(b []byte) []byte {
	const most = 2000
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return b
}
