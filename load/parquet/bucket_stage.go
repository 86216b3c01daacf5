package parquet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"roistat-etl/internal/bucket"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

// giveUpWait is how long a publishing that failed may take to remove what it has
// put; a signal leaves ten seconds for everything.
const giveUpWait = 6 * time.Second

// settleWait is how long it may take before to find out what became of the pointer.
const settleWait = 3 * time.Second

// bucketStage is a snapshot under construction in a bucket. If nothing has
// changed it has no marker, and only counts what is written.
type bucketStage struct {
	*book
	b      *Bucket
	before *inBucket // nil: nothing
	marked bool      // there is something to remove, and it may be
}

// newStage finds out which partitions are there already, and marks the snapshot
// as being built.
func (b *Bucket) newStage(ctx context.Context, run load.Run, parts []load.Partition, before *inBucket) (*bucketStage, error) {
	var there objects
	if before.look().shown() != nil {
		var err error
		if there, err = b.sizes(ctx, before.run); err != nil {
			return nil, err
		}
	}
	book, err := newBook(run, b.Writer(), parts, before.look().shown(), there.has)
	if err != nil {
		return nil, err
	}
	s := &bucketStage{book: book, b: b, before: before}
	if !before.look().isLost() && s.stands(before.look().shown()) {
		if s.unchanged, err = s.viewsStand(ctx); err != nil {
			return nil, err
		}
	}
	if s.unchanged {
		return s, nil
	}
	return s, s.mark(ctx)
}

// objects are the sizes of a snapshot's objects.
type objects map[string]int64

// has tells whether a file is there, with its size.
func (o objects) has(f load.ManifestFile) bool {
	size, ok := o[f.Path]
	return ok && size == f.Bytes
}

// sizes lists the objects of a run's snapshot.
func (b *Bucket) sizes(ctx context.Context, run string) (objects, error) {
	out := objects{}
	for e, err := range b.at.List(ctx, snapshotKey(run), false) {
		if err != nil {
			return nil, err
		}
		out[e.Name[len(snapshotKey(run)):]] = e.Size
	}
	return out, nil
}

// viewsIn returns the text of views.sql for a run's snapshot.
func (s *bucketStage) viewsIn(run string) string {
	return s.views(func(name string) string { return s.b.at.URL(path.Join(snapshots, run, name)) })
}

// viewsStand tells whether the published views are what they would be now.
func (s *bucketStage) viewsStand(ctx context.Context) (bool, error) {
	o, err := s.b.at.Get(ctx, path.Join(snapshots, s.before.run, viewsName))
	if errors.Is(err, bucket.ErrAbsent) {
		return false, nil
	}
	return err == nil && string(o.Text) == s.viewsIn(s.before.run), err
}

// mark puts the marker. Nothing may be there under the run's name.
func (s *bucketStage) mark(ctx context.Context) error {
	there, err := s.b.sizes(ctx, s.run.Run)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return fmt.Errorf("%s is there already", s.b.at.URL(snapshotKey(s.run.Run)))
	}
	text, err := json.Marshal(marker{s.run.Run, s.run.Mirror, s.run.Pipeline, time.Now().UTC()})
	if err != nil {
		return err
	}
	if _, err := s.b.at.Swap(ctx, markerName(s.run.Run), text, ""); err != nil {
		return fmt.Errorf("mark the snapshot: %w", err)
	}
	s.marked = true
	return nil
}

// Write copies the partition's file on the server, or makes it here, reads it
// back and puts it.
func (s *bucketStage) Write(ctx context.Context, p load.Partition, rows load.Rows) error {
	return refused(s.write(ctx, p, func(f load.ManifestFile) error {
		return s.b.at.Copy(ctx, path.Join(snapshots, s.before.run, f.Path), s.name(f.Path), f.Bytes)
	}, func() (load.ManifestFile, error) { return s.put(ctx, p, rows) }))
}

// name is an object of the snapshot.
func (s *bucketStage) name(file string) string { return path.Join(snapshots, s.run.Run, file) }

// put makes the file of a partition and puts it.
func (s *bucketStage) put(ctx context.Context, p load.Partition, rows load.Rows) (f load.ManifestFile, err error) {
	file, err := unnamed(s.b.scratch)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if f, err = s.writeFile(ctx, file, s.b.codec, p, rows); err != nil {
		return f, fmt.Errorf("write the file: %w", err)
	}
	if err := confirm(ctx, file, schemas.Get(p.Table), f); err != nil {
		return f, err
	}
	return f, s.b.at.Put(ctx, s.name(f.Path), io.NewSectionReader(file, 0, f.Bytes), f.Bytes, f.SHA256)
}

// unnamed makes a file without a name, which is gone when it is closed, or when
// the process is.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".parquet-*")
	if err != nil {
		return nil, fmt.Errorf("make a file to be put: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Check makes sure that every object is there with its size, and puts views and
// manifest beside them. What they hold was checked before it was put.
func (s *bucketStage) Check(ctx context.Context) (load.Staged, error) {
	m, err := s.check(ctx, func(m *load.Manifest) error { return s.complete(ctx, m) })
	if err != nil {
		return nil, refused(err)
	}
	return &bucketReady{s: s, manifest: m}, nil
}

func (s *bucketStage) complete(ctx context.Context, m *load.Manifest) error {
	text, views, err := s.texts(m, s.viewsIn(s.run.Run))
	if err != nil {
		return err
	}
	if err := s.present(ctx, m); err != nil {
		return err
	}
	if err := s.b.at.Put(ctx, s.name(viewsName), bytes.NewReader(views), int64(len(views)), sum256(views)); err != nil {
		return err
	}
	return s.b.at.Put(ctx, s.name(manifestName), bytes.NewReader(text), int64(len(text)), sum256(text))
}

// present checks that every file is there and has its size.
func (s *bucketStage) present(ctx context.Context, m *load.Manifest) error {
	sizes, err := s.b.sizes(ctx, s.run.Run)
	if err != nil {
		return err
	}
	for _, t := range schemas.Tables() {
		for _, f := range m.Tables[t.Name].Files {
			size, ok := sizes[f.Path]
			if !ok {
				return fmt.Errorf("%s is missing: did another run take it for dead?", s.b.at.URL(s.name(f.Path)))
			}
			if size != f.Bytes {
				return fmt.Errorf("%s has %d bytes, not %d", s.b.at.URL(s.name(f.Path)), size, f.Bytes)
			}
		}
	}
	return nil
}

// Abort removes what was put.
func (s *bucketStage) Abort(ctx context.Context) error {
	if s.checked {
		return nil
	}
	return s.discard(ctx)
}

// discard removes the snapshot. If it can't, the next run does.
func (s *bucketStage) discard(ctx context.Context) error {
	if !s.marked {
		return nil
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), giveUpWait)
	defer stop()
	s.marked = false
	if err := s.b.remove(ctx, s.run.Run); err != nil {
		return fmt.Errorf("remove what was put; the next run will: %w", err)
	}
	return nil
}

// bucketReady is a snapshot that only has to be shown.
type bucketReady struct {
	s        *bucketStage
	manifest *load.Manifest
}

// Abort removes what was put.
func (r *bucketReady) Abort(ctx context.Context) error { return r.s.discard(ctx) }

// Commit shows the snapshot by putting the pointer, and removes snapshots beyond
// those to keep.
func (r *bucketReady) Commit(ctx context.Context) (load.State, error) {
	if err := context.Cause(ctx); err != nil {
		return load.Failed, errors.Join(err, r.s.discard(ctx))
	}
	ctx = context.WithoutCancel(ctx)
	state, err := r.commit(ctx)
	if state == load.Failed {
		err = errors.Join(err, r.s.discard(ctx))
	}
	return state, refused(err)
}

func (r *bucketReady) commit(ctx context.Context) (load.State, error) {
	s := r.s
	now, err := s.b.readPointer(ctx)
	if err != nil {
		return load.Failed, err
	}
	if now.run != s.before.pointed().run {
		return load.Failed, load.ErrOvertaken
	}
	if s.unchanged {
		return load.Unchanged, nil
	}
	if err := s.present(ctx, r.manifest); err != nil {
		return load.Failed, err
	}
	if err := r.show(ctx); err != nil {
		return load.Failed, err
	}
	s.marked = false
	if err := errors.Join(s.b.at.Remove(ctx, markerName(s.run.Run)), s.b.prune(ctx, s.run.Run)); err != nil {
		return load.Published, fmt.Errorf("published, but old snapshots could not be removed: %w", err)
	}
	return load.Published, nil
}

// show puts the pointer in the place of the one that Begin has read, and of no
// later one, though it may show the same: who has put that may have taken this
// snapshot for dead. After an error the snapshot may be removed, unless it is no
// longer marked as this one's to remove.
func (r *bucketReady) show(ctx context.Context) error {
	s := r.s
	text, err := s.b.pointerText(s.run.Run)
	if err != nil {
		return err
	}
	_, err = s.b.putPointer(ctx, text, s.before.pointed().etag)
	if !bucket.Unknown(err) {
		return err
	}
	// The request may still be carried out, and then show what was removed.
	ctx, stop := context.WithTimeout(ctx, settleWait)
	defer stop()
	shown, settled := s.settle(ctx)
	if shown {
		return nil
	}
	s.marked = s.marked && settled
	return fmt.Errorf("show the snapshot: %w", err)
}

// settle finds out what became of a request to show the snapshot of which no answer
// came. settled says that it is not shown and can't be any more.
func (s *bucketStage) settle(ctx context.Context) (shown, settled bool) {
	before := s.before.pointed()
	for range 2 {
		now, err := s.b.readPointer(ctx)
		switch {
		case err != nil || now == pointed{}: // the next run judges it
			return false, false
		case now.run == s.run.Run:
			return true, false
		case now != before:
			return false, true
		}
		if s.b.fence(ctx, &inBucket{standing{named: now.run}, now.etag}) == nil {
			return false, true
		}
	}
	return false, false
}
