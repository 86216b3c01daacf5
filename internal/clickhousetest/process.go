package clickhousetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	startWait = 60 * time.Second // the most that a start takes on a busy machine
	stopWait  = 30 * time.Second // the most that an end takes after SIGTERM
)

// process is one run of the server program.
type process struct {
	cmd          *exec.Cmd
	group        errgroup.Group
	gone         chan struct{} // closed when the process has ended
	asked        atomic.Bool   // somebody wants it to end
	native, http string
}

// launch starts the program over dir and waits until it answers. Empty
// addresses let it take free ports. What it says is appended to dir/log.
func launch(ctx context.Context, binary, dir, native, http, config string) (*process, error) {
	addrs := filepath.Join(dir, "addr")
	if err := os.RemoveAll(addrs); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	p := &process{gone: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, binary, "--dir", dir, "--addr-file", addrs,
		"--tcp", port(native), "--http", port(http), "--config", config)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// The server must not outlive a test process that was killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err = errors.Join(p.cmd.Start(), log.Close())
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	p.group.Go(func() error {
		defer close(p.gone)
		return p.cmd.Wait()
	})
	if err := p.await(addrs); err != nil {
		return nil, errors.Join(err, p.kill())
	}
	return p, nil
}

// await reads the addresses once the program has written them.
func (p *process) await(file string) error {
	late := time.NewTimer(startWait)
	defer late.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile(file); err == nil {
			if addr := strings.Fields(string(text)); len(addr) == 2 {
				p.native, p.http = addr[0], addr[1]
				return nil
			}
		}
		select {
		case <-p.gone:
			return errors.New("the server ended before it answered")
		case <-late.C:
			return fmt.Errorf("the server did not answer within %v", startWait)
		case <-tick.C:
		}
	}
}

// kill is kill -9. It returns when the process is gone; one that was gone
// already is no error.
func (p *process) kill() error {
	p.asked.Store(true)
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.gone
	return nil
}

// stop asks the process to end and waits. That it ended before anybody asked is
// an error.
func (p *process) stop() error {
	select {
	case <-p.gone:
		if !p.asked.Load() {
			return fmt.Errorf("the server had ended by itself: %v", p.cmd.ProcessState)
		}
		return nil
	default:
	}
	p.asked.Store(true)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.NewTimer(stopWait)
	defer late.Stop()
	select {
	case <-p.gone:
		return nil
	case <-late.C:
		return errors.Join(fmt.Errorf("the server did not end within %v", stopWait), p.kill())
	}
}

// port is the port of an address, 0 for none.
func port(addr string) string {
	if _, port, ok := strings.Cut(addr, ":"); ok {
		return port
	}
	return "0"
}

// build makes the server program in .clickhouse and returns its path. The go
// command leaves a program alone that is up to date; the lock is for the tests
// of other packages, which run at the same time.
func build(ctx context.Context) (binary string, err error) {
	top, err := root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(top, ".clickhouse")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".build"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the build of the server: %w", err)
	}
	binary = filepath.Join(dir, "server")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./test/clickhouse/server")
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return binary, nil
}

// root is the folder that holds go.mod, above the working folder of a test.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working folder")
		}
		dir = filepath.Dir(dir)
	}
}
