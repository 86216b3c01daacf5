package load

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"roistat-etl/load/internal/row"
	"roistat-etl/schemas"
)

const (
	spoolBudget = 32 << 20  // of all partitions' buffers together
	pageSize    = 16 << 10  // of a buffer
	writeBuffer = 256 << 10 // before the file
	keepEncoded = 4 << 20   // a larger one is not used again

	frame = 4 // bytes before each row in the file: its length
)

var (
	errClosed = errors.New("the spool is closed")
	errSealed = errors.New("the spool is sealed")
)

// Spool takes the rows of all tables, splits them into partitions, and keeps
// them in one temporary file that has no name, so that nothing stays behind
// whatever happens. Rows of a partition keep the order in which they came.
//
// Encode may be called from many goroutines at once, also beside Append; Append,
// Seal and Close by one. After an error of Append or Seal the spool can only be
// closed.
type Spool struct {
	file     *os.File
	out      *bufio.Writer
	written  int64
	parts    map[partKey]*part
	free     [][]byte // pages to use again
	pages    int      // made so far
	maxPages int
	encoders sync.Pool // *row.Encoder
	encoded  sync.Pool // *Encoded
	failed   error
}

type partKey struct {
	table schemas.ID
	month month
}

// part is the rows of one partition: first those in the file, then those in pages.
type part struct {
	sum     Sum
	largest int // bytes of a row
	chunks  []chunk
	pages   [][]byte // full but for the last
}

// chunk is a piece of the file.
type chunk struct{ offset, size int64 }

// NewSpool makes a spool whose file lies in dir, which must exist. The file is
// private to the user.
func NewSpool(dir string) (*Spool, error) { return newSpool(dir, spoolBudget/pageSize) }

func newSpool(dir string, maxPages int) (*Spool, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	if err := removeSpools(dir); err != nil {
		return nil, fmt.Errorf("remove the spool of a dead run: %w", err)
	}
	f, err := createSpool(dir)
	if err != nil {
		return nil, fmt.Errorf("make the spool: %w", err)
	}
	if err := remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("unlink the spool: %w", err), f.Close())
	}
	return &Spool{file: f, out: bufio.NewWriterSize(f, writeBuffer), parts: map[partKey]*part{}, maxPages: maxPages}, nil
}

// The names that spools have for a moment: the prefix, and 32 hexadecimal digits.
const (
	spoolPrefix = ".spool-"
	spoolDigits = 32
)

// createSpool makes a file for its owner alone.
func createSpool(dir string) (*os.File, error) {
	var id [spoolDigits / 2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, spoolPrefix+hex.EncodeToString(id[:])), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// isSpool tells whether a file is a spool's. Whatever only begins like one is
// somebody else's.
func isSpool(e fs.DirEntry) bool {
	digits, ok := strings.CutPrefix(e.Name(), spoolPrefix)
	return ok && e.Type().IsRegular() && len(digits) == spoolDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// removeSpools unlinks the files of runs that died between making and unlinking
// one. That of a living run is about to be unlinked anyway.
func removeSpools(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if isSpool(e) {
			if err := remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove unlinks a file; one that is gone already is no error.
func remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Encoded is the rows of a record batch, ready to be appended. It belongs to the
// spool that made it, and is given back by Append.
type Encoded struct {
	table schemas.ID
	bytes []byte
	runs  []run
}

// run is neighbouring rows of one month, which end at a position in bytes.
type run struct {
	month   month
	end     int
	sum     Sum
	largest int // bytes of a row
}

// Rows returns the number of rows.
func (e *Encoded) Rows() (n int64) {
	for _, r := range e.runs {
		n += r.sum.Rows
	}
	return n
}

// Encode turns a record batch of the table into rows. The batch is borrowed. It
// fails on a batch of another schema, a null in a column that has none, an
// amount of more than 18 digits, and map keys that don't ascend.
func (s *Spool) Encode(id schemas.ID, rec arrow.Record) (*Encoded, error) {
	enc, ok := s.encoders.Get().(*row.Encoder)
	if !ok {
		enc = &row.Encoder{}
	}
	defer s.encoders.Put(enc)
	defer enc.Unbind()
	e, ok := s.encoded.Get().(*Encoded)
	if !ok {
		e = &Encoded{}
	}
	e.table, e.bytes, e.runs = id, e.bytes[:0], e.runs[:0]
	t := schemas.Get(id)
	if err := enc.Bind(t, rec); err != nil {
		return nil, fmt.Errorf("encode rows: %w", err)
	}
	if err := e.take(enc, t, int(rec.NumRows())); err != nil {
		return nil, fmt.Errorf("encode rows: %w", err)
	}
	return e, nil
}

// take encodes n rows and hashes them.
func (e *Encoded) take(enc *row.Encoder, t *schemas.Table, n int) error {
	var cal calendar
	at, m := t.Column("occurred_at"), whole
	for i := range n {
		var err error
		if t.Partition == schemas.Monthly {
			if m, err = cal.of(enc.Int(at, i)); err != nil {
				return fmt.Errorf("%s, row %d: %w", t.Name, i, err)
			}
		}
		if err := e.add(enc, m, i); err != nil {
			return err
		}
	}
	return nil
}

// add encodes row i.
func (e *Encoded) add(enc *row.Encoder, m month, i int) (err error) {
	start := len(e.bytes)
	if e.bytes, err = enc.Append(append(e.bytes, make([]byte, frame)...), i); err != nil {
		return err
	}
	size := len(e.bytes) - start - frame
	if size > row.MaxValue {
		return fmt.Errorf("%s, row %d has %d bytes, more than can be written", e.table, i, size)
	}
	binary.LittleEndian.PutUint32(e.bytes[start:], uint32(size))
	if len(e.runs) == 0 || e.runs[len(e.runs)-1].month != m {
		e.runs = append(e.runs, run{month: m})
	}
	last := &e.runs[len(e.runs)-1]
	last.end = len(e.bytes)
	last.sum.Add(e.bytes[start+frame:])
	last.largest = max(last.largest, size)
	return nil
}

// Append adds the rows to their partitions. e must not be used afterwards.
func (s *Spool) Append(e *Encoded) error {
	if s.failed != nil {
		return s.failed
	}
	start := 0
	for _, r := range e.runs {
		if err := s.add(partKey{e.table, r.month}, e.bytes[start:r.end], r); err != nil {
			s.failed = fmt.Errorf("spill rows of %s: %w", e.table, err)
			return s.failed
		}
		start = r.end
	}
	if cap(e.bytes) <= keepEncoded {
		s.encoded.Put(e)
	}
	return nil
}

func (s *Spool) add(key partKey, rows []byte, r run) error {
	p := s.parts[key]
	if p == nil {
		p = &part{}
		s.parts[key] = p
	}
	p.sum.Merge(r.sum)
	p.largest = max(p.largest, r.largest)
	for len(rows) > 0 {
		if n := len(p.pages); n == 0 || len(p.pages[n-1]) == pageSize {
			page, err := s.page()
			if err != nil {
				return err
			}
			p.pages = append(p.pages, page)
		}
		last := &p.pages[len(p.pages)-1]
		n := min(pageSize-len(*last), len(rows))
		*last = append(*last, rows[:n]...)
		rows = rows[n:]
	}
	return nil
}

// page returns an empty page; if the budget is spent, the largest buffer is
// written out first, so that pieces of the file are long.
func (s *Spool) page() ([]byte, error) {
	if len(s.free) == 0 && s.pages < s.maxPages {
		s.pages++
		return make([]byte, 0, pageSize), nil
	}
	if len(s.free) == 0 {
		if err := s.flush(s.largest()); err != nil {
			return nil, err
		}
	}
	page := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return page, nil
}

// largest returns the part with the most pages.
func (s *Spool) largest() (largest *part) {
	for _, p := range s.parts {
		if largest == nil || len(p.pages) > len(largest.pages) {
			largest = p
		}
	}
	return largest
}

// flush moves the part's pages to the file.
func (s *Spool) flush(p *part) error {
	start := s.written
	for _, page := range p.pages {
		n, err := s.out.Write(page)
		s.written += int64(n)
		if err != nil {
			return err
		}
		s.free = append(s.free, page[:0])
	}
	clear(p.pages)
	p.pages = p.pages[:0]
	if n := len(p.chunks); n > 0 && p.chunks[n-1].offset+p.chunks[n-1].size == start {
		p.chunks[n-1].size += s.written - start
	} else if s.written > start {
		p.chunks = append(p.chunks, chunk{start, s.written - start})
	}
	return nil
}

// Seal ends the appending and gives the rows as a snapshot. Those still in memory
// stay there; the rest is read from the spool's file. So the spool must not be
// closed before the last row was read.
func (s *Spool) Seal() (*Snapshot, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	s.failed = errSealed
	s.free = nil
	if err := s.out.Flush(); err != nil {
		return nil, fmt.Errorf("spill rows: %w", err)
	}
	return &Snapshot{file: s.file, parts: s.parts}, nil
}

// Close gives up the file and its space.
func (s *Spool) Close() error {
	s.failed, s.free, s.parts = errClosed, nil, nil
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("close the spool: %w", err)
	}
	return nil
}
