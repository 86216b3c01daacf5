package parquet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"roistat-etl/internal/bucket"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

// ErrNothing says that nothing was ever published at a path.
var ErrNothing = errors.New("nothing is published")

// Verify audits what is published in the folder; see the function [Verify].
func (d *Destination) Verify(ctx context.Context, each func(load.Finding) error) error {
	return Verify(ctx, d.root, each)
}

// Verify audits the snapshot that is published at target, which it resolves once,
// with the reader that did not write it: every file of the manifest is there and
// has its size, SHA-256, rows and digest, manifest and views are as written, and
// nothing else is there. each gets
// the results in the order of the tables, foreign files last; its error ends the
// audit. Where the link is lost or leads to a broken manifest, the first result
// says so, and the newest whole snapshot is audited. Verify itself fails if nothing
// is published, or if that can't be told.
func Verify(ctx context.Context, target string, each func(load.Finding) error) error {
	root, err := filepath.Abs(target)
	if err != nil {
		return fmt.Errorf("find %s: %w", target, err)
	}
	p, err := readStanding(root)
	if err != nil {
		return err
	}
	if err := verifyLink(target, p, each); err != nil || p.shown() == nil {
		return err
	}
	dir := snapshotIn(root, p.run)
	known, err := verifyFiles(ctx, p.manifest, each, func(t *schemas.Table, f load.ManifestFile) (int64, error) {
		name := filepath.Join(dir, filepath.FromSlash(f.Path))
		rows, err := auditFile(ctx, name, t, f)
		return rows, named(name, err)
	})
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, viewsName))
	if err := verifyTexts(p.manifest, inFolder(dir), text, err, each); err != nil {
		return err
	}
	for _, name := range []string{root, filepath.Dir(dir), filepath.Join(dir, manifestName), filepath.Join(dir, viewsName)} {
		if err := verifyMode(name, each); err != nil {
			return err
		}
	}
	return verifyOthers(dir, known, each)
}

// verifyLink reports that readers are led to nothing whole, and fails if nothing
// was ever published.
func verifyLink(target string, p *standing, each func(load.Finding) error) error {
	switch {
	case p == nil:
		return fmt.Errorf("%s: %w", target, ErrNothing)
	case p.isLost():
		return each(load.Finding{Detail: p.lost})
	}
	return nil
}

// verifyFiles audits every file of the manifest in the order of the tables, and
// returns what a snapshot may hold.
func verifyFiles(ctx context.Context, m *load.Manifest, each func(load.Finding) error, audit func(*schemas.Table, load.ManifestFile) (int64, error)) (map[string]bool, error) {
	known := map[string]bool{manifestName: true, viewsName: true}
	for _, t := range schemas.Tables() {
		for _, f := range m.Tables[t.Name].Files {
			known[f.Path] = true
			r := load.Finding{Table: t.Name, Partition: f.Partition, Expected: f.Rows, Digest: f.Digest}
			rows, err := audit(t, f)
			if stop := context.Cause(ctx); stop != nil {
				return known, stop
			}
			r.Rows, r.OK, r.Detail = rows, err == nil, "size, sha256, rows and digest as in the manifest"
			if err != nil {
				r.Detail = err.Error()
			}
			if err := each(r); err != nil {
				return known, err
			}
		}
	}
	return known, nil
}

// named puts the name of a file before what is wrong with it.
func named(name string, err error) error {
	var at *fs.PathError
	if err == nil || errors.As(err, &at) { // which names it already
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// inFolder gives the files of a snapshot their paths.
func inFolder(dir string) func(name string) string {
	return func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
}

// verifyTexts reports what is wrong with the manifest, and with the views, of
// which readErr says why they could not be read. place gives the path of a file.
func verifyTexts(m *load.Manifest, place func(name string) string, views []byte, readErr error, each func(load.Finding) error) error {
	if !m.Intact() {
		if err := each(load.Finding{Detail: place(manifestName) + " was changed after it was written: its checksum is another"}); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(readErr, fs.ErrNotExist) || errors.Is(readErr, bucket.ErrAbsent):
		return each(load.Finding{Detail: place(viewsName) + " is missing"})
	case readErr != nil:
		return each(load.Finding{Detail: named(place(viewsName), readErr).Error()})
	case sum256(views) != m.Views:
		return each(load.Finding{Detail: place(viewsName) + " was changed after it was written"})
	}
	return nil
}

func sum256(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// auditFile compares a file with its entry and returns its rows.
func auditFile(ctx context.Context, name string, t *schemas.Table, f load.ManifestFile) (rows int64, err error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errors.New("the file is missing")
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := sha256.New()
	size, err := io.Copy(hash, &cancelled{ctx.Err, file})
	if err != nil {
		return 0, fmt.Errorf("read the file: %w", err)
	}
	if rows, err = auditSum(ctx, file, size, hash.Sum(nil), t, f); err != nil {
		return rows, err
	}
	info, err := file.Stat()
	if err == nil && closed(info) {
		err = errors.New(unreadable(info))
	}
	return rows, err
}

// closed tells whether the group may not read a file or folder that analysts read.
func closed(info fs.FileInfo) bool { return info.Mode().Perm()&modeOf(info) != modeOf(info) }

// modeOf is the mode that a file or folder should have.
func modeOf(info fs.FileInfo) fs.FileMode {
	if info.IsDir() {
		return dirMode
	}
	return fileMode
}

func unreadable(info fs.FileInfo) string {
	return fmt.Sprintf("it has the mode %04o, so the group can't read it: it should have %04o", info.Mode().Perm(), modeOf(info))
}

// verifyMode reports a file or folder that the group may not read. One that is not
// there is reported elsewhere.
func verifyMode(name string, each func(load.Finding) error) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return each(load.Finding{Detail: err.Error()})
	case closed(info):
		return each(load.Finding{Detail: name + ": " + unreadable(info)})
	}
	return nil
}

// auditSum compares a file that was read once with its entry, and returns its rows.
func auditSum(ctx context.Context, in io.ReaderAt, size int64, sum []byte, t *schemas.Table, f load.ManifestFile) (int64, error) {
	if got := hex.EncodeToString(sum); size == f.Bytes && got != f.SHA256 {
		return 0, fmt.Errorf("the file has the sha256 %s, the manifest says %s", got, f.SHA256)
	}
	return compare(ctx, in, size, t, f)
}

// verifyOthers reports files and folders that the manifest doesn't name.
func verifyOthers(dir string, known map[string]bool, each func(load.Finding) error) error {
	folders := map[string]bool{".": true}
	for name := range known {
		for name != "." {
			name = path.Dir(name)
			folders[name] = true
		}
	}
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		kind := "file"
		if e.IsDir() {
			kind = "folder"
		}
		if e.IsDir() && folders[rel] {
			return verifyMode(name, each)
		}
		if known[rel] {
			return nil
		}
		return each(stranger(kind, name, rel))
	})
}

// stranger reports what the manifest doesn't name: its path, and its name in the snapshot.
func stranger(kind, name, rel string) load.Finding {
	r := load.Finding{Detail: "the manifest doesn't name the " + kind + " " + name}
	if table, _, ok := strings.Cut(rel, "/"); ok {
		if _, ok := schemas.ByName(table); ok {
			r.Table = table
		}
	}
	return r
}
