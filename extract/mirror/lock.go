package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Holder says who holds a mirror. It is the content of MIRROR.lock.
type Holder struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Run   string    `json:"run"`
	Start time.Time `json:"start"`
}

// HeldError says that another run holds the mirror.
type HeldError struct {
	Path   string // of the mirror
	Holder Holder // zero if the holder has not written its name yet
}

// Error names the holder.
func (e *HeldError) Error() string {
	h := e.Holder
	if h.PID == 0 {
		return fmt.Sprintf("mirror %s is held by another run", e.Path)
	}
	return fmt.Sprintf("mirror %s is held by run %s (process %d on %s, since %s)", e.Path, h.Run, h.PID, h.Host, h.Start.UTC().Format(time.RFC3339))
}

// lockPoll is how often a waiting run looks whether the lock is free.
const lockPoll = 200 * time.Millisecond

// lockFile is a held MIRROR.lock. The kernel's lock on it is what excludes, so
// one left by a dead process is free; the content only names the holder.
type lockFile struct{ file *os.File }

// acquire takes the lock of a mirror, waiting up to wait for it.
func acquire(ctx context.Context, path string, h Holder, wait time.Duration) (*lockFile, error) {
	until := time.Now().Add(wait)
	for {
		l, err := tryLock(path, h)
		var held *HeldError
		if !errors.As(err, &held) || !time.Now().Before(until) {
			return l, err
		}
		select {
		case <-time.After(min(lockPoll, time.Until(until))):
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the mirror: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}

func tryLock(path string, h Holder) (*lockFile, error) {
	name := path + ".lock"
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock mirror %s: %w", path, err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = &HeldError{Path: path, Holder: readHolder(f)}
			return nil, errors.Join(err, f.Close())
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock mirror %s: %w", path, err), f.Close())
		}
		l := &lockFile{f}
		if same, err := l.named(name); err != nil || !same {
			if err := errors.Join(err, f.Close()); err != nil {
				return nil, fmt.Errorf("lock mirror %s: %w", path, err)
			}
			continue // its holder removed it between our open and our lock
		}
		if err := l.write(h); err != nil {
			return nil, errors.Join(fmt.Errorf("lock mirror %s: %w", path, err), f.Close())
		}
		return l, nil
	}
}

// named tells whether the held file is still the one of that name.
func (l *lockFile) named(name string) (bool, error) {
	ours, err := l.file.Stat()
	if err != nil {
		return false, err
	}
	theirs, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(ours, theirs), err
}

func (l *lockFile) write(h Holder) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.WriteAt(append(text, '\n'), 0)
	return err
}

// release removes the file while it is still held, so that nobody can take a
// lock on a file that is about to go.
func (l *lockFile) release() error {
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}

// readHolder reads who holds the lock; unreadable is nobody known.
func readHolder(f *os.File) (h Holder) {
	text, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, 0, 1<<16), 1<<16))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return Holder{}
	}
	return h
}
