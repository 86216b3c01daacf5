package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"roistat-etl/extract/backup"
	"roistat-etl/extract/mirror"
	"roistat-etl/pipeline/config"
)

// reading is a mirror that is only read: the pipeline's own file or, on a machine
// that has none, the latest copy of it, in a folder that goes when it is closed.
type reading struct {
	*mirror.Reader
	dir   string        // of the copy; empty: none
	store *backup.Store // where the copy is from; nil: it is no copy
}

// read opens the mirror for reading. It fails with fs.ErrNotExist if there is
// neither a file nor a copy.
func read(ctx context.Context, p *config.Pipeline) (*reading, error) {
	m, err := mirror.OpenReader(ctx, p.Mirror)
	if err == nil {
		return &reading{Reader: m}, nil
	}
	if p.MirrorBackup == "" || !errors.Is(err, fs.ErrNotExist) {
		return nil, mirrorError(ctx, err)
	}
	r, err := readCopy(ctx, p, err)
	return r, holdError(ctx, err)
}

// readCopy reads the latest copy. If there is none it returns absent.
func readCopy(ctx context.Context, p *config.Pipeline, absent error) (_ *reading, err error) {
	r := &reading{}
	if r.dir, err = os.MkdirTemp("", "roistat-etl-*"); err != nil {
		return nil, fmt.Errorf("read the mirror's copy: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(r.dir))
		}
	}()
	store, err := backup.Open(p.MirrorBackup)
	if err != nil {
		return nil, classed(Misconfigured, "mirror_backup: %w", err)
	}
	path := filepath.Join(r.dir, filepath.Base(p.Mirror))
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	latest, err := store.Copy(ctx, path)
	if err != nil {
		return nil, err
	}
	if latest == nil {
		return nil, absent
	}
	r.store = store
	r.Reader, err = mirror.OpenReader(ctx, path)
	return r, err
}

// readIfAny opens the mirror like read does. Of a pipeline that never ran it
// gives one without a Reader.
func readIfAny(ctx context.Context, p *config.Pipeline) (*reading, error) {
	m, err := read(ctx, p)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, mirror.ErrEmpty) {
		return &reading{}, nil
	}
	return m, err
}

// Close closes the mirror and removes the copy.
func (r *reading) Close() error {
	if r.Reader == nil {
		return nil
	}
	err := r.Reader.Close()
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	if r.store != nil {
		err = errors.Join(err, r.store.Close())
	}
	return err
}
