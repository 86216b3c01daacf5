package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"roistat-etl/internal/folder"
)

// ErrRemoved says that somebody removed or replaced a mirror's file, or its lock,
// while it was held: what is written from then on is lost, or another run is at
// work in it.
var ErrRemoved = errors.New("removed or replaced while the run was at work")

// UnfitError says that a path can't hold a mirror. Trying again won't help.
type UnfitError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *UnfitError) Error() string { return fmt.Sprintf("mirror %s: %v", e.Path, e.Err) }

// Unwrap returns the reason.
func (e *UnfitError) Unwrap() error { return e.Err }

var errNotRegular = errors.New("it is no regular file")

func isRegular(f *os.File) error {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	return err
}

// RealPath follows the links of a path, of its folders where it doesn't exist
// yet: one file has one real path, and one lock. A link that leads nowhere is an
// error, for a disk may be missing.
func RealPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		out, err := filepath.EvalSymlinks(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("mirror %s is a link that leads nowhere: is the disk mounted? %w", path, err)
		}
		return out, err
	}
	rest := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		out, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(out, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return "", err
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

func makeFolder(path string) error {
	if err := folder.Make(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the mirror's folder: %w", err)
	}
	return nil
}

// makeFile makes the file before SQLite does, so that it and the log, which
// takes over its mode, are for their owner alone. One that exists is left as it
// is until it is known to be a mirror.
func makeFile(ctx context.Context, path string) (fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		info, err := f.Stat()
		return info, errors.Join(err, f.Close())
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the mirror: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("open mirror: %w", err)
	}
	if err := isFit(path, info); err != nil {
		return nil, err
	}
	if info.Size() > 0 {
		if err := isOurs(ctx, path); err != nil {
			return nil, err
		}
	}
	return info, keepToOwner(path, info)
}

// isFit refuses what is no file, and a file that has a second name: the two names
// would have locks and logs of their own.
func isFit(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &UnfitError{Path: path, Err: errNotRegular}
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Nlink > 1 {
		return &UnfitError{Path: path, Err: fmt.Errorf("the file has %d names (hard links), and another pipeline may reach it by another: copy it instead", s.Nlink)}
	}
	return nil
}

// isOurs refuses what is no mirror.
func isOurs(ctx context.Context, path string) error {
	r, err := openReader(path)
	if err != nil {
		return err
	}
	err = r.check(ctx)
	if errors.Is(err, ErrEmpty) {
		err = nil
	}
	return errors.Join(err, r.Close())
}

func keepToOwner(path string, info fs.FileInfo) error {
	if info.Mode().Perm() == 0o600 {
		return nil
	}
	err := os.Chmod(path, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		return &UnfitError{Path: path, Err: fmt.Errorf("it can't be kept to its owner (%w): put the mirror on a local disk, as a file of the user who runs this", err)}
	}
	if err != nil {
		return fmt.Errorf("keep the mirror to its owner: %w", err)
	}
	return nil
}

// Intact makes sure that the file and its lock are still the ones that were
// opened; otherwise it fails with [ErrRemoved].
func (m *Mirror) Intact() error {
	same, err := m.lock.isNamed()
	if err == nil && !same {
		err = fmt.Errorf("its lock %s was %w: another run may be in it", lockName(m.path), ErrRemoved)
	}
	if err == nil {
		if same, err = isStill(m.path, m.file); err == nil && !same {
			err = fmt.Errorf("the file was %w: what was fetched since is lost", ErrRemoved)
		}
	}
	return wrap(m.path, "look for the file", err)
}

// QuickCheck reads the whole file and fails with [ErrDamaged] if it doesn't hold
// together.
func (r *Reader) QuickCheck(ctx context.Context) error {
	var found string
	err := r.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	if err == nil && found != "ok" {
		err = fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	return wrap(r.path, "check", err)
}
