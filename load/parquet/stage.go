package parquet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// stage is a snapshot under construction. If nothing has changed it has no
// folder, and only counts what is written.
type stage struct {
	d         *Destination
	run       load.Run
	before    *published // nil: nothing
	unchanged bool
	checked   bool     // it belongs to a ready
	dir       string   // until the commit
	held      *os.File // the lock of dir

	parts []load.Partition          // in their order
	reuse map[key]load.ManifestFile // files of before that can be linked
	mu    sync.Mutex                // guards the two below
	state map[key]progress          // of each of parts
	files map[key]load.ManifestFile // written or linked
}

// key names a partition.
type key struct {
	table schemas.ID
	month string
}

// progress is how far a partition is.
type progress uint8

const (
	due progress = iota
	begun
	done
)

func keyOf(p load.Partition) key { return key{p.Table, p.Month} }

// newStage finds out which partitions are there already.
func (d *Destination) newStage(run load.Run, parts []load.Partition, before *published) (*stage, error) {
	s := &stage{
		d: d, run: run, before: before, parts: parts,
		reuse: map[key]load.ManifestFile{}, state: map[key]progress{}, files: map[key]load.ManifestFile{},
	}
	for _, p := range parts {
		if _, twice := s.state[keyOf(p)]; twice {
			return nil, fmt.Errorf("%s is to be written twice", p)
		}
		s.state[keyOf(p)] = due
		if f, ok := s.reusable(p); ok {
			s.reuse[keyOf(p)] = f
		}
	}
	s.unchanged = before != nil && len(s.reuse) == len(parts) &&
		before.manifest.Shows(parts, d.Writer(), run.Mirror) && before.manifest.Intact() && s.viewsStand()
	return s, nil
}

// reusable returns the published file of a partition if it holds these rows and has its size.
func (s *stage) reusable(p load.Partition) (load.ManifestFile, bool) {
	if s.before == nil {
		return load.ManifestFile{}, false
	}
	f, ok := s.before.manifest.Same(p, s.d.Writer())
	if !ok {
		return f, false
	}
	info, err := os.Lstat(filepath.Join(s.before.dir, filepath.FromSlash(f.Path)))
	return f, err == nil && info.Mode().IsRegular() && info.Size() == f.Bytes
}

// viewsStand tells whether the published views are what they would be now.
func (s *stage) viewsStand() bool {
	text, err := os.ReadFile(filepath.Join(s.before.dir, viewsName))
	return err == nil && string(text) == s.views(s.before.dir)
}

// makeFolder makes the staging folder and locks it.
func (s *stage) makeFolder() error {
	final := s.d.snapshot(s.run.Run)
	if _, err := os.Lstat(final); err == nil {
		return fmt.Errorf("%s is there already", final)
	}
	dir := filepath.Join(s.d.root, snapshots, staging+s.run.Run)
	if err := os.Mkdir(dir, dirMode); err != nil {
		return classify(fmt.Errorf("make the staging folder: %w", err))
	}
	s.dir = dir
	held, err := tryLock(dir)
	if err == nil && held == nil {
		err = fmt.Errorf("%s is locked by another", dir)
	}
	s.held = held
	return err
}

// snapshot returns the folder of a run's snapshot.
func (d *Destination) snapshot(run string) string { return filepath.Join(d.root, snapshots, run) }

// Write links the partition's file, or writes it and reads it back.
func (s *stage) Write(ctx context.Context, p load.Partition, rows load.Rows) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := s.start(p); err != nil {
		return err
	}
	f, linked := s.reuse[keyOf(p)]
	var err error
	switch {
	case s.unchanged:
	case linked:
		err = s.linkFile(ctx, f)
	default:
		f, err = s.writeFile(ctx, p, rows)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state[keyOf(p)], s.files[keyOf(p)] = done, f
	return nil
}

// start marks the partition as begun.
func (s *stage) start(p load.Partition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state, ok := s.state[keyOf(p)]; !ok || state != due {
		return fmt.Errorf("%s was not to be written, or was written already", p)
	}
	s.state[keyOf(p)] = begun
	return nil
}

// place makes the folder of a file and returns the file's path.
func (s *stage) place(path string) (string, error) {
	name := filepath.Join(s.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), dirMode); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	return name, nil
}

// linkFile links a file of the published snapshot, or copies it where links can't be made.
func (s *stage) linkFile(ctx context.Context, f load.ManifestFile) error {
	to, err := s.place(f.Path)
	if err != nil {
		return err
	}
	from := filepath.Join(s.before.dir, filepath.FromSlash(f.Path))
	err = s.d.disk.link(from, to)
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

// writeFile encodes a partition and reads it back.
func (s *stage) writeFile(ctx context.Context, p load.Partition, rows load.Rows) (load.ManifestFile, error) {
	f := load.ManifestFile{Path: filePath(p.Table, p.Month), Partition: p.Month, Rows: p.Rows, Digest: p.Digest}
	name, err := s.place(f.Path)
	if err != nil {
		return f, err
	}
	file, err := s.d.disk.create(name)
	if err != nil {
		return f, fmt.Errorf("make the file: %w", err)
	}
	w, err := encode(ctx, file, schemas.Get(p.Table), s.d.codec, p.LargestRow, rows)
	if err = errors.Join(err, file.Close()); err != nil {
		return f, fmt.Errorf("write the file: %w", err)
	}
	if w.rows != p.Rows {
		return f, fmt.Errorf("%d rows came, there should be %d", w.rows, p.Rows)
	}
	f.Bytes, f.SHA256 = w.bytes, w.sha256
	if err := confirm(ctx, name, schemas.Get(p.Table), f); err != nil {
		return f, fmt.Errorf("the file was read back: %w", err)
	}
	return f, nil
}

// confirm reads a new file with the independent reader.
func confirm(ctx context.Context, name string, t *schemas.Table, f load.ManifestFile) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	_, err = compare(ctx, file, info.Size(), t, f)
	return err
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
