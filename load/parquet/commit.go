package parquet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// Check makes sure that every partition is there, adds manifest and views, and
// makes everything durable. What the files hold was checked when they were written.
func (s *stage) Check(ctx context.Context) (load.Staged, error) {
	if _, err := s.check(ctx, func(m *load.Manifest) error { return s.complete(ctx, m) }); err != nil {
		return nil, classify(err)
	}
	return &ready{s}, nil
}

// complete completes the folder.
func (s *stage) complete(ctx context.Context, m *load.Manifest) error {
	text, views, err := s.texts(m, s.viewsIn(s.d.snapshot(s.run.Run)))
	if err != nil {
		return err
	}
	names, err := s.present(m)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{manifestName: text, viewsName: views} {
		name = filepath.Join(s.dir, name)
		if err := s.d.disk.write(name, text); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Base(name), err)
		}
		names = append(names, name)
	}
	dirs, err := folders(s.dir)
	if err != nil {
		return err
	}
	if err := s.d.disk.syncAll(ctx, names); err != nil {
		return err
	}
	return s.d.disk.syncAll(ctx, dirs)
}

// present checks that every file has its size, and lists those that are new.
func (s *stage) present(m *load.Manifest) (fresh []string, err error) {
	for _, t := range schemas.Tables() {
		for _, f := range m.Tables[t.Name].Files {
			name := filepath.Join(s.dir, filepath.FromSlash(f.Path))
			info, err := os.Lstat(name)
			if err != nil {
				return nil, fmt.Errorf("a file is missing: %w", err)
			}
			if info.Size() != f.Bytes {
				return nil, fmt.Errorf("%s has %d bytes, not %d", name, info.Size(), f.Bytes)
			}
			if _, linked := s.reuse[key{t.ID, f.Partition}]; !linked {
				fresh = append(fresh, name)
			}
		}
	}
	return fresh, nil
}

// ready is a snapshot that only has to be shown.
type ready struct{ s *stage }

// Abort removes the staging folder.
func (r *ready) Abort(context.Context) error { return r.s.discard() }

// Commit moves the folder into place, flips the link, and removes snapshots
// beyond those to keep.
func (r *ready) Commit(ctx context.Context) (load.State, error) {
	if err := context.Cause(ctx); err != nil {
		return load.Failed, errors.Join(err, r.s.discard())
	}
	guard, err := r.s.d.takeLock(ctx, commitWait)
	if err != nil {
		return load.Failed, errors.Join(err, r.s.discard())
	}
	state, err := r.commit()
	if state == load.Failed {
		err = classify(errors.Join(err, r.s.discard()))
	}
	return state, errors.Join(err, guard.Close())
}

// commit does the work of Commit under the lock.
func (r *ready) commit() (load.State, error) {
	if err := r.notOvertaken(); err != nil {
		return load.Failed, err
	}
	if r.s.unchanged {
		return load.Unchanged, nil
	}
	if err := r.show(); err != nil {
		return load.Failed, err
	}
	r.s.dir = ""
	err := r.s.held.Close()
	r.s.held = nil
	if err := errors.Join(err, r.s.d.disk.sync(r.s.d.root)); err != nil {
		return load.Published, fmt.Errorf("published, but it may not outlive a power failure: %w", err)
	}
	if err := r.s.d.prune(r.s.run.Run); err != nil {
		return load.Published, fmt.Errorf("published, but old snapshots could not be removed: %w", err)
	}
	return load.Published, nil
}

// notOvertaken checks that readers see what they saw at Begin.
func (r *ready) notOvertaken() error {
	now, err := readStanding(r.s.d.root)
	if err != nil {
		return err
	}
	if !now.sameAs(r.s.before) {
		return load.ErrOvertaken
	}
	return nil
}

// show renames the folder and flips the link. If it fails, readers see what they saw.
func (r *ready) show() error {
	d, run := r.s.d, r.s.run.Run
	if err := d.removeUnpublished(r.s.before); err != nil {
		return fmt.Errorf("remove a snapshot that was never published: %w", err)
	}
	if err := os.Remove(filepath.Join(r.s.dir, lockName)); err != nil {
		return fmt.Errorf("end the building of the snapshot: %w", err)
	}
	final := d.snapshot(run)
	if err := d.disk.rename(r.s.dir, final); err != nil {
		return fmt.Errorf("move the snapshot into place: %w", err)
	}
	r.s.dir = final // from here on this is what has to go if it fails
	if err := d.disk.sync(filepath.Dir(final)); err != nil {
		return fmt.Errorf("sync the snapshots: %w", err)
	}
	return d.flipTo(run)
}

// flipTo makes the link point to the run.
func (d *Destination) flipTo(run string) error {
	link := filepath.Join(d.root, flipping+run)
	if err := d.disk.flip(filepath.Join(snapshots, run), link); err != nil {
		return incapable("make the link "+link, err, remedySymlink)
	}
	if err := d.disk.rename(link, filepath.Join(d.root, current)); err != nil {
		return errors.Join(fmt.Errorf("flip the link: %w", err), d.disk.remove(link))
	}
	return nil
}

// removeUnpublished removes snapshots newer than the published one: their run
// died after it had renamed them, and they would displace one that readers use.
// Where the link was lost, or leads to one that is broken, some may have been read:
// they go when their time comes.
func (d *Destination) removeUnpublished(before *standing) error {
	if before == nil || before.isLost() {
		return nil
	}
	runs, err := listRuns(d.root)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run > before.run {
			if err := d.disk.remove(d.snapshot(run)); err != nil {
				return err
			}
		}
	}
	return nil
}

// prune removes all snapshots but the published one and the newest of the others.
func (d *Destination) prune(published string) error {
	runs, err := listRuns(d.root)
	if err != nil {
		return err
	}
	for _, run := range surplus(runs, published, d.keep) {
		if err := d.disk.remove(d.snapshot(run)); err != nil {
			return err
		}
	}
	return nil
}

// surplus are the runs of a sorted list that go when so many are kept, the
// published one among them.
func surplus(runs []string, published string, keep int) []string {
	runs = slices.DeleteFunc(runs, func(run string) bool { return run == published })
	return runs[:max(0, len(runs)-(keep-1))]
}
