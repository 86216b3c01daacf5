package parquet

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"path"

	"roistat-etl/internal/bucket"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

// Verify audits what is published in the bucket as [Verify] does in a folder.
// One file at a time is fetched into the scratch folder.
func (b *Bucket) Verify(ctx context.Context, each func(load.Finding) error) error {
	p, err := b.readStanding(ctx)
	if err != nil {
		return err
	}
	if err := verifyLink(b.at.String(), p.look(), each); err != nil || p.manifest == nil {
		return err
	}
	known, err := verifyFiles(ctx, p.manifest, each, func(t *schemas.Table, f load.ManifestFile) (int64, error) {
		name := path.Join(snapshots, p.run, f.Path)
		rows, err := b.audit(ctx, name, t, f)
		return rows, named(b.at.URL(name), err)
	})
	if err != nil {
		return err
	}
	o, err := b.at.Get(ctx, path.Join(snapshots, p.run, viewsName))
	place := func(name string) string { return b.at.URL(path.Join(snapshots, p.run, name)) }
	if err := verifyTexts(p.manifest, place, o.Text, err, each); err != nil {
		return err
	}
	return b.verifyOthers(ctx, p.run, known, each)
}

// audit fetches a file, compares it with its entry and returns its rows.
func (b *Bucket) audit(ctx context.Context, name string, t *schemas.Table, f load.ManifestFile) (rows int64, err error) {
	file, err := unnamed(b.scratch)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := sha256.New()
	err = b.at.Fetch(ctx, name, f.Bytes, io.MultiWriter(file, hash))
	if errors.Is(err, bucket.ErrAbsent) {
		return 0, errors.New("the file is missing")
	}
	if err != nil {
		return 0, err
	}
	return auditSum(ctx, file, f.Bytes, hash.Sum(nil), t, f)
}

// verifyOthers reports objects that the manifest doesn't name.
func (b *Bucket) verifyOthers(ctx context.Context, run string, known map[string]bool, each func(load.Finding) error) error {
	for e, err := range b.at.List(ctx, snapshotKey(run), false) {
		if err != nil {
			return err
		}
		if name := e.Name[len(snapshotKey(run)):]; !known[name] {
			if err := each(stranger("object", b.at.URL(e.Name), name)); err != nil {
				return err
			}
		}
	}
	return nil
}
