package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// disks lists what may be wrong with a disk in process. Each makes the real
// system call fail.
func disks() []string {
	return []string{"full tables", "full mirror", "read-only tables", "a file for a folder", "no link"}
}

// stubborn are the disks whose fault doesn't pass by itself: exit code 2.
func stubborn(disk string) bool {
	return disk == "read-only tables" || disk == "a file for a folder"
}

// mounts tells whether this process may mount a tmpfs. Where it may not, a full
// or read-only disk is played by what an ordinary user can do.
var mounts = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "chaos-mount-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	if err := syscall.Mount("chaos", dir, "tmpfs", 0, "size=64k"); err != nil {
		return false
	}
	return syscall.Unmount(dir, syscall.MNT_DETACH) == nil
})

// disk is the two folders of a stand. With mounts each is a tmpfs of its own.
type disk struct{ tables, mirror string }

// plenty is the size of a disk that is not full.
const plenty = "size=1g"

func newDisk(dir string) (*disk, error) {
	d := &disk{tables: filepath.Join(dir, "tables"), mirror: filepath.Join(dir, "mirror")}
	for _, name := range []string{d.tables, d.mirror} {
		if err := os.Mkdir(name, 0o700); err != nil {
			return nil, err
		}
		if !mounts() {
			continue
		}
		if err := syscall.Mount("chaos", name, "tmpfs", 0, plenty); err != nil {
			return nil, fmt.Errorf("mount %s: %w", name, err)
		}
	}
	return d, nil
}

func (d *disk) close() error {
	if !mounts() {
		return nil
	}
	return errors.Join(syscall.Unmount(d.tables, syscall.MNT_DETACH), syscall.Unmount(d.mirror, syscall.MNT_DETACH))
}

// spoil brings the fault about, and returns how to undo it.
func (d *disk) spoil(kind string, room int, w *watcher) (func() error, error) {
	nothing := func() error { return nil }
	switch kind {
	case "":
		return nothing, nil
	case "no link":
		w.obstacle.Store(true)
		return func() error {
			w.obstacle.Store(false)
			return d.clear()
		}, nil
	case "a file for a folder":
		return d.replace(w)
	case "read-only tables":
		return d.readOnly(w)
	}
	name := d.tables
	if kind == "full mirror" {
		name = d.mirror
	}
	if !mounts() {
		return d.replace(w)
	}
	return squeeze(name, room)
}

// squeeze leaves a disk so many KiB.
func squeeze(name string, room int) (func() error, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(name, &s); err != nil {
		return nil, err
	}
	used := int64(s.Blocks-s.Bfree) * s.Bsize
	size := fmt.Sprintf("size=%d", used+int64(room)<<10)
	grow := func() error { return syscall.Mount("chaos", name, "tmpfs", syscall.MS_REMOUNT, plenty) }
	return grow, syscall.Mount("chaos", name, "tmpfs", syscall.MS_REMOUNT, size)
}

func (d *disk) readOnly(w *watcher) (func() error, error) {
	if mounts() {
		back := func() error { return syscall.Mount("chaos", d.tables, "tmpfs", syscall.MS_REMOUNT, plenty) }
		return back, syscall.Mount("chaos", d.tables, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, plenty)
	}
	return d.replace(w)
}

// clear removes the obstacles that nothing stumbled over.
func (d *disk) clear() (err error) {
	list, _ := filepath.Glob(filepath.Join(d.tables, ".current-*")) // a good pattern
	for _, name := range list {
		if info, lstat := os.Lstat(name); lstat == nil && info.IsDir() {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// replace puts a file where the snapshots are, which wait under another name
// meanwhile. The watcher looks away: what it would see is our doing.
func (d *disk) replace(w *watcher) (func() error, error) {
	w.look.Lock()
	name := filepath.Join(d.tables, "snapshots")
	aside := filepath.Join(filepath.Dir(d.tables), "aside")
	if mounts() {
		aside = filepath.Join(d.tables, "aside")
	}
	had := os.Rename(name, aside) == nil
	if err := os.WriteFile(name, []byte("a file\n"), 0o600); err != nil {
		w.look.Unlock()
		return nil, err
	}
	return func() error {
		defer w.look.Unlock()
		err := os.Remove(name)
		if had {
			err = errors.Join(err, os.Rename(aside, name))
		}
		return err
	}, nil
}
