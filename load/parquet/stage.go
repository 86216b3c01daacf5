package parquet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// stage is a snapshot under construction. If nothing has changed it has no
// folder, and only counts what is written.
type stage struct {
	*book
	d      *Destination
	before *standing // nil: nothing
	dir    string    // until the commit
	held   *os.File  // the lock of dir
}

// newStage finds out which partitions are there already.
func (d *Destination) newStage(run load.Run, parts []load.Partition, before *standing) (*stage, error) {
	var there func(load.ManifestFile) bool
	if before.shown() != nil {
		there = fileIn(d.snapshot(before.run))
	}
	book, err := newBook(run, d.Writer(), parts, before.shown(), there)
	if err != nil {
		return nil, err
	}
	s := &stage{book: book, d: d, before: before}
	s.unchanged = !before.isLost() && s.stands(before.shown()) && s.viewsStand()
	return s, nil
}

// viewsIn returns the text of views.sql for a snapshot in dir.
func (s *stage) viewsIn(dir string) string {
	return s.views(func(path string) string { return filepath.Join(dir, filepath.FromSlash(path)) })
}

// viewsStand tells whether the published views are what they would be now.
func (s *stage) viewsStand() bool {
	dir := s.d.snapshot(s.before.run)
	text, err := os.ReadFile(filepath.Join(dir, viewsName))
	return err == nil && string(text) == s.viewsIn(dir)
}

// makeFolder makes the staging folder and locks it.
func (s *stage) makeFolder() error {
	final := s.d.snapshot(s.run.Run)
	if _, err := os.Lstat(final); err == nil {
		return fmt.Errorf("%s is there already", final)
	}
	dir := filepath.Join(s.d.root, snapshots, staging+s.run.Run)
	if err := s.d.disk.makeFolder(dir); err != nil {
		return classify(fmt.Errorf("begin a snapshot: %w", err))
	}
	s.dir = dir
	held, err := s.d.holdFile(filepath.Join(dir, lockName))
	if err == nil && held == nil {
		err = fmt.Errorf("%s is locked by another", dir)
	}
	s.held = held
	return classify(err)
}

// snapshot returns the folder of a run's snapshot.
func (d *Destination) snapshot(run string) string { return snapshotIn(d.root, run) }

// Write links the partition's file, or writes it and reads it back.
func (s *stage) Write(ctx context.Context, p load.Partition, rows load.Rows) error {
	return classify(s.write(ctx, p, func(f load.ManifestFile) error { return s.linkFile(ctx, f) },
		func() (load.ManifestFile, error) { return s.newFile(ctx, p, rows) }))
}

// place makes the folder of a file and returns the file's path.
func (s *stage) place(path string) (string, error) {
	name := filepath.Join(s.dir, filepath.FromSlash(path))
	return name, s.d.disk.makeFolder(filepath.Dir(name))
}

// linkFile links a file of the published snapshot, or copies it where links can't be made.
func (s *stage) linkFile(ctx context.Context, f load.ManifestFile) error {
	to, err := s.place(f.Path)
	if err != nil {
		return err
	}
	from := filepath.Join(s.d.snapshot(s.before.run), filepath.FromSlash(f.Path))
	err = s.d.disk.link(from, to)
	if err == nil {
		err = s.d.disk.chmod(to, fileMode) // it may stem from a run under a tight umask
		if errors.Is(err, fs.ErrPermission) {
			err = errors.Join(s.d.disk.remove(to), syscall.EXDEV) // another user's: a copy is ours
		}
	}
	if err != nil && linkless(err) {
		return s.copyFile(ctx, from, to, f)
	}
	if err != nil {
		return fmt.Errorf("link the unchanged file: %w", err)
	}
	return nil
}

// copyFile copies a file and checks that it is what the manifest says.
func (s *stage) copyFile(ctx context.Context, from, to string, f load.ManifestFile) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy the unchanged file: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := s.d.disk.create(to)
	if err != nil {
		return fmt.Errorf("copy the unchanged file: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, sum), &cancelled{ctx.Err, in}); err != nil {
		return fmt.Errorf("copy the unchanged file: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("copy the unchanged file: %s has the sum %s, the manifest says %s", from, got, f.SHA256)
	}
	return nil
}

// cancelled reads until stop returns an error.
type cancelled struct {
	stop func() error
	in   io.Reader
}

// Read implements io.Reader.
func (c *cancelled) Read(b []byte) (int, error) {
	if err := c.stop(); err != nil {
		return 0, err
	}
	return c.in.Read(b)
}

// newFile encodes a partition and reads it back.
func (s *stage) newFile(ctx context.Context, p load.Partition, rows load.Rows) (load.ManifestFile, error) {
	name, err := s.place(filePath(p.Table, p.Month))
	if err != nil {
		return load.ManifestFile{}, err
	}
	file, err := s.d.disk.create(name)
	if err != nil {
		return load.ManifestFile{}, fmt.Errorf("make the file: %w", err)
	}
	f, err := s.writeFile(ctx, file, s.d.codec, p, rows)
	if err = errors.Join(err, file.Close()); err != nil {
		return f, fmt.Errorf("write the file: %w", err)
	}
	in, err := os.Open(name)
	if err != nil {
		return f, fmt.Errorf("read the file back: %w", err)
	}
	return f, errors.Join(confirm(ctx, in, schemas.Get(p.Table), f), in.Close())
}

// Abort removes the staging folder.
func (s *stage) Abort(context.Context) error {
	if s.checked {
		return nil
	}
	return s.discard()
}

// discard removes the folder and gives back its lock.
func (s *stage) discard() error {
	if s.dir == "" {
		return nil
	}
	err := s.d.disk.remove(s.dir)
	if s.held != nil {
		err = errors.Join(err, s.held.Close())
	}
	s.dir, s.held = "", nil
	if err != nil {
		return fmt.Errorf("remove the staging folder: %w", err)
	}
	return nil
}
