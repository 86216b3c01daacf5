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

	"roistat-etl/internal/retry"
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

const (
	// lockPoll is how often a waiting run looks whether the lock is free.
	lockPoll = 200 * time.Millisecond

	// lockLooks is how often a run that doesn't wait looks, a few milliseconds
	// apart: a reader who asks whether the lock is held takes it for a moment.
	lockLooks = 4
	lookPoll  = 5 * time.Millisecond
)

// lockFile is a held MIRROR.lock. The kernel's lock on it is what excludes, so
// one left by a dead process is free; the content only names the holder.
type lockFile struct{ file *os.File }

// acquire takes the lock of a mirror, waiting up to wait for it.
func acquire(ctx context.Context, path string, h Holder, wait time.Duration) (*lockFile, error) {
	for start, look := time.Now(), 1; ; look++ {
		l, err := tryLock(path, h)
		var held *HeldError
		if !errors.As(err, &held) {
			return l, err
		}
		left := wait - time.Since(start)
		poll := min(lockPoll, left)
		if look < lockLooks {
			poll = lookPoll
		} else if left <= 0 {
			return nil, err
		}
		if stop := retry.Sleep(ctx, poll); stop != nil {
			return nil, fmt.Errorf("wait for the mirror: %w", errors.Join(stop, err))
		}
	}
}

func lockName(path string) string { return path + ".lock" }

func tryLock(path string, h Holder) (*lockFile, error) {
	name := lockName(path)
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, lockError(path, err)
		}
		if err := isRegular(f); err != nil {
			return nil, errors.Join(lockError(path, err), f.Close())
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = &HeldError{Path: path, Holder: readHolder(f)}
			return nil, errors.Join(err, f.Close())
		}
		if err != nil {
			return nil, errors.Join(lockError(path, err), f.Close())
		}
		l := &lockFile{f}
		if same, err := l.isNamed(); err != nil || !same {
			if err := errors.Join(err, f.Close()); err != nil {
				return nil, lockError(path, err)
			}
			continue // its holder removed it between our open and our lock
		}
		if err := l.write(h); err != nil {
			return nil, errors.Join(lockError(path, err), f.Close())
		}
		return l, nil
	}
}

// lockError says why the lock can't be had, and what helps.
func lockError(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ELOOP), errors.Is(err, errNotRegular):
		return &UnfitError{Path: path, Err: fmt.Errorf("its lock %s is a link or no file, which is left as it is: remove it", lockName(path))}
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP):
		return &UnfitError{Path: path, Err: fmt.Errorf("its file system has no locks (%w): put the mirror on a local disk", err)}
	}
	return fmt.Errorf("lock mirror %s: %w", path, err)
}

// readLock tells whether a mirror is held, and by whom. It changes nothing.
func readLock(path string) (h Holder, held bool, err error) {
	f, err := os.OpenFile(lockName(path), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return h, false, nil
	}
	if err != nil {
		return h, false, lockError(path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := isRegular(f); err != nil {
		return h, false, lockError(path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return readHolder(f), true, nil
	case err != nil:
		return h, false, lockError(path, err)
	}
	return h, false, nil
}

// isNamed reports whether the held file is still the one of that name.
func (l *lockFile) isNamed() (bool, error) {
	ours, err := l.file.Stat()
	if err != nil {
		return false, err
	}
	return isStill(l.file.Name(), ours)
}

// isStill reports whether a name still leads to a file.
func isStill(name string, file fs.FileInfo) (bool, error) {
	now, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(file, now), err
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
// lock on a file that is about to go. One that somebody put in its place stays.
func (l *lockFile) release() error {
	same, err := l.isNamed()
	if same {
		err = os.Remove(l.file.Name())
	}
	return errors.Join(err, l.file.Close())
}

// readHolder reads who holds the lock; unreadable is nobody known.
func readHolder(f *os.File) (h Holder) {
	text, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, 0, 1<<16), 1<<16))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return Holder{}
	}
	return h
}
