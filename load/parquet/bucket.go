package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"roistat-etl/internal/bucket"
	"roistat-etl/load"
)

const (
	pointerName = current + ".json"

	// deadAfter is how old the marker of another mirror's publishing must be
	// before it counts as dead. One of the same mirror is dead as soon as the
	// mirror's lock is held by another run.
	deadAfter = 24 * time.Hour
)

// Bucket is a prefix in a bucket of snapshots, as the package doc describes it.
// It is safe for concurrent use.
type Bucket struct {
	format
	at      *bucket.Bucket
	scratch string
}

// NewBucket makes a destination of s3://bucket/prefix. It asks nobody. The caller
// closes it.
func NewBucket(o Options) (*Bucket, error) {
	f, err := o.format()
	if err != nil {
		return nil, err
	}
	at, err := bucket.Open(o.Path)
	if err != nil {
		return nil, err
	}
	return &Bucket{format: f, at: at, scratch: o.Scratch}, nil
}

// String names the destination.
func (b *Bucket) String() string { return "parquet " + b.at.String() }

// Close lets go of idle connections.
func (b *Bucket) Close() error { return b.at.Close() }

// pointer is the content of current.json. Its run is what makes it unique.
type pointer struct {
	Run    string `json:"run"`
	Prefix string `json:"prefix"` // of the snapshot's keys in the bucket, without a slash at its end
}

func (b *Bucket) pointer(run string) pointer {
	return pointer{Run: run, Prefix: b.at.Key(path.Join(snapshots, run))}
}

// inBucket is what the pointer shows.
type inBucket struct {
	run, etag string
	manifest  *load.Manifest
}

// shown is the manifest; nil if nothing is published.
func (p *inBucket) shown() *load.Manifest {
	if p == nil {
		return nil
	}
	return p.manifest
}

// readPointer returns what current.json says; nil if there is none.
func (b *Bucket) readPointer(ctx context.Context) (*inBucket, error) {
	o, err := b.at.Get(ctx, pointerName)
	if errors.Is(err, bucket.ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, refused(err)
	}
	var p pointer
	if err := json.Unmarshal(o.Text, &p); err != nil || !load.ValidRun(p.Run) || p != b.pointer(p.Run) {
		return nil, &load.Refusal{Err: fmt.Errorf("%s names no snapshot of this program", b.at.URL(pointerName))}
	}
	return &inBucket{run: p.Run, etag: o.ETag}, nil
}

// published reads pointer and manifest. A snapshot may go between the two, once
// another is shown.
func (b *Bucket) published(ctx context.Context) (*inBucket, error) {
	for last := ""; ; {
		p, err := b.readPointer(ctx)
		if err != nil || p == nil {
			return nil, err
		}
		o, err := b.at.Get(ctx, path.Join(snapshots, p.run, manifestName))
		if errors.Is(err, bucket.ErrAbsent) && p.run != last {
			last = p.run
			continue
		}
		if err == nil {
			p.manifest, err = parseManifest(o.Text, p.run)
		}
		if err != nil {
			return nil, refused(fmt.Errorf("%s shows run %s, but its manifest can't be read: %w", b.at.URL(pointerName), p.run, err))
		}
		return p, nil
	}
}

// refused makes a refusal of an error that trying again won't help, and says what will.
func refused(err error) error {
	if remedy := bucket.Remedy(err); remedy != "" && !load.Refuses(err) {
		return &load.Refusal{Err: fmt.Errorf("%w: %s", err, remedy)}
	}
	return err
}

// Published returns the manifest of the snapshot that current.json shows.
func (b *Bucket) Published(ctx context.Context) (*load.Manifest, error) {
	p, err := b.published(ctx)
	return p.shown(), err
}

// Begin starts a publishing under a prefix of its own, or finds that there is
// nothing to publish.
func (b *Bucket) Begin(ctx context.Context, run load.Run, parts []load.Partition) (load.Stage, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	before, err := b.published(ctx)
	if err != nil {
		return nil, err
	}
	if err := load.Admit(run, before.shown()); err != nil {
		return nil, err
	}
	if err := b.removeLeftovers(ctx, run.Mirror, before); err != nil {
		return nil, refused(fmt.Errorf("remove what a dead run left: %w", err))
	}
	s, err := b.newStage(ctx, run, parts, before)
	if err != nil {
		return nil, refused(err)
	}
	return s, nil
}

// Recover removes what publishings of the mirror that died have left.
func (b *Bucket) Recover(ctx context.Context, mirror string) error {
	before, err := b.published(ctx)
	if err != nil {
		return err
	}
	return refused(b.removeLeftovers(ctx, mirror, before))
}

// marker stands beside a snapshot from before its first object until it is
// shown, or gone altogether.
type marker struct {
	Run      string    `json:"run"`
	Mirror   string    `json:"mirror"`
	Pipeline string    `json:"pipeline"`
	Begun    time.Time `json:"begun_at"`
}

func markerName(run string) string { return path.Join(snapshots, staging+run) }

// removeLeftovers removes the snapshots of dead publishings, and the markers of
// those that were shown.
func (b *Bucket) removeLeftovers(ctx context.Context, mirror string, before *inBucket) error {
	_, runs, err := b.runs(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if before != nil && before.run == run {
			if err := b.at.Remove(ctx, markerName(run)); err != nil {
				return err
			}
			continue
		}
		if err := b.removeDead(ctx, run, mirror); err != nil {
			return err
		}
	}
	return nil
}

// removeDead removes a snapshot that was never shown, if nobody can be at work on it.
func (b *Bucket) removeDead(ctx context.Context, run, mirror string) error {
	o, err := b.at.Get(ctx, markerName(run))
	if errors.Is(err, bucket.ErrAbsent) {
		return nil
	}
	if err != nil {
		return err
	}
	var m marker
	ours := json.Unmarshal(o.Text, &m) == nil && m.Mirror == mirror
	if old := !o.Read.IsZero() && o.Read.Sub(o.Modified) > deadAfter; !ours && !old {
		return nil
	}
	if err := b.at.Abandon(ctx, snapshotKey(run)); err != nil && !bucket.Refuses(err) { // few are allowed to list uploads
		return err
	}
	return b.remove(ctx, run)
}

// snapshotKey begins the names of a run's objects.
func snapshotKey(run string) string { return path.Join(snapshots, run) + "/" }

// remove removes a run's snapshot and then its marker, so that what was cut
// short is found again.
func (b *Bucket) remove(ctx context.Context, run string) error {
	if err := b.at.RemoveAll(ctx, snapshotKey(run)); err != nil {
		return err
	}
	return b.at.Remove(ctx, markerName(run))
}

// runs lists the snapshots that were shown, oldest first, and those with a
// marker, which mostly were not.
func (b *Bucket) runs(ctx context.Context) (shown, marked []string, err error) {
	for e, err := range b.at.List(ctx, snapshots+"/", true) {
		if err != nil {
			return nil, nil, err
		}
		name := path.Base(e.Name)
		run, isMarker := strings.CutPrefix(name, staging)
		switch {
		case isMarker && load.ValidRun(run):
			marked = append(marked, run)
		case strings.HasSuffix(e.Name, "/") && load.ValidRun(name):
			shown = append(shown, name)
		}
	}
	shown = slices.DeleteFunc(shown, func(run string) bool { return slices.Contains(marked, run) })
	slices.Sort(shown)
	return shown, marked, nil
}

// prune removes all snapshots but the published one and the newest of the others.
func (b *Bucket) prune(ctx context.Context, published string) error {
	runs, _, err := b.runs(ctx)
	if err != nil {
		return err
	}
	for _, run := range surplus(runs, published, b.keep) {
		if err := b.at.RemoveAll(ctx, snapshotKey(run)); err != nil {
			return err
		}
	}
	return nil
}
