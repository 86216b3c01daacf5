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

	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/folder"
)

// disk is the operations that a full or failing disk makes fail, or that some file
// systems don't know, so that tests can put failures in.
type disk struct {
	create func(name string) (io.WriteCloser, error) // a new file
	sync   func(name string) error                   // a file or folder, to the disk
	link   func(from, to string) error               // hard
	rename func(from, to string) error
	flip   func(target, link string) error           // a new symbolic link
	remove func(name string) error                   // with all in it
	chmod  func(name string, mode fs.FileMode) error // adds what is missing
	flock  func(f *os.File) (taken bool, err error)  // its lock, without waiting
}

// realDisk returns the operating system's.
func realDisk() disk {
	return disk{
		create: createFile, sync: folder.Sync, link: os.Link, rename: os.Rename, flip: os.Symlink, remove: os.RemoveAll,
		chmod: folder.Allow, flock: flock,
	}
}

// createFile makes a file with its mode, whatever the umask.
func createFile(name string) (io.WriteCloser, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	if err := folder.Allow(name, fileMode); err != nil {
		return nil, errors.Join(fmt.Errorf("let its group read it: %w", err), f.Close())
	}
	return f, nil
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

// makeFolder makes a folder of a snapshot, with its mode. It is synced with the snapshot.
func (d *disk) makeFolder(name string) error {
	if _, err := folder.MakeAll(name, dirMode, d.chmod); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	return nil
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
