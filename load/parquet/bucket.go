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

// refused makes a refusal of an error that trying again won't help, and says what will.
func refused(err error) error {
	if remedy := bucket.Remedy(err); remedy != "" && !load.Refuses(err) {
		return &load.Refusal{Err: fmt.Errorf("%w: %s", err, remedy)}
	}
	return err
}

// Begin starts a publishing under a prefix of its own, or finds that there is
// nothing to publish. The pointer's ETag is read before the snapshot is marked, so
// that whoever takes the mark for dead, and puts the pointer anew, has made the
// condition false on which this publishing could still be shown.
func (b *Bucket) Begin(ctx context.Context, run load.Run, parts []load.Partition) (load.Stage, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	before, err := b.readStanding(ctx)
	if err != nil {
		return nil, err
	}
	if err := before.look().admits(run); err != nil {
		return nil, err
	}
	if _, err := b.removeLeftovers(ctx, run.Mirror, before); err != nil {
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
	before, err := b.readStanding(ctx)
	if err != nil {
		return err
	}
	_, err = b.removeLeftovers(ctx, mirror, before)
	return refused(err)
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
// those that were shown. A dead publishing's request to show its snapshot may still
// be on its way: before anything is removed the pointer is put anew, so that such a
// request is refused. Where there is no pointer the dead ones stay, whole as they
// may be, until something is shown; it tells how many.
func (b *Bucket) removeLeftovers(ctx context.Context, mirror string, before *inBucket) (left int, err error) {
	_, marked, err := b.runs(ctx)
	if err != nil {
		return 0, err
	}
	var dead []string
	for _, run := range marked {
		gone, err := b.isDead(ctx, run, mirror)
		switch {
		case err != nil:
			return 0, err
		case before != nil && before.named == run && before.isLost(): // it goes when something else is shown
		case before != nil && before.named == run:
			if err := b.at.Remove(ctx, markerName(run)); err != nil {
				return 0, err
			}
		case gone:
			dead = append(dead, run)
		}
	}
	if len(dead) == 0 || before == nil || before.etag == "" {
		return len(dead), nil
	}
	if err := b.fence(ctx, before); err != nil {
		return 0, err
	}
	for _, run := range dead {
		if err := b.removeDead(ctx, run); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// isDead tells whether nobody can be at work on a snapshot that has a marker.
func (b *Bucket) isDead(ctx context.Context, run, mirror string) (bool, error) {
	o, err := b.at.Get(ctx, markerName(run))
	if errors.Is(err, bucket.ErrAbsent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var m marker
	ours := json.Unmarshal(o.Text, &m) == nil && m.Mirror == mirror
	return ours || !o.Read.IsZero() && o.Read.Sub(o.Modified) > deadAfter, nil
}

// removeDead removes a snapshot that was never shown, and can't be any more.
func (b *Bucket) removeDead(ctx context.Context, run string) error {
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
