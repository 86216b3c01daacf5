package parquet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v17/parquet/compress"

	"roistat-etl/load"
)

const (
	// createdBy stands in every file. Part of the writer's version: a change
	// writes all files anew.
	createdBy = "roistat-etl with parquet-go version 17.0.0"

	// form is raised when files are written otherwise than before.
	form = 1
)

// Options configures a destination.
type Options struct {
	Path        string // folder, made if absent; or s3://bucket/prefix
	Compression string // zstd (also if empty), snappy, gzip or none
	Keep        int    // snapshots that stay, the published one among them; 0 is 3
	Scratch     string // of a bucket: the folder where a file is until it is put; "" is the system's
}

// format is what the options say of the files.
type format struct {
	codec compress.Compression
	name  string // of the codec
	keep  int
}

// format fills in what the options leave out, and prepares the codec.
func (o Options) format() (format, error) {
	if o.Compression == "" {
		o.Compression = "zstd"
	}
	if o.Keep == 0 {
		o.Keep = 3
	}
	codec, ok := codecByName(o.Compression)
	if !ok {
		return format{}, fmt.Errorf("the compression %q is unknown: zstd, snappy, gzip or none", o.Compression)
	}
	if o.Keep < 1 {
		return format{}, fmt.Errorf("keep is %d, but the published snapshot always stays", o.Keep)
	}
	return format{codec, o.Compression, o.Keep}, registerZstd()
}

// Writer returns what manifests call the writer: files of another one are not linked.
func (f format) Writer() string {
	return fmt.Sprintf("%s, form %d, %s", createdBy, form, f.name)
}

// Destination is a folder of snapshots, as the package doc describes it. It is
// safe for concurrent use.
type Destination struct {
	format
	root string // absolute
	disk disk
}

// New makes a destination of a folder. It touches nothing.
func New(o Options) (*Destination, error) {
	f, err := o.format()
	if err != nil {
		return nil, err
	}
	if o.Path == "" || strings.Contains(o.Path, "://") {
		return nil, fmt.Errorf("the path %q is no folder", o.Path)
	}
	root, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", o.Path, err)
	}
	return &Destination{format: f, root: root, disk: realDisk()}, nil
}

// String names the destination.
func (d *Destination) String() string { return "parquet " + d.root }

// Begin starts a publishing in a folder of its own, or finds that there is
// nothing to publish.
func (d *Destination) Begin(ctx context.Context, run load.Run, parts []load.Partition) (load.Stage, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(d.root, snapshots), dirMode); err != nil {
		return nil, classify(fmt.Errorf("make the folder: %w", err))
	}
	guard, err := lock(ctx, filepath.Join(d.root, snapshots))
	if err != nil {
		return nil, classify(err)
	}
	s, err := d.begin(run, parts)
	return orAbort(ctx, s, errors.Join(err, guard.Close()))
}

// orAbort gives the stage, or an error and nothing left behind.
func orAbort(ctx context.Context, s *stage, err error) (load.Stage, error) {
	if err == nil {
		return s, nil
	}
	if s != nil {
		err = errors.Join(err, s.Abort(context.WithoutCancel(ctx)))
	}
	return nil, err
}

// begin does the work of Begin under the lock.
func (d *Destination) begin(run load.Run, parts []load.Partition) (*stage, error) {
	if err := d.removeLeftovers(); err != nil {
		return nil, classify(fmt.Errorf("remove what a dead run left: %w", err))
	}
	before, err := readPublished(d.root)
	if err != nil {
		return nil, err
	}
	if err := load.Admit(run, before.shown()); err != nil {
		return nil, err
	}
	s, err := d.newStage(run, parts, before)
	if err != nil || s.unchanged {
		return s, err
	}
	return s, s.makeFolder()
}

// removeLeftovers removes the staging folders that no living process holds, and
// links that were never moved into place. The caller holds the lock.
func (d *Destination) removeLeftovers() error {
	stale, err := filepath.Glob(filepath.Join(escape(d.root), snapshots, staging+"*"))
	if err != nil {
		return err
	}
	for _, dir := range stale {
		if err := d.removeDead(dir); err != nil {
			return err
		}
	}
	links, err := filepath.Glob(filepath.Join(escape(d.root), "."+current+"-*"))
	if err != nil {
		return err
	}
	for _, link := range links {
		if err := d.disk.remove(link); err != nil {
			return err
		}
	}
	return nil
}

func (d *Destination) removeDead(dir string) error {
	held, err := tryLock(dir)
	if err != nil || held == nil {
		return err
	}
	return errors.Join(d.disk.remove(dir), held.Close())
}

// escape makes a path of which a pattern can be made.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
