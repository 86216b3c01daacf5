package parquet

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/xitongsys/parquet-go/parquet"
	"github.com/xitongsys/parquet-go/reader"
	"pgregory.net/rapid"

	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

// yieldOnce gives batches, which it releases to the receiver.
func yieldOnce(recs ...arrow.Record) load.Rows {
	return func(yield func(arrow.Record, error) bool) {
		for _, rec := range recs {
			rec.Retain()
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// file encodes batches.
func file(t interface{ Fatal(...any) }, id schemas.ID, codec string, recs ...arrow.Record) []byte {
	if err := registerZstd(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c, _ := codecByName(codec)
	w, err := newSink().file(context.Background(), &out, schemas.Get(id), c, 0, yieldOnce(recs...))
	if err != nil {
		t.Fatal(err)
	}
	if w.bytes != int64(out.Len()) {
		t.Fatal(fmt.Sprintf("%d bytes, it says %d", out.Len(), w.bytes))
	}
	return out.Bytes()
}

// spoolDigest is the digest of a batch as load sees it: all months together.
func spoolDigest(t interface{ Fatal(...any) }, id schemas.ID, rec arrow.Record) (rows int64, d [2]uint64) {
	s, err := load.NewSpool("")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, err := s.Encode(id, rec)
	if err == nil {
		err = s.Append(e)
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range n.Partitions() {
		rows += p.Rows
		d[0] += binary.BigEndian.Uint64(p.Digest[:8])
		d[1] += binary.BigEndian.Uint64(p.Digest[8:])
	}
	return rows, d
}

// What pqarrow writes, parquet-go reads alike: every table, every value.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		id := schemas.ID(rapid.IntRange(0, schemas.NumTables-1).Draw(t, "table"))
		codec := rapid.SampledFrom([]string{"zstd", "snappy", "gzip", "none"}).Draw(t, "codec")
		rng := seeded(rapid.Uint64().Draw(t, "seed"))
		one := loadtest.Batch(mem, schemas.Get(id), rng, rapid.IntRange(0, 60).Draw(t, "rows"))
		cut := rapid.Int64Range(0, one.NumRows()).Draw(t, "cut")
		a, b := one.NewSlice(0, cut), one.NewSlice(cut, one.NumRows())
		text := file(t, id, codec, a, b)
		sum, err := readBack(context.Background(), bytes.NewReader(text), int64(len(text)), schemas.Get(id))
		if err != nil {
			t.Fatal(err)
		}
		rows, want := spoolDigest(t, id, one)
		got := sum.Digest()
		if sum.Rows != rows || binary.BigEndian.Uint64(got[:8]) != want[0] || binary.BigEndian.Uint64(got[8:]) != want[1] {
			t.Fatalf("%s: %d rows %s, want %d rows %016x", id, sum.Rows, got, rows, want)
		}
		for _, rec := range []arrow.Record{a, b, one} {
			rec.Release()
		}
		if n := mem.CurrentAlloc(); n != 0 {
			t.Fatalf("%d bytes were not released", n)
		}
	})
}

// Rows of many pages, row groups and dictionaries that grow too large.
func TestLargeFilesAreReadBack(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	rec := loadtest.Plain(mem, schemas.Get(schemas.Orders), seeded(1), maxGroupRows+1000)
	defer rec.Release()
	text := file(t, schemas.Orders, "zstd", rec)
	sum, err := readBack(context.Background(), bytes.NewReader(text), int64(len(text)), schemas.Get(schemas.Orders))
	if err != nil {
		t.Fatal(err)
	}
	rows, want := spoolDigest(t, schemas.Orders, rec)
	if d := sum.Digest(); sum.Rows != rows || binary.BigEndian.Uint64(d[:8]) != want[0] {
		t.Errorf("%d rows %s, want %d rows %016x", sum.Rows, d, rows, want)
	}
	if groups := footer(t, text).RowGroups; len(groups) != 2 || groups[0].NumRows != maxGroupRows {
		t.Errorf("%d row groups", len(groups))
	}
}

func footer(t *testing.T, text []byte) *parquet.FileMetaData {
	t.Helper()
	f := &independent{in: bytes.NewReader(text)}
	r := &reader.ParquetReader{NP: 1, PFile: f.section(0, int64(len(text)))}
	if err := r.ReadFooter(); err != nil {
		t.Fatal(err)
	}
	return r.Footer
}

func TestFileForm(t *testing.T) {
	for _, table := range schemas.Tables() {
		t.Run(table.Name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			rec := loadtest.Plain(mem, table, seeded(1), 100)
			defer rec.Release()
			f := footer(t, file(t, table.ID, "zstd", rec))
			if len(f.KeyValueMetadata) != 0 || f.GetCreatedBy() != createdBy {
				t.Errorf("metadata %v, created by %q", f.KeyValueMetadata, f.GetCreatedBy())
			}
			if err := checkSchema(f.Schema, table); err != nil {
				t.Error(err)
			}
			for i, chunk := range f.RowGroups[0].Columns {
				checkChunk(t, table, i, chunk.MetaData)
			}
		})
	}
}

func checkChunk(t *testing.T, table *schemas.Table, i int, m *parquet.ColumnMetaData) {
	t.Helper()
	name := m.PathInSchema[0]
	c := table.Columns[table.Column(name)]
	if m.Codec != parquet.CompressionCodec_ZSTD || m.Statistics == nil {
		t.Errorf("%s: codec %s, statistics %v", name, m.Codec, m.Statistics)
	}
	allowed := []parquet.Encoding{parquet.Encoding_PLAIN, parquet.Encoding_RLE}
	if c.Kind == schemas.Enum {
		allowed = append(allowed, parquet.Encoding_RLE_DICTIONARY, parquet.Encoding_PLAIN_DICTIONARY)
	}
	if m.IsSetDictionaryPageOffset() != (c.Kind == schemas.Enum) {
		t.Errorf("%s (column %d) has a dictionary: %t", name, i, m.IsSetDictionaryPageOffset())
	}
	for _, e := range m.Encodings {
		if !slices.Contains(allowed, e) {
			t.Errorf("%s is written in %s", name, e)
		}
	}
}

// A reader skips what the statistics exclude: they must be true.
func TestStatisticsAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewGoAllocator()
		table := schemas.Get(schemas.ID(rapid.IntRange(0, schemas.NumTables-1).Draw(t, "table")))
		rec := loadtest.Batch(mem, table, seeded(rapid.Uint64().Draw(t, "seed")), rapid.IntRange(1, 40).Draw(t, "rows"))
		defer rec.Release()
		text := file(t, table.ID, "none", rec)
		f := &independent{in: bytes.NewReader(text)}
		r, err := reader.NewParquetColumnReader(f.section(0, int64(len(text))), 1)
		_ = err // it opens files of its own, which a section can't
		if r == nil || r.Footer == nil {
			t.Fatalf("%v", err)
		}
		for i, chunk := range r.Footer.RowGroups[0].Columns {
			if table.Columns[min(i, len(table.Columns)-1)].Kind == schemas.Map {
				return // nothing after it is in its place
			}
			if msg := falseStatistics(table.Columns[i], rec.Column(i), chunk.MetaData.Statistics); msg != "" {
				t.Fatalf("%s.%s: %s", table.Name, table.Columns[i].Name, msg)
			}
		}
	})
}

// falseStatistics compares the statistics with the column; "" if they are true.
func falseStatistics(c schemas.Column, a arrow.Array, s *parquet.Statistics) string {
	if s.IsSetNullCount() && s.GetNullCount() != int64(a.NullN()) {
		return fmt.Sprintf("%d nulls, there are %d", s.GetNullCount(), a.NullN())
	}
	if s.MinValue == nil || s.MaxValue == nil {
		return ""
	}
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		if v, ok := number(a, i); ok {
			if low, high := little(s.MinValue), little(s.MaxValue); v < low || v > high {
				return fmt.Sprintf("%d is not within %d and %d", v, low, high)
			}
		} else if c.Kind == schemas.Text || c.Kind == schemas.Enum {
			if v := a.ValueStr(i); v < string(s.MinValue) || v > string(s.MaxValue) {
				return fmt.Sprintf("%q is not within %q and %q", v, s.MinValue, s.MaxValue)
			}
		}
	}
	return ""
}

func little(b []byte) int64 {
	switch len(b) {
	case 8:
		return int64(binary.LittleEndian.Uint64(b))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return math.MinInt64
}

// A damaged file is an error, never a panic, and never right.
func TestDamagedFiles(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	rec := loadtest.Plain(mem, schemas.Get(schemas.Orders), seeded(1), 50)
	defer rec.Release()
	text := file(t, schemas.Orders, "zstd", rec)
	_, want := spoolDigest(t, schemas.Orders, rec)
	harmless := 0
	for at := 4; at < len(text); at += 7 {
		bad := slices.Clone(text)
		bad[at] ^= 0x55
		sum, err := readBack(context.Background(), bytes.NewReader(bad), int64(len(bad)), schemas.Get(schemas.Orders))
		if d := sum.Digest(); err == nil && binary.BigEndian.Uint64(d[:8]) == want[0] {
			harmless++ // statistics, names, sizes that nobody reads: their SHA-256 finds it
		}
	}
	if harmless > len(text)/7*2/3 {
		t.Errorf("%d of %d damages changed nothing", harmless, len(text)/7)
	}
	for _, n := range []int{0, 3, 8, 12, len(text) / 2, len(text) - 1} {
		if _, err := readBack(context.Background(), bytes.NewReader(text[:n]), int64(n), schemas.Get(schemas.Orders)); err == nil {
			t.Errorf("%d bytes of it are read", n)
		}
	}
}

func TestAnotherTablesFileIsRefused(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	for _, table := range schemas.Tables() {
		rec := loadtest.Plain(mem, table, seeded(1), 2)
		text := file(t, table.ID, "zstd", rec)
		rec.Release()
		for _, other := range schemas.Tables() {
			_, err := readBack(context.Background(), bytes.NewReader(text), int64(len(text)), other)
			if (err == nil) != (other == table) {
				t.Errorf("a file of %s as one of %s: %v", table.Name, other.Name, err)
			}
		}
	}
}

func TestEncodeHandsTheSinksErrorOn(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	if err := registerZstd(); err != nil {
		t.Fatal(err)
	}
	rec := loadtest.Batch(mem, schemas.Get(schemas.Orders), seeded(1), 2000)
	defer rec.Release()
	whole := len(file(t, schemas.Orders, "none", rec))
	codec, _ := codecByName("none")
	for room := 0; room < whole; room += whole/40 + 1 {
		f := &fullFile{discard{}, room}
		if _, err := newSink().file(context.Background(), f, schemas.Get(schemas.Orders), codec, 0, yieldOnce(rec)); err == nil || !strings.Contains(err.Error(), errDisk.Error()) {
			t.Errorf("with room for %d of %d bytes the error is %v", room, whole, err)
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }

func TestVerifyFinds(t *testing.T) {
	in := func(d *Destination, path string) string { return filepath.Join(d.snapshot(run(1).Run), path) }
	clients := filePath(schemas.Clients, "")
	cases := map[string]struct {
		do                       func(d *Destination) error
		table, partition, detail string
	}{
		"a lost file":      {func(d *Destination) error { return os.Remove(in(d, clients)) }, "clients", "", "missing"},
		"a short file":     {func(d *Destination) error { return os.Truncate(in(d, clients), 20) }, "clients", "", "20 bytes"},
		"an empty file":    {func(d *Destination) error { return os.Truncate(in(d, clients), 0) }, "clients", "", "0 bytes"},
		"a changed byte":   {func(d *Destination) error { return change(in(d, clients), 40) }, "clients", "", "sha256"},
		"another file":     {func(d *Destination) error { return os.WriteFile(in(d, "clients/part-0001.parquet"), nil, 0o600) }, "clients", "", "clients/part-0001.parquet"},
		"a foreign file":   {func(d *Destination) error { return os.WriteFile(in(d, "notes.txt"), nil, 0o600) }, "", "", "notes.txt"},
		"no views":         {func(d *Destination) error { return os.Remove(in(d, viewsName)) }, "", "", "views.sql"},
		"other views":      {func(d *Destination) error { return change(in(d, viewsName), 3) }, "", "", "views.sql was changed"},
		"a foreign folder": {func(d *Destination) error { return os.Mkdir(in(d, "visits/month=1999-01"), 0o750) }, "visits", "", "/visits/month=1999-01"},
		"a closed file":    {func(d *Destination) error { return os.Chmod(in(d, clients), 0o600) }, "clients", "", "the mode 0600"},
		"a closed folder":  {func(d *Destination) error { return os.Chmod(in(d, "visits"), 0o700) }, "", "", "visits: it has the mode 0700"},
		"a closed text":    {func(d *Destination) error { return os.Chmod(in(d, manifestName), 0o600) }, "", "", "_manifest.json: it has the mode 0600"},
		"other rows":       {otherRows, "clients", "", "digest"},
		"a folder in it":   {func(d *Destination) error { return folderInstead(in(d, clients)) }, "clients", "", "is a directory"},
		"a wrong month":    {func(d *Destination) error { return os.Truncate(in(d, filePath(schemas.Visits, "2025-01")), 9) }, "visits", "2025-01", "9 bytes"},
		"another's table":  {swapTables, "clients", "", "another schema"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDestination(t, Options{})
			mustPublish(t, d, run(1), worldOf(t, 2))
			if err := c.do(d); err != nil {
				t.Fatal(err)
			}
			bad := audit(t, d.root)
			if len(bad) != 1 || bad[0].Table != c.table || bad[0].Partition != c.partition || !strings.Contains(bad[0].Detail, c.detail) || !strings.Contains(bad[0].Detail, d.root) {
				t.Errorf("it finds %+v", bad)
			}
		})
	}
}

// TestVerifyFindsAFlippedByteAnywhere flips bytes from the first to the last of a file.
func TestVerifyFindsAFlippedByteAnywhere(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	name := filepath.Join(d.snapshot(run(1).Run), filePath(schemas.Clients, ""))
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	size := int(info.Size())
	for at := 0; at < size; at += 1 + size/61 {
		for _, at := range []int{at, size - 1 - at} {
			if err := change(name, at); err != nil {
				t.Fatal(err)
			}
			if bad := audit(t, d.root); len(bad) != 1 || bad[0].Table != "clients" {
				t.Errorf("byte %d of %d: it finds %+v", at, size, bad)
			}
			if err := change(name, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if bad := audit(t, d.root); len(bad) != 0 {
		t.Errorf("what was put right is still wrong: %+v", bad)
	}
}

// TestVerifyFindsAManifestChangedByHand changes each value of a manifest in turn.
func TestVerifyFindsAManifestChangedByHand(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	name := filepath.Join(d.snapshot(run(1).Run), manifestName)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	value := regexp.MustCompile(`"[a-z0-9_]+": ("[^"]*"|[0-9]+)`)
	places := value.FindAllSubmatchIndex(text, -1)
	if len(places) < 8+2*schemas.NumTables {
		t.Fatalf("only %d values are found", len(places))
	}
	for _, at := range places {
		digit := at[3] - 1 // the last of a number or a text
		if text[digit] == '"' {
			digit--
		}
		if text[digit] == '"' || text[digit] == ' ' {
			digit = at[3] - 1
		}
		bad := bytes.Clone(text)
		if bad[digit] == '"' { // an empty text gets a letter
			bad = slices.Insert(bad, digit, 'x')
		} else if bad[digit]++; bad[digit] > '9' && bad[digit] < 'a' {
			bad[digit] = '1'
		}
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		found := 0
		err := Verify(context.Background(), d.root, func(r load.Finding) error {
			if !r.OK {
				found++
			}
			return nil
		})
		if err == nil && found == 0 {
			t.Errorf("it doesn't find that %s became another", text[at[0]:at[1]])
		}
	}
}

func change(name string, at int) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	b[at] ^= 1
	return os.WriteFile(name, b, 0o600)
}

func folderInstead(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.Mkdir(name, 0o750)
}

// edit changes the entry of clients in the manifest.
func edit(d *Destination, do func(*load.ManifestFile)) error {
	dir := d.snapshot(run(1).Run)
	m, _, err := readManifest(dir, run(1).Run)
	if err != nil {
		return err
	}
	do(&m.Tables["clients"].Files[0])
	text, err := m.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestName), text, 0o600)
}

func otherRows(d *Destination) error {
	return edit(d, func(f *load.ManifestFile) { f.Digest[0]++ })
}

// swapTables puts another table's file, with its right sum, in the place of clients.
func swapTables(d *Destination) error {
	dir := d.snapshot(run(1).Run)
	m, _, err := readManifest(dir, run(1).Run)
	if err != nil {
		return err
	}
	other := m.Tables["rejects"].Files[0]
	b, err := os.ReadFile(filepath.Join(dir, other.Path))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, filePath(schemas.Clients, "")), b, 0o600); err != nil {
		return err
	}
	return edit(d, func(f *load.ManifestFile) { f.Bytes, f.SHA256 = other.Bytes, other.SHA256 })
}

func TestVerifyStops(t *testing.T) {
	d := newDestination(t, Options{})
	if err := Verify(context.Background(), d.root, nil); err == nil || !strings.Contains(err.Error(), ErrNothing.Error()) {
		t.Errorf("nothing is published: %v", err)
	}
	mustPublish(t, d, run(1), worldOf(t, 2))
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err := Verify(ctx, d.root, func(load.Finding) error { n++; cancel(); return nil })
	if n != 1 || err == nil {
		t.Errorf("after %d results: %v", n, err)
	}
	err = Verify(context.Background(), d.root, func(load.Finding) error { return errDisk })
	if err == nil || !strings.Contains(err.Error(), errDisk.Error()) {
		t.Errorf("the receiver's error is %v", err)
	}
}

// number is the value as Parquet stores it, if it is a number there.
func number(a arrow.Array, i int) (int64, bool) {
	switch a := a.(type) {
	case *array.Int64:
		return a.Value(i), true
	case *array.Timestamp:
		return int64(a.Value(i)), true
	case *array.Date32:
		return int64(a.Value(i)), true
	case *array.Decimal128:
		return int64(a.Value(i).LowBits()), true
	}
	return 0, false
}
