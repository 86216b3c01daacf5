package parquet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

const (
	snapshots    = "snapshots"
	current      = "current"
	manifestName = "_manifest.json"
	viewsName    = "views.sql"
	staging      = ".staging-" // before the RUN
	partName     = "part-0000.parquet"

	dirMode  = 0o750
	fileMode = 0o640
)

// filePath returns the path of a partition's file in its snapshot, with slashes.
func filePath(id schemas.ID, month string) string {
	if month == "" {
		return path.Join(id.String(), partName)
	}
	return path.Join(id.String(), "month="+month, partName)
}

// published is what the link points to.
type published struct {
	run      string
	dir      string // of the snapshot
	manifest *load.Manifest
}

// shown is the manifest; nil if nothing is published.
func (p *published) shown() *load.Manifest {
	if p == nil {
		return nil
	}
	return p.manifest
}

// readPublished resolves the link once. It returns nil if there is none.
func readPublished(root string) (*published, error) {
	link := filepath.Join(root, current)
	target, err := os.Readlink(link)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		if _, statErr := os.Lstat(link); statErr == nil {
			return nil, &load.Refusal{Err: fmt.Errorf("%s is no link, so it was not published by this program: %w", link, err)}
		}
		return nil, classify(fmt.Errorf("resolve what is published: %w", err))
	}
	run, ok := strings.CutPrefix(filepath.ToSlash(target), snapshots+"/")
	if !ok || !load.ValidRun(run) {
		return nil, &load.Refusal{Err: fmt.Errorf("%s points to %q, which is no snapshot of this program", link, target)}
	}
	p := &published{run: run, dir: filepath.Join(root, snapshots, run)}
	if p.manifest, err = readManifest(p.dir, run); err != nil {
		return nil, fmt.Errorf("%s points to %s, but its manifest can't be read: %w", link, target, err)
	}
	return p, nil
}

// readManifest reads a snapshot's manifest.
func readManifest(dir, run string) (*load.Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, classify(err)
	}
	return parseManifest(text, run)
}

// parseManifest reads the manifest of a run's snapshot and checks that it is its own.
func parseManifest(text []byte, run string) (*load.Manifest, error) {
	m, err := load.ParseManifest(text)
	if err != nil {
		return nil, err
	}
	if m.Run != run {
		return nil, fmt.Errorf("it is that of run %s", m.Run)
	}
	for name, t := range m.Tables {
		table, _ := schemas.ByName(name)
		for _, f := range t.Files {
			if want := filePath(table.ID, f.Partition); f.Path != want {
				return nil, fmt.Errorf("%s, partition %q: the path is %q, not %q", name, f.Partition, f.Path, want)
			}
		}
	}
	return m, nil
}

// classify makes a refusal of an error that trying again won't help.
func classify(err error) error {
	for _, final := range finalErrors() {
		if errors.Is(err, final) {
			return &load.Refusal{Err: err}
		}
	}
	return err
}

// Published returns the manifest of the snapshot that the link points to. A link
// that leads nowhere and a broken manifest are errors.
func (d *Destination) Published(ctx context.Context) (*load.Manifest, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	p, err := readPublished(d.root)
	if err != nil || p == nil {
		return nil, err
	}
	return p.manifest, nil
}
