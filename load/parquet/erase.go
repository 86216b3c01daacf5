package parquet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"roistat-etl/load"
)

// Erase removes every snapshot but the published one, and what dead runs have
// left. A reader that still uses an older one loses it.
func (d *Destination) Erase(ctx context.Context, mirror string) (err error) {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(d.root, snapshots)); errors.Is(err, os.ErrNotExist) {
		return leadsNowhere(d.root)
	}
	guard, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, guard.Close()) }()
	return classify(d.erase(mirror))
}

// erase does the work of Erase under the lock.
func (d *Destination) erase(mirror string) error {
	now, err := readStanding(d.root)
	switch {
	case err != nil:
		return err
	case now == nil:
		return d.removeLeftovers()
	case now.manifest == nil:
		return fmt.Errorf("what is to be kept can't be told: %s; then erase again", now.lost)
	case now.manifest.Mirror != mirror:
		return fmt.Errorf("run %s of mirror %s: %w", now.run, now.manifest.Mirror, load.ErrForeign)
	}
	return d.eraseAllBut(now.run)
}

// eraseAllBut removes the snapshots of the other runs, also those that were never published.
func (d *Destination) eraseAllBut(published string) error {
	if err := d.removeLeftovers(); err != nil {
		return fmt.Errorf("remove what a dead run left: %w", err)
	}
	runs, err := listRuns(d.root)
	if err != nil {
		return err
	}
	for _, run := range surplus(runs, published, 1) {
		if err := d.disk.remove(d.snapshot(run)); err != nil {
			return fmt.Errorf("remove an older snapshot: %w", err)
		}
	}
	return d.disk.sync(filepath.Join(d.root, snapshots))
}

// Erase removes every snapshot but the published one, and what dead runs have
// left. Where the bucket keeps versions of its objects, theirs stay.
func (b *Bucket) Erase(ctx context.Context, mirror string) error {
	now, err := b.readStanding(ctx)
	if err != nil {
		return err
	}
	if now != nil && now.manifest == nil {
		return fmt.Errorf("what is to be kept can't be told: %s; then erase again", now.lost)
	}
	if now != nil && now.manifest.Mirror != mirror {
		return fmt.Errorf("run %s of mirror %s: %w", now.run, now.manifest.Mirror, load.ErrForeign)
	}
	left, err := b.removeLeftovers(ctx, mirror, now)
	if err != nil {
		return refused(fmt.Errorf("remove what a dead run left: %w", err))
	}
	if left > 0 {
		return fmt.Errorf("%d snapshots under %s are of runs that died, but may still be shown: run once, then erase again", left, b.at.URL(snapshots))
	}
	if now == nil {
		return nil
	}
	runs, _, err := b.runs(ctx)
	if err != nil {
		return refused(err)
	}
	for _, run := range surplus(runs, now.run, 1) {
		if err := b.at.RemoveAll(ctx, snapshotKey(run)); err != nil {
			return refused(fmt.Errorf("remove an older snapshot: %w", err))
		}
	}
	return nil
}
