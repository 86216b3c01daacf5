package parquet

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

var errDisk = errors.New("the disk is full")

func TestConformance(t *testing.T) { loadtest.Run(t, harness) }

func harness(t *testing.T) loadtest.Harness {
	d := newDestination(t, Options{})
	return loadtest.Harness{
		Destination: d,
		Read:        func(ctx context.Context) (loadtest.Content, error) { return readAll(ctx, d.root) },
		Leftovers:   func() ([]string, error) { return leftovers(d.root) },
		Break:       func(step loadtest.Step) { d.disk = brokenDisk(step) },
	}
}

// readAll reads the files behind the link, not the manifest.
func readAll(ctx context.Context, root string) (loadtest.Content, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(root, current))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readSnapshot(ctx, dir)
}

func readSnapshot(ctx context.Context, dir string) (loadtest.Content, error) {
	out := loadtest.Content{}
	for _, table := range schemas.Tables() {
		files, err := filepath.Glob(filepath.Join(dir, table.Name, "month=*", partName))
		if err != nil {
			return nil, err
		}
		if table.Partition == schemas.Whole {
			files = []string{filepath.Join(dir, table.Name, partName)}
		}
		for _, name := range files {
			d, err := digestOf(ctx, name, table)
			if err != nil {
				return nil, err
			}
			key := table.Name
			if _, month, ok := strings.Cut(filepath.Base(filepath.Dir(name)), "month="); ok {
				key += " " + month
			}
			out[key] = d
		}
	}
	return out, nil
}

func digestOf(ctx context.Context, name string, table *schemas.Table) (load.Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return load.Digest{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return load.Digest{}, err
	}
	sum, err := readBack(ctx, f, info.Size(), table)
	return sum.Digest(), err
}

// leftovers lists what is neither the link nor a snapshot that was published.
func leftovers(root string) (out []string, err error) {
	for _, dir := range []string{root, filepath.Join(root, snapshots)} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if name := e.Name(); name != current && name != snapshots && name != lockName && !load.ValidRun(name) {
				out = append(out, name)
			}
		}
	}
	target, err := os.Readlink(filepath.Join(root, current))
	if err != nil {
		target = ""
	}
	runs, err := listRuns(root)
	for _, run := range runs {
		if run > filepath.Base(target) || target == "" {
			out = append(out, "unpublished "+run)
		}
	}
	return out, err
}

// brokenDisk fails in the given step.
func brokenDisk(step loadtest.Step) disk {
	d := realDisk()
	switch step {
	case loadtest.Write:
		d.create = func(name string) (io.WriteCloser, error) {
			f, err := createFile(name)
			return &fullFile{f, 100}, err
		}
	case loadtest.Check:
		d.sync = func(string) error { return errDisk }
	case loadtest.Commit:
		d.rename = func(from, to string) error {
			if filepath.Base(to) == current {
				return errDisk
			}
			return os.Rename(from, to)
		}
	}
	return d
}

// fullFile has room for a number of bytes.
type fullFile struct {
	io.WriteCloser
	room int
}

func (f *fullFile) Write(b []byte) (int, error) {
	if len(b) > f.room {
		n, err := f.WriteCloser.Write(b[:f.room])
		f.room -= n
		return n, errors.Join(err, errDisk)
	}
	f.room -= len(b)
	return f.WriteCloser.Write(b)
}
