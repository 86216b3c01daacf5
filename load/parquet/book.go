package parquet

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/apache/arrow/go/v17/parquet/compress"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// book keeps account of a snapshot under construction, wherever it is built.
type book struct {
	run    load.Run
	writer string
	parts  []load.Partition          // in their order
	reuse  map[key]load.ManifestFile // published files that can be linked or copied

	unchanged bool // nothing is built: exactly this is published
	checked   bool // it belongs to what only has to be shown

	sinks sync.Pool // *sink

	mu    sync.Mutex                // guards the two below
	state map[key]progress          // of each of parts
	files map[key]load.ManifestFile // written, linked or copied
}

// key names a partition.
type key struct {
	table schemas.ID
	month string
}

// progress is how far a partition is.
type progress uint8

const (
	due progress = iota
	begun
	done
)

func keyOf(p load.Partition) key { return key{p.Table, p.Month} }

// newBook finds out which partitions are published already, by a manifest, which
// may be nil; there tells whether a file of it is where it should be.
func newBook(run load.Run, writer string, parts []load.Partition, before *load.Manifest, there func(load.ManifestFile) bool) (*book, error) {
	b := &book{
		run: run, writer: writer, parts: parts,
		reuse: map[key]load.ManifestFile{}, state: map[key]progress{}, files: map[key]load.ManifestFile{},
	}
	for _, p := range parts {
		if _, twice := b.state[keyOf(p)]; twice {
			return nil, fmt.Errorf("%s is to be written twice", p)
		}
		b.state[keyOf(p)] = due
		if f, ok := before.Same(p, writer); ok && !run.Rebuilds(p) && there(f) {
			b.reuse[keyOf(p)] = f
		}
	}
	return b, nil
}

// stands tells whether the manifest shows exactly these partitions, all there.
func (b *book) stands(before *load.Manifest) bool {
	return before != nil && b.run.Rebuild == nil && len(b.reuse) == len(b.parts) && before.Shows(b.parts, b.writer, b.run.Mirror) && before.Intact()
}

// start marks the partition as begun.
func (b *book) start(p load.Partition) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if state, ok := b.state[keyOf(p)]; !ok || state != due {
		return fmt.Errorf("%s was not to be written, or was written already", p)
	}
	b.state[keyOf(p)] = begun
	return nil
}

// write lets a partition's file be made, or taken from what is published.
func (b *book) write(ctx context.Context, p load.Partition, take func(load.ManifestFile) error, fresh func() (load.ManifestFile, error)) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := b.start(p); err != nil {
		return err
	}
	f, published := b.reuse[keyOf(p)]
	var err error
	switch {
	case b.unchanged:
	case published:
		err = take(f)
	default:
		f, err = fresh()
	}
	if err != nil {
		return err
	}
	b.finish(p, f)
	return nil
}

// check lets the snapshot be completed by its manifest, unless there is nothing to build.
func (b *book) check(ctx context.Context, complete func(*load.Manifest) error) (*load.Manifest, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	m, err := b.manifest()
	if err != nil {
		return nil, err
	}
	if !b.unchanged {
		if err := complete(m); err != nil {
			return nil, err
		}
	}
	b.checked = true
	return m, nil
}

// finish enters the partition's file.
func (b *book) finish(p load.Partition, f load.ManifestFile) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state[keyOf(p)], b.files[keyOf(p)] = done, f
}

// manifest describes the files; it fails if one was not written.
func (b *book) manifest() (*load.Manifest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := load.NewManifest(b.run, b.writer)
	for _, p := range b.parts {
		if b.state[keyOf(p)] != done {
			return nil, fmt.Errorf("%s was not written", p)
		}
		m.Add(p.Table, b.files[keyOf(p)])
	}
	return m, nil
}

// texts completes the manifest and returns it beside the views, both as they are published.
func (b *book) texts(m *load.Manifest, views string) (manifest, sql []byte, err error) {
	m.Views = sum256([]byte(views))
	manifest, err = m.Encode()
	if err == nil {
		_, err = load.ParseManifest(manifest) // or nobody could read it, the next run neither
	}
	return manifest, []byte(views), err
}

// views returns the text of views.sql for a snapshot whose files lie where place says.
func (b *book) views(place func(path string) string) string {
	zone := b.run.ReportTimezone
	if zone == "" {
		zone = "UTC"
	}
	return schemas.DuckDBViews(func(t *schemas.Table) (out []string) {
		for _, p := range b.parts {
			if p.Table == t.ID {
				out = append(out, place(filePath(p.Table, p.Month)))
			}
		}
		return out
	}, zone)
}

// writeFile encodes a partition into a new file, which is its entry's from then on.
func (b *book) writeFile(ctx context.Context, file io.Writer, codec compress.Compression, p load.Partition, rows load.Rows) (load.ManifestFile, error) {
	f := load.ManifestFile{Path: filePath(p.Table, p.Month), Partition: p.Month, Rows: p.Rows, Digest: p.Digest}
	s, ok := b.sinks.Get().(*sink)
	if !ok {
		s = newSink()
	}
	defer b.sinks.Put(s)
	w, err := s.file(ctx, file, schemas.Get(p.Table), codec, p.LargestRow, rows)
	if err == nil && w.rows != p.Rows {
		err = fmt.Errorf("%d rows came, there should be %d", w.rows, p.Rows)
	}
	f.Bytes, f.SHA256 = w.bytes, w.sha256
	return f, err
}

// confirm reads a new file with the independent reader.
func confirm(ctx context.Context, file *os.File, t *schemas.Table, f load.ManifestFile) error {
	info, err := file.Stat()
	if err == nil {
		_, err = compare(ctx, file, info.Size(), t, f)
	}
	if err != nil {
		return fmt.Errorf("the file was read back: %w", err)
	}
	return nil
}
