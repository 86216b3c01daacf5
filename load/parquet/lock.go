package parquet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// lockName is a file that nobody but its owner can open: whoever may read the
	// tables could otherwise take the lock, and hold up the publishing.
	lockName = ".lock"
	lockMode = 0o600

	// lockWait is how long a publishing may wait for another one's first and last
	// steps, which take moments; commitWait where a signal can't end the wait.
	lockWait   = time.Minute
	commitWait = 5 * time.Second

	lockPoll = 10 * time.Millisecond
	lockWord = time.Second // after which the wait is worth a word
)

// lockedError says that another publishing holds the folder.
type lockedError struct {
	name   string
	waited time.Duration
}

// Error names the lock.
func (e *lockedError) Error() string {
	return fmt.Sprintf("another program has held %s for %s: is a second publishing to this folder at work? `fuser %s` tells", e.name, e.waited, e.name)
}

// Two kinds of files are locked: PATH/.lock for the first and last steps of a
// publishing, and .lock in a folder under construction as long as it is one, which
// is gone when the folder is shown.

// takeLock takes the folder's lock, which another publishing may hold for a
// moment, and waits for it no longer than given. Closing the file gives it back;
// so does the end of the process.
func (d *Destination) takeLock(ctx context.Context, most time.Duration) (*os.File, error) {
	f, err := openLock(filepath.Join(d.root, lockName))
	if err != nil {
		return nil, classify(err)
	}
	if err := d.awaitLock(ctx, f, most); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d *Destination) awaitLock(ctx context.Context, f *os.File, most time.Duration) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	told := false
	for waited := time.Duration(0); ; waited += lockPoll {
		taken, err := d.disk.flock(f)
		switch {
		case err != nil:
			return incapable("lock "+f.Name(), err, remedyFlock)
		case taken:
			return nil
		case waited >= most:
			return &lockedError{f.Name(), most}
		}
		if waited >= lockWord && !told {
			told = true
			d.log.Info("waits for another publishing to the same folder", "lock", f.Name(), "at_most", most.String())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock %s: %w", f.Name(), context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// openLock opens the lock's file, or makes it. What is no file of ours is refused.
func openLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, lockMode) // NFS locks only what is open for writing
	if err != nil {
		return nil, fmt.Errorf("open the lock of the folder: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err == nil && !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no file: move it away: %w", name, syscall.ENOTDIR)
	case err == nil && info.Mode().Perm()&^lockMode != 0:
		err = f.Chmod(lockMode)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// flock takes the lock of an open file; false if another holds it.
func flock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// holdFile takes the lock of a file if nobody has it; nil if another does.
func (d *Destination) holdFile(name string) (*os.File, error) {
	f, err := openLock(name)
	if err != nil {
		return nil, err
	}
	taken, err := d.disk.flock(f)
	if taken {
		return f, nil
	}
	if err != nil {
		err = incapable("lock "+name, err, remedyFlock)
	}
	return nil, errors.Join(err, f.Close())
}
