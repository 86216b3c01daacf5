package parquet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v17/parquet/compress"

	"roistat-etl/internal/folder"
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

	Log *slog.Logger // is told what is waited for; nil: nobody is
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
	log  *slog.Logger
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
	if strings.Contains(root, `\`) && strings.ContainsAny(root, "*?[") {
		return nil, fmt.Errorf("the path %q holds a backslash and a sign of a pattern (*, ? or [), which DuckDB can't tell apart in views.sql: give another", root)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Destination{format: f, root: root, disk: realDisk(), log: o.Log}, nil
}

// String names the destination.
func (d *Destination) String() string { return "parquet " + d.root }

// Begin starts a publishing in a folder of its own, or finds that there is
// nothing to publish.
func (d *Destination) Begin(ctx context.Context, run load.Run, parts []load.Partition) (load.Stage, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	guard, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	s, err := d.begin(run, parts)
	return orAbort(ctx, s, errors.Join(err, guard.Close()))
}

// open makes the folder if it is absent, and takes its lock.
func (d *Destination) open(ctx context.Context) (*os.File, error) {
	if _, err := readLink(d.root); err != nil { // a disk that is not mounted, or something of another's
		return nil, err
	}
	if err := folder.Make(filepath.Join(d.root, snapshots), dirMode); err != nil {
		return nil, classify(fmt.Errorf("make the folder: %w", err))
	}
	return d.takeLock(ctx, lockWait)
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
	before, err := readStanding(d.root)
	if err != nil {
		return nil, err
	}
	if err := before.admits(run); err != nil {
		return nil, err
	}
	if err := d.repairModes(); err != nil {
		return nil, classify(fmt.Errorf("let the group read the snapshots: %w", err))
	}
	s, err := d.newStage(run, parts, before)
	if err != nil || s.unchanged {
		return s, err
	}
	return s, s.makeFolder()
}

// removeLeftovers removes the staging folders that no living process holds, and
// links that were never moved into place. Whatever doesn't bear the name of a run
// is not ours. The caller holds the lock.
func (d *Destination) removeLeftovers() error {
	stale, err := listOurs(filepath.Join(d.root, snapshots), staging, fs.ModeDir)
	if err != nil {
		return err
	}
	for _, dir := range stale {
		if err := d.removeDead(dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{d.root, filepath.Join(d.root, snapshots)} {
		if err := d.removeTrials(dir); err != nil {
			return err
		}
	}
	links, err := listOurs(d.root, flipping, fs.ModeSymlink)
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

// listOurs lists what is of the given kind in a folder, and named by a run behind a prefix.
func listOurs(dir, prefix string, kind fs.FileMode) (out []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if run, ok := strings.CutPrefix(e.Name(), prefix); ok && load.ValidRun(run) && e.Type() == kind {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, err
}

// removeDead removes a folder under construction, unless a living process is at
// work on it. One without a lock is dead: it is made, and shown, under the lock
// that the caller holds.
func (d *Destination) removeDead(dir string) error {
	lock := filepath.Join(dir, lockName)
	if _, err := os.Lstat(lock); errors.Is(err, fs.ErrNotExist) {
		return d.disk.remove(dir)
	}
	held, err := d.holdFile(lock)
	if err != nil || held == nil {
		return err
	}
	return errors.Join(d.disk.remove(dir), held.Close())
}

// repairModes lets the group read what was made under a tight umask: the folder,
// and all snapshots in it. What belongs to another user is left as it is.
func (d *Destination) repairModes() error {
	runs, err := listRuns(d.root)
	if err != nil {
		return err
	}
	for _, dir := range []string{d.root, filepath.Join(d.root, snapshots)} {
		if err := d.repairMode(dir, dirMode); err != nil {
			return err
		}
	}
	for _, run := range runs {
		err := filepath.WalkDir(d.snapshot(run), func(name string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir():
				return d.repairMode(name, dirMode)
			case e.Name() == partName || e.Name() == manifestName || e.Name() == viewsName:
				return d.repairMode(name, fileMode)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Destination) repairMode(name string, mode fs.FileMode) error {
	if err := d.disk.chmod(name, mode); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
