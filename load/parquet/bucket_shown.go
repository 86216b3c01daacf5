package parquet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path"

	"roistat-etl/internal/bucket"
	"roistat-etl/load"
)

// inBucket is what stands in the bucket, and the pointer that leads there.
type inBucket struct {
	standing
	etag string // of the pointer; "" if there is none
}

// look is what stands; nil if nothing was ever published.
func (p *inBucket) look() *standing {
	if p == nil {
		return nil
	}
	return &p.standing
}

// pointed is the pointer as it was read.
type pointed struct{ run, etag string }

// pointed is the pointer that was read.
func (p *inBucket) pointed() pointed {
	if p == nil {
		return pointed{}
	}
	return pointed{p.named, p.etag}
}

// readPointer returns what current.json says; nothing if there is none.
func (b *Bucket) readPointer(ctx context.Context) (pointed, error) {
	o, err := b.at.Get(ctx, pointerName)
	if errors.Is(err, bucket.ErrAbsent) {
		return pointed{}, nil
	}
	if err != nil {
		return pointed{}, refused(err)
	}
	var p pointer
	if err := json.Unmarshal(o.Text, &p); err != nil || !load.ValidRun(p.Run) || p != b.pointer(p.Run) {
		return pointed{}, &load.Refusal{Err: fmt.Errorf("%s names no snapshot of this program: move it away", b.at.URL(pointerName))}
	}
	return pointed{p.Run, o.ETag}, nil
}

// readStanding reads the pointer, and looks further where it leads to nothing
// whole. It returns nil if nothing was ever published.
func (b *Bucket) readStanding(ctx context.Context) (*inBucket, error) {
	for {
		p, err := b.readPointer(ctx)
		if err != nil {
			return nil, err
		}
		s, err := b.findStanding(ctx, p)
		if err != nil || !s.isLost() {
			return inBucketOf(s, p), refused(err)
		}
		// Others may have published meanwhile, and removed what was looked at.
		if now, err := b.readPointer(ctx); err != nil || now == p {
			return inBucketOf(s, p), err
		}
	}
}

func inBucketOf(s *standing, p pointed) *inBucket {
	if s == nil {
		return nil
	}
	return &inBucket{*s, p.etag}
}

// findStanding finds what stands if the pointer is this.
func (b *Bucket) findStanding(ctx context.Context, p pointed) (*standing, error) {
	why, text := b.at.URL(pointerName)+" is gone", []byte(nil)
	if p.run != "" {
		m, raw, err := b.readManifest(ctx, p.run)
		if err == nil {
			return &standing{run: p.run, named: p.run, manifest: m}, nil
		}
		if !isBrokenObject(err) {
			return nil, fmt.Errorf("%s shows run %s, but its manifest can't be read: %w", b.at.URL(pointerName), p.run, err)
		}
		why, text = fmt.Sprintf("%s shows run %s, whose manifest is lost or broken (%v)", b.at.URL(pointerName), p.run, err), raw
	}
	runs, _, err := b.runs(ctx)
	if err != nil || p.run == "" && len(runs) == 0 {
		return nil, err
	}
	found, err := b.newestWhole(ctx, runs)
	if err != nil {
		return nil, fmt.Errorf("look for a whole snapshot: %w", err)
	}
	return without(p.run, why, found, text), nil
}

// readManifest reads the manifest of a run's snapshot, and returns its text, too.
func (b *Bucket) readManifest(ctx context.Context, run string) (*load.Manifest, []byte, error) {
	o, err := b.at.Get(ctx, path.Join(snapshots, run, manifestName))
	if err != nil {
		return nil, nil, err
	}
	m, err := parseManifest(o.Text, run)
	return m, o.Text, err
}

// isBrokenObject tells whether a manifest is not there, or not what was written.
func isBrokenObject(err error) bool {
	var failed *bucket.Error
	return errors.Is(err, bucket.ErrAbsent) || !errors.As(err, &failed) && !load.Refuses(err)
}

// newestWhole returns the manifest of the newest snapshot whose manifest is valid
// and whose objects are there; nil if there is none. runs are sorted.
func (b *Bucket) newestWhole(ctx context.Context, runs []string) (*load.Manifest, error) {
	for i := len(runs) - 1; i >= 0; i-- {
		m, _, err := b.readManifest(ctx, runs[i])
		if err != nil && !isBrokenObject(err) {
			return nil, err
		}
		if err != nil || !m.Intact() {
			continue
		}
		sizes, err := b.sizes(ctx, runs[i])
		if err != nil {
			return nil, err
		}
		if hasFiles(m, sizes.has) {
			return m, nil
		}
	}
	return nil, nil
}

// Published returns the manifest of the snapshot that current.json shows, or of
// the newest whole one where it leads to nothing whole.
func (b *Bucket) Published(ctx context.Context) (*load.Manifest, error) {
	p, err := b.readStanding(ctx)
	return p.look().shown(), err
}

// fence puts the pointer anew, which shows what it showed, so that every request
// to replace the one that was read is refused from now on, however late it comes.
func (b *Bucket) fence(ctx context.Context, p *inBucket) error {
	text, err := b.pointerText(p.named)
	if err != nil {
		return err
	}
	fresh, err := b.putPointer(ctx, text, p.etag)
	if err == nil {
		p.etag = fresh
	}
	return err
}

// pointerText is a text of current.json that no other has: equal texts have equal
// ETags, and a pointer that became what it had been would let late requests pass.
// What makes it unique are blanks at its end, which no reader of JSON sees.
func (b *Bucket) pointerText(run string) ([]byte, error) {
	text, err := json.Marshal(b.pointer(run))
	if err != nil {
		return nil, err
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("make the pointer unique: %w", err)
	}
	for _, x := range id {
		for bit := range 8 {
			text = append(text, " \t"[x>>bit&1])
		}
	}
	return append(text, '\n'), nil
}

// putPointer replaces the pointer that was read, and returns the new one's ETag.
func (b *Bucket) putPointer(ctx context.Context, text []byte, etag string) (string, error) {
	fresh, err := b.at.Swap(ctx, pointerName, text, etag)
	if errors.Is(err, bucket.ErrLost) {
		return "", fmt.Errorf("%w: %w", load.ErrOvertaken, err)
	}
	return fresh, err
}
