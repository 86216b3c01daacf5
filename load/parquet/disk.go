package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// disk is the operations that a full or failing disk makes fail, so that tests
// can put failures in.
type disk struct {
	create func(name string) (io.WriteCloser, error) // a new file
	sync   func(name string) error                   // a file or folder, to the disk
	link   func(from, to string) error               // hard
	rename func(from, to string) error
	flip   func(target, link string) error // a new symbolic link
	remove func(name string) error         // with all in it
}

// realDisk returns the operating system's.
func realDisk() disk {
	return disk{create: createFile, sync: syncPath, link: os.Link, rename: os.Rename, flip: os.Symlink, remove: os.RemoveAll}
}

func createFile(name string) (io.WriteCloser, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
}

func syncPath(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// finalErrors are those that don't pass by themselves.
func finalErrors() []error {
	return []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG}
}

// linkless tells whether a hard link can't be made here, but a copy can.
func linkless(err error) bool {
	for _, e := range []error{syscall.EXDEV, syscall.EPERM, syscall.ENOTSUP, syscall.EMLINK, syscall.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// syncers bounds the syncs under way at once; the file system joins them.
const syncers = 8

// syncAll makes the named files and folders durable.
func (d *disk) syncAll(ctx context.Context, names []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(syncers)
	for _, name := range names {
		g.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := d.sync(name); err != nil {
				return fmt.Errorf("sync %s: %w", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// write makes a small file.
func (d *disk) write(name string, text []byte) error {
	f, err := d.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// lockPoll is how often a lock held by another is tried again.
const lockPoll = 10 * time.Millisecond

// lock takes the folder's lock, which another process or destination may hold
// for a moment. Closing the file gives it back; so does the end of the process.
func lock(ctx context.Context, dir string) (*os.File, error) {
	for {
		f, err := tryLock(dir)
		if f != nil || err != nil {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock of %s: %w", dir, context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
}

// tryLock takes the folder's lock; nil if another holds it.
func tryLock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if closing := f.Close(); closing != nil {
		return nil, closing
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

// folders lists the folders of which dir consists, itself last.
func folders(dir string) (out []string, err error) {
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			out = append(out, name)
		}
		return err
	})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}
