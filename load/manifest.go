package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"roistat-etl/schemas"
)

// ManifestSchema is the version of the manifest's form.
const ManifestSchema = 1

// Manifest is what a destination shows: the run it stems from, and every
// partition with its digest. Its JSON is the _manifest.json of a Parquet
// snapshot.
type Manifest struct {
	Schema      int                      `json:"schema"`
	Run         string                   `json:"run"`
	Pipeline    string                   `json:"pipeline"`
	Project     string                   `json:"project"`
	Mirror      string                   `json:"mirror"`
	Writer      string                   `json:"writer"` // what wrote the files, and how
	LiveClients int64                    `json:"live_clients"`
	Tables      map[string]ManifestTable `json:"tables"`
	Views       string                   `json:"views"`    // SHA-256 of views.sql, where there is one
	Checksum    string                   `json:"checksum"` // SHA-256 of this text with "" in its place

	// Unlinked says why readers are not led here, although it is the newest whole
	// snapshot that is left, and what mends it. Empty: they are led here.
	Unlinked string `json:"-"`
}

// ManifestTable is a table of a manifest. Rows is the sum over its files.
type ManifestTable struct {
	Version int            `json:"version"`
	Rows    int64          `json:"rows"`
	Files   []ManifestFile `json:"files"`
}

// ManifestFile is a partition of a manifest. Destinations without files leave
// Path, Bytes and SHA256 empty.
type ManifestFile struct {
	Path      string `json:"path"`      // relative to the snapshot's folder, with slashes
	Partition string `json:"partition"` // as Partition.Month
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	SHA256    string `json:"sha256"` // lower-case hexadecimal
	Digest    Digest `json:"digest"`
}

// NewManifest starts the manifest of a run: all tables, without files yet.
func NewManifest(run Run, writer string) *Manifest {
	m := &Manifest{
		Schema: ManifestSchema, Run: run.Run, Pipeline: run.Pipeline, Project: run.Project, Mirror: run.Mirror,
		Writer: writer, LiveClients: run.LiveClients, Tables: map[string]ManifestTable{},
	}
	for _, t := range schemas.Tables() {
		m.Tables[t.Name] = ManifestTable{Version: t.Version, Files: []ManifestFile{}}
	}
	return m
}

// Add appends a file to its table and counts its rows.
func (m *Manifest) Add(id schemas.ID, f ManifestFile) {
	t := m.Tables[id.String()]
	t.Rows += f.Rows
	t.Files = append(t.Files, f)
	m.Tables[id.String()] = t
}

// Find returns the file of a partition, or false.
func (m *Manifest) Find(id schemas.ID, partition string) (ManifestFile, bool) {
	for _, f := range m.Tables[id.String()].Files {
		if f.Partition == partition {
			return f, true
		}
	}
	return ManifestFile{}, false
}

// Same tells whether the partition is published with these rows in the present
// version of its table by the given writer, and returns its file.
func (m *Manifest) Same(p Partition, writer string) (ManifestFile, bool) {
	if m == nil || m.Writer != writer || m.Tables[p.Table.String()].Version != schemas.Get(p.Table).Version {
		return ManifestFile{}, false
	}
	f, ok := m.Find(p.Table, p.Month)
	return f, ok && f.Rows == p.Rows && f.Digest == p.Digest
}

// Shows tells whether exactly these partitions are published, by the given
// writer from the given mirror: then there is nothing to publish.
func (m *Manifest) Shows(list []Partition, writer, mirror string) bool {
	if m == nil || m.Mirror != mirror {
		return false
	}
	files := 0
	for _, t := range m.Tables {
		files += len(t.Files)
	}
	for _, p := range list {
		if _, ok := m.Same(p, writer); !ok {
			return false
		}
	}
	return files == len(list)
}

// Encode sets the checksum and returns the manifest as indented JSON.
func (m *Manifest) Encode() ([]byte, error) {
	sum, err := m.checksum()
	if err != nil {
		return nil, err
	}
	m.Checksum = sum
	return m.text()
}

func (m *Manifest) text() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the manifest: %w", err)
	}
	return append(b, '\n'), nil
}

func (m *Manifest) checksum() (string, error) {
	bare := *m
	bare.Checksum = ""
	text, err := bare.text()
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

// Intact tells whether a manifest that was read says what was written. It finds
// changes by hand, not forgery: whoever wants can write another checksum.
func (m *Manifest) Intact() bool {
	sum, err := m.checksum()
	return err == nil && sum == m.Checksum
}

// IntactText tells whether a text is a manifest as it was written, also by another
// version of the program, whose form this one doesn't know.
func IntactText(text []byte) bool {
	const before, digits = `"checksum": "`, 2 * sha256.Size
	at := bytes.LastIndex(text, []byte(before))
	if at < 0 || at+len(before)+digits > len(text) {
		return false
	}
	at += len(before)
	sum := sha256.New()
	sum.Write(text[:at])
	sum.Write(text[at+digits:])
	return hex.EncodeToString(sum.Sum(nil)) == string(text[at:at+digits])
}

// ParseManifest reads what Encode wrote. It is strict: an unknown key, table or
// form, a file named twice and sums that don't add up are errors.
func ParseManifest(text []byte) (*Manifest, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	m := &Manifest{}
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read the manifest: something follows its end")
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	return m, nil
}

func (m *Manifest) check() error {
	if m.Schema != ManifestSchema {
		return fmt.Errorf("it has form %d, this program knows %d", m.Schema, ManifestSchema)
	}
	if !ValidRun(m.Run) {
		return fmt.Errorf("%q is no run", m.Run)
	}
	for name, t := range m.Tables {
		if _, ok := schemas.ByName(name); !ok {
			return fmt.Errorf("the table %q is unknown", name)
		}
		if err := t.check(); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	if len(m.Tables) != schemas.NumTables {
		return fmt.Errorf("it has %d tables instead of %d", len(m.Tables), schemas.NumTables)
	}
	return nil
}

func (t ManifestTable) check() error {
	rows, seen := int64(0), map[string]bool{}
	for _, f := range t.Files {
		if f.Rows < 0 || f.Bytes < 0 {
			return fmt.Errorf("partition %q has a negative number", f.Partition)
		}
		if seen[f.Partition] {
			return fmt.Errorf("partition %q is named twice", f.Partition)
		}
		seen[f.Partition] = true
		rows += f.Rows
	}
	if rows != t.Rows {
		return fmt.Errorf("its files have %d rows together, but it says %d", rows, t.Rows)
	}
	if len(t.Files) == 0 {
		return errors.New("it has no files")
	}
	return nil
}
