package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"roistat-etl/load"
)

// mending is what helps where readers are led to no whole snapshot.
const mending = "the next run mends it, `roistat-etl verify --repair` at once and without a call"

// standing is what a destination shows or, where readers are led to nothing
// whole, the newest whole snapshot that is left.
type standing struct {
	run      string         // of the manifest; "" if no whole snapshot is left
	manifest *load.Manifest // nil if no whole snapshot is left

	named string // the run that readers are led to; "" if nothing leads anywhere
	lost  string // why that is not the manifest's snapshot; "" if it is
	owner string // the mirror that the broken manifest of the named run speaks of, if no whole snapshot is left
}

// shown is the manifest; nil if there is none.
func (s *standing) shown() *load.Manifest {
	if s == nil || s.manifest == nil {
		return nil
	}
	m := *s.manifest
	m.Unlinked = s.lost
	return &m
}

// isLost tells whether readers are led to nothing whole.
func (s *standing) isLost() bool { return s != nil && s.lost != "" }

// sameAs tells whether readers are led to the same as before, however that was.
func (s *standing) sameAs(other *standing) bool {
	if s == nil || other == nil {
		return s == nil && other == nil
	}
	return s.run == other.run && s.named == other.named && s.lost == other.lost
}

// admits checks what load.Admit does, and that a snapshot of which the owner
// alone can still be told is not another mirror's.
func (s *standing) admits(run load.Run) error {
	if s != nil && s.owner != "" && s.owner != run.Mirror && !run.Adopt {
		return fmt.Errorf("run %s of mirror %s: %w", s.named, s.owner, load.ErrForeign)
	}
	return load.Admit(run, s.shown())
}

// without is what stands where the snapshot that readers are led to is broken,
// and why. found is the newest whole one, nil if none is left.
func without(named, why string, found *load.Manifest, text []byte) *standing {
	s := &standing{named: named, manifest: found}
	if found == nil {
		s.owner = ownerOf(text)
		s.lost = fmt.Sprintf("%s, and no snapshot beside it is whole: %s", why, mending)
		return s
	}
	s.run = found.Run
	s.lost = fmt.Sprintf("%s; the newest whole snapshot is %s: %s", why, found.Run, mending)
	return s
}

// ownerOf is the mirror that a manifest speaks of, broken as it may be; "" if
// that can't be told.
func ownerOf(text []byte) string {
	var m struct {
		Mirror string `json:"mirror"`
	}
	if json.Unmarshal(text, &m) != nil {
		return ""
	}
	return m.Mirror
}

// readStanding resolves the link once, and looks further where that leads to
// nothing whole. It returns nil if nothing was ever published.
func readStanding(root string) (*standing, error) {
	for {
		named, err := readLink(root)
		if err != nil {
			return nil, err
		}
		s, err := findStanding(root, named)
		if err != nil || !s.isLost() {
			return s, err
		}
		// Others may have published meanwhile, and removed what was looked at.
		if now, err := readLink(root); err != nil || now == named {
			return s, err
		}
	}
}

// findStanding finds what stands if the link names this run.
func findStanding(root, named string) (*standing, error) {
	why, text := filepath.Join(root, current)+" is gone", []byte(nil)
	if named != "" {
		m, raw, err := readManifest(snapshotIn(root, named), named)
		if err == nil {
			return &standing{run: named, named: named, manifest: m}, nil
		}
		if !isBroken(err) {
			return nil, classify(fmt.Errorf("%s points to run %s, but its manifest can't be read: %w", filepath.Join(root, current), named, err))
		}
		why, text = fmt.Sprintf("%s points to run %s, whose manifest is lost or broken (%v)", filepath.Join(root, current), named, err), raw
	}
	runs, err := listRuns(root)
	if err != nil {
		return nil, classify(fmt.Errorf("look for a whole snapshot: %w", err))
	}
	if named == "" && len(runs) == 0 {
		return nil, nil
	}
	found, err := newestWhole(root, runs)
	if err != nil {
		return nil, classify(fmt.Errorf("look for a whole snapshot: %w", err))
	}
	return without(named, why, found, text), nil
}

// readLink returns the run that the link names; "" if there is no link.
func readLink(root string) (string, error) {
	link := filepath.Join(root, current)
	target, err := os.Readlink(link)
	if errors.Is(err, fs.ErrNotExist) {
		return "", leadsNowhere(root)
	}
	if err != nil {
		if _, statErr := os.Lstat(link); statErr == nil {
			return "", &load.Refusal{Err: fmt.Errorf("%s is no link, so it was not published by this program: move it away: %w", link, err)}
		}
		return "", classify(fmt.Errorf("resolve what is published: %w", err))
	}
	run, ok := strings.CutPrefix(filepath.ToSlash(target), snapshots+"/")
	if !ok || !load.ValidRun(run) {
		return "", &load.Refusal{Err: fmt.Errorf("%s points to %q, which is no snapshot of this program: move it away", link, target)}
	}
	return run, nil
}

// leadsNowhere fails if the folder of the tables is a link to what isn't there: a
// disk that is not mounted is not one on which nothing was ever published.
func leadsNowhere(root string) error {
	_, there := os.Lstat(root)
	if _, err := os.Stat(root); there == nil && err != nil {
		return classify(fmt.Errorf("%s leads nowhere: is the disk mounted? %w", root, err))
	}
	return nil
}

// isBroken tells whether a manifest is not there, or not what was written: then
// waiting won't help. Any other error says nothing of it.
func isBroken(err error) bool {
	var failed syscall.Errno
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		return true
	}
	return !errors.As(err, &failed) && !load.Refuses(err)
}

// newestWhole returns the manifest of the newest snapshot whose manifest is valid
// and whose files are there; nil if there is none. runs are sorted.
func newestWhole(root string, runs []string) (*load.Manifest, error) {
	for _, run := range slices.Backward(runs) {
		m, _, err := readManifest(snapshotIn(root, run), run)
		if err != nil && !isBroken(err) {
			return nil, err
		}
		if err == nil && m.Intact() && hasFiles(m, fileIn(snapshotIn(root, run))) {
			return m, nil
		}
	}
	return nil, nil
}

// hasFiles tells whether all files of a manifest are there.
func hasFiles(m *load.Manifest, there func(load.ManifestFile) bool) bool {
	for _, t := range m.Tables {
		for _, f := range t.Files {
			if !there(f) {
				return false
			}
		}
	}
	return true
}

// fileIn tells whether a file is in a snapshot's folder, with its size.
func fileIn(dir string) func(load.ManifestFile) bool {
	return func(f load.ManifestFile) bool {
		info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(f.Path)))
		return err == nil && info.Mode().IsRegular() && info.Size() == f.Bytes
	}
}

// snapshotIn is the folder of a run's snapshot.
func snapshotIn(root, run string) string { return filepath.Join(root, snapshots, run) }

// listRuns lists the snapshots, oldest first. Whatever else lies there is not ours.
func listRuns(root string) (out []string, err error) {
	entries, err := os.ReadDir(filepath.Join(root, snapshots)) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() && load.ValidRun(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// readManifest reads a snapshot's manifest, and returns its text, too.
func readManifest(dir, run string) (*load.Manifest, []byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, nil, err
	}
	m, err := parseManifest(text, run)
	return m, text, err
}

// Published returns the manifest of the snapshot that the link points to, or of
// the newest whole one where it leads to nothing whole.
func (d *Destination) Published(ctx context.Context) (*load.Manifest, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	s, err := readStanding(d.root)
	return s.shown(), err
}
