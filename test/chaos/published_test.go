package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"roistat-etl/load"
	"roistat-etl/load/parquet"
)

// snapshot is what readers see: all rows, by client.
type snapshot struct {
	run     string
	dir     string
	live    int64
	counts  map[string]int64
	clients map[int64]rows // 0: rows of no client
	mirror  map[int64]mirrored
	faults  []string
}

// mirrored are the columns of a client's row that come from the mirror.
type mirrored struct{ fetched, gone string }

// errNothing says that nothing is published.
var errNothing = errors.New("nothing is published")

// resolve follows the link, or the pointer in a bucket, once.
func resolve(root string) (string, error) {
	if text, err := os.ReadFile(filepath.Join(root, "current.json")); err == nil {
		var p struct{ Prefix string }
		err := json.Unmarshal(text, &p)
		return filepath.Join(filepath.Dir(root), filepath.FromSlash(p.Prefix)), err
	}
	target, err := os.Readlink(filepath.Join(root, "current"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNothing
	}
	return filepath.Join(root, target), err
}

func readManifest(dir string) (*load.Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, "_manifest.json"))
	if err != nil {
		return nil, err
	}
	m := &load.Manifest{}
	return m, json.Unmarshal(text, m)
}

// sums are the SHA-256 of all files of a snapshot, as they lie there.
func sums(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		rel, err := filepath.Rel(dir, name)
		out[filepath.ToSlash(rel)] = hex.EncodeToString(sum[:])
		return err
	})
	return out, err
}

// readSnapshot reads everything that is published, and notes what contradicts itself.
func readSnapshot(root string) (*snapshot, error) {
	dir, err := resolve(root)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	s := &snapshot{run: m.Run, dir: dir, live: m.LiveClients, counts: map[string]int64{}, clients: map[int64]rows{}, mirror: map[int64]mirrored{}}
	for name, t := range m.Tables {
		seen := map[string]bool{}
		for _, f := range t.Files {
			n, err := s.readFile(name, filepath.Join(dir, filepath.FromSlash(f.Path)), f, seen)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Path, err)
			}
			s.counts[name] += n
		}
		if s.counts[name] != t.Rows {
			s.faults = append(s.faults, fmt.Sprintf("%s has %d rows, the manifest says %d", name, s.counts[name], t.Rows))
		}
	}
	if _, err := os.Stat(filepath.Join(root, "current.json")); err == nil {
		return s, nil // there the program is asked
	}
	err = parquet.Verify(context.Background(), root, func(r load.Finding) error {
		if !r.OK {
			s.faults = append(s.faults, fmt.Sprintf("the second reader finds %s %s: %s", r.Table, r.Partition, r.Detail))
		}
		return nil
	})
	return s, err
}

func (s *snapshot) readFile(table, name string, f load.ManifestFile, seen map[string]bool) (n int64, err error) {
	last := ""
	err = eachRecord(name, func(rec arrow.Record) {
		last = s.readRecord(table, f, rec, seen, last)
		n += rec.NumRows()
	})
	return n, err
}

// eachRecord calls do for each record of a file.
func eachRecord(name string, do func(arrow.Record)) error {
	r, err := file.OpenParquetFile(name, false)
	if err != nil {
		return err
	}
	defer r.Close()
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	t, err := reader.ReadTable(context.Background())
	if err != nil {
		return err
	}
	defer t.Release()
	records := array.NewTableReader(t, 0)
	defer records.Release()
	for records.Next() {
		do(records.Record())
	}
	return records.Err()
}

// readRecord takes rows up. They come sorted, each event once, in its month.
func (s *snapshot) readRecord(table string, f load.ManifestFile, rec arrow.Record, seen map[string]bool, last string) string {
	for i := range int(rec.NumRows()) {
		fields := map[string]string{}
		for j, c := range rec.Schema().Fields() {
			fields[c.Name] = cellText(rec.Column(j), i)
		}
		id, _ := strconv.ParseInt(fields["client_id"], 10, 64) // none: rows of no client
		if event, ok := fields["event_id"]; ok {
			if seen[event] {
				s.faults = append(s.faults, fmt.Sprintf("%s: the event_id %s is there twice", table, event))
			}
			seen[event] = true
			if !strings.HasPrefix(fields["occurred_at"], f.Partition) {
				s.faults = append(s.faults, fmt.Sprintf("%s: %s lies in month %s", table, fields["occurred_at"], f.Partition))
			}
			order := fmt.Sprintf("%012d %s %s", id, fields["occurred_at"], event)
			if order <= last {
				s.faults = append(s.faults, fmt.Sprintf("%s %s: %s comes after %s", table, f.Partition, order, last))
			}
			last = order
		}
		if table == "clients" {
			if s.mirror[id].fetched != "" {
				s.faults = append(s.faults, fmt.Sprintf("client %d has two rows", id))
			}
			s.mirror[id] = mirrored{fields["feed_fetched_at"], fields["gone_at"]}
		}
		s.take(table, id, fields)
	}
	return last
}

// take keeps the columns of a row that the truth has.
func (s *snapshot) take(table string, id int64, fields map[string]string) {
	for _, name := range []string{"extra", "raw", "first_seen_at", "gone_at", "feed_fetched_at"} {
		delete(fields, name)
	}
	if table == "rejects" && fields["source"] == "clients" {
		delete(fields, "ordinal")
	}
	if s.clients[id] == nil {
		s.clients[id] = rows{}
	}
	s.clients[id][table] = append(s.clients[id][table], rowText(fields))
}

func cellText(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return null
	}
	switch a := a.(type) {
	case *array.Timestamp:
		return time.UnixMilli(int64(a.Value(i))).UTC().Format("2006-01-02T15:04:05.000Z")
	case *array.Date32:
		return a.Value(i).ToTime().Format(time.DateOnly)
	case *array.Decimal128:
		return a.Value(i).ToString(2)
	case *array.Map:
		start, end := a.ValueOffsets(i)
		var pairs []string
		for j := start; j < end; j++ {
			pairs = append(pairs, cellText(a.Keys(), int(j))+"="+cellText(a.Items(), int(j)))
		}
		return "{" + strings.Join(pairs, "|") + "}"
	}
	return a.ValueStr(i)
}

// everyCell looks at each text of a snapshot, those that the truth doesn't have
// among them.
func everyCell(dir string, look func(where string, text []byte)) error {
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	for table, t := range m.Tables {
		for _, f := range t.Files {
			err := eachRecord(filepath.Join(dir, filepath.FromSlash(f.Path)), func(rec arrow.Record) {
				for j, c := range rec.Schema().Fields() {
					for i := range int(rec.NumRows()) {
						look(table+"."+c.Name, []byte(cellText(rec.Column(j), i)))
					}
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
