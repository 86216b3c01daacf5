package parquet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"roistat-etl/load"
)

// checking begins the names of folders in which things are tried.
const checking = ".check-"

// Check tries all that a publishing asks of the file system, in a folder of its
// own that it removes.
func (d *Destination) Check(ctx context.Context) []load.Checked {
	copies, err := d.try(ctx, true)
	x := load.Checked{What: "folder", Err: err}
	if err != nil {
		x.Remedy = remedyOf(err)
	} else {
		x.Detail = d.root + " takes files, links and locks" + copies
	}
	return []load.Checked{x}
}

// Recover removes what publishings that died have left, and refuses a file system
// that can't hold what is published, before a run has cost anything.
func (d *Destination) Recover(ctx context.Context, _ string) error {
	if _, err := d.try(ctx, false); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(d.root, snapshots)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	guard, err := d.takeLock(ctx, lockWait)
	if err != nil {
		return err
	}
	return classify(errors.Join(d.removeLeftovers(), guard.Close()))
}

// try does once, in folders of its own, what a publishing does. It returns a word
// on what is done otherwise here.
func (d *Destination) try(ctx context.Context, durably bool) (copies string, err error) {
	if _, err := readLink(d.root); err != nil {
		return "", err
	}
	places, err := d.places()
	if err != nil {
		return "", classify(err)
	}
	for _, place := range places {
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
		linked, err := d.tryIn(place, durably)
		if err != nil {
			return "", classify(err)
		}
		if !linked {
			copies = ", but no hard links: unchanged files are copied"
		}
	}
	return copies, nil
}

// places are the folders in which a publishing makes something: those that are
// there already, or the nearest one above.
func (d *Destination) places() ([]string, error) {
	for dir := d.root; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is no folder: give another path", dir)
			return nil, &load.Refusal{Err: err}
		}
		if err != nil {
			return nil, err
		}
		below := filepath.Join(d.root, snapshots)
		if _, err := os.Stat(below); err != nil {
			return []string{dir}, nil
		}
		return []string{dir, below}, nil
	}
}

// tryIn tries everything in a folder. It tells whether hard links can be made.
func (d *Destination) tryIn(place string, durably bool) (linked bool, err error) {
	dir, err := os.MkdirTemp(place, checking+"*")
	if err != nil {
		return false, fmt.Errorf("make a folder in %s: %w", place, err)
	}
	defer func() { err = errors.Join(err, d.disk.remove(dir)) }()
	if err := d.disk.chmod(dir, dirMode); err != nil {
		return false, incapable("let the group read a folder in "+place, err, remedyChmod)
	}
	if err := d.disk.write(filepath.Join(dir, "a"), []byte("tried")); err != nil {
		return false, fmt.Errorf("write a file in %s: %w", place, err)
	}
	linked, err = d.tryNames(dir)
	if err == nil {
		err = d.tryLock(dir)
	}
	if err == nil && durably {
		err = errors.Join(d.disk.sync(filepath.Join(dir, "renamed")), d.disk.sync(dir))
	}
	return linked, err
}

// removeTrials removes the folders in which killed processes were trying. Ours
// have a number for a name, and hold nothing but what a trial makes.
func (d *Destination) removeTrials(place string) error {
	list, err := os.ReadDir(place)
	if err != nil {
		return err
	}
	for _, e := range list {
		number, found := strings.CutPrefix(e.Name(), checking)
		if _, err := strconv.ParseUint(number, 10, 64); !found || err != nil || !e.IsDir() {
			continue
		}
		dir := filepath.Join(place, e.Name())
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		ours := !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			return !slices.Contains([]string{"a", "linked", "renamed", current, flipping, lockName}, e.Name())
		})
		if ours {
			if err := d.disk.remove(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// tryNames tries links, hard and symbolic, and renames.
func (d *Destination) tryNames(dir string) (linked bool, err error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	err = d.disk.link(at("a"), at("linked"))
	if linked = err == nil; !linked && !linkless(err) {
		return false, fmt.Errorf("make a hard link: %w", err)
	}
	if err := d.disk.rename(at("a"), at("renamed")); err != nil {
		return linked, fmt.Errorf("rename a file: %w", err)
	}
	for _, name := range []string{current, flipping} {
		if err := d.disk.flip("renamed", at(name)); err != nil {
			return linked, incapable("make a symbolic link in "+filepath.Dir(dir), err, remedySymlink)
		}
	}
	if err := d.disk.rename(at(flipping), at(current)); err != nil {
		return linked, fmt.Errorf("replace a symbolic link: %w", err)
	}
	if target, err := os.Readlink(at(current)); err != nil || target != "renamed" {
		return linked, incapable(fmt.Sprintf("a symbolic link in %s leads to %q, not where it was told to", filepath.Dir(dir), target), errors.Join(err, syscall.ENOTSUP), remedySymlink)
	}
	return linked, nil
}

func (d *Destination) tryLock(dir string) error {
	held, err := d.holdFile(filepath.Join(dir, lockName))
	if err != nil {
		return err
	}
	if held == nil {
		return errors.New("a file that nobody knows is locked")
	}
	return held.Close()
}
