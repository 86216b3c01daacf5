package load

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/load/internal/row"
	"roistat-etl/schemas"
)

const (
	maxBatchRows  = 16 << 10
	maxBatchBytes = 8 << 20
	readBuffer    = 256 << 10
)

// Partition is a part of a table that is published as a whole: a month of an
// event table, or one of the other tables.
type Partition struct {
	Table  schemas.ID
	Month  string // as 2025-01; NoMonth for an event table without rows; "" for a table that is not split
	Rows   int64
	Digest Digest

	LargestRow int // in bytes of the row encoding; 0: not known
}

// String names the partition, as visits 2025-01.
func (p Partition) String() string {
	if p.Month == "" {
		return p.Table.String()
	}
	return p.Table.String() + " " + p.Month
}

// Rows gives the rows of a partition, in their order, as record batches that the
// receiver releases. After an error it gives no more. It can be ranged over once
// or often, and stopping early leaks nothing.
type Rows = iter.Seq2[arrow.Record, error]

// Snapshot is the rows of all tables at one moment. It is safe for concurrent use.
type Snapshot struct {
	file    *os.File
	parts   map[partKey]*part
	readers sync.Pool // *bufio.Reader
}

// Partitions lists all partitions by table and month. Every table has at least one.
func (n *Snapshot) Partitions() []Partition {
	keys := make([]partKey, 0, len(n.parts))
	seen := [schemas.NumTables]bool{}
	for k := range n.parts {
		keys = append(keys, k)
		seen[k.table] = true
	}
	for id, ok := range seen {
		if !ok {
			keys = append(keys, partKey{schemas.ID(id), whole})
		}
	}
	slices.SortFunc(keys, func(a, b partKey) int {
		return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.month, b.month))
	})
	out := make([]Partition, len(keys))
	for i, k := range keys {
		out[i] = n.partition(k)
	}
	return out
}

func (n *Snapshot) partition(k partKey) Partition {
	p := Partition{Table: k.table, Month: k.month.String()}
	if part := n.parts[k]; part != nil {
		p.Rows, p.Digest, p.LargestRow = part.sum.Rows, part.sum.Digest(), part.largest
	}
	if k.table.IsEvents() && p.Rows == 0 {
		p.Month = NoMonth
	}
	return p
}

// Records gives the rows of one of the snapshot's partitions, in batches of at
// most 16,384 rows that end with the row that brings them to 8 MiB. Their memory
// comes from mem.
func (n *Snapshot) Records(ctx context.Context, mem memory.Allocator, p Partition) Rows {
	return func(yield func(arrow.Record, error) bool) {
		if err := n.records(ctx, mem, p, yield); err != nil && !errors.Is(err, errStopped) {
			yield(nil, fmt.Errorf("read back %s: %w", p, err))
		}
	}
}

// errStopped says that the receiver wants no more.
var errStopped = errors.New("stopped")

func (n *Snapshot) records(ctx context.Context, mem memory.Allocator, p Partition, yield func(arrow.Record, error) bool) error {
	part, err := n.find(p)
	if err != nil || part == nil {
		return err
	}
	d := row.NewDecoder(mem, schemas.Get(p.Table))
	defer d.Release()
	in := &rowReader{in: n.reader(part)}
	defer n.readers.Put(in.in)
	for left := part.sum.Rows; left > 0; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		d.Reserve(int(min(left, maxBatchRows)))
		if err := in.fill(d, left); err != nil {
			return err
		}
		left -= int64(d.Rows())
		if !yield(d.Record(), nil) {
			return errStopped
		}
	}
	return in.end()
}

// reader returns a reader of the part's bytes, whose buffer served others before.
func (n *Snapshot) reader(p *part) *bufio.Reader {
	from := &chunkReader{file: n.file, chunks: p.chunks, pages: p.pages}
	if r, ok := n.readers.Get().(*bufio.Reader); ok {
		r.Reset(from)
		return r
	}
	return bufio.NewReaderSize(from, readBuffer)
}

// find returns the part of a partition; nil if it has no rows.
func (n *Snapshot) find(p Partition) (*part, error) {
	m, err := parseMonth(p.Month)
	if err != nil {
		return nil, err
	}
	if part := n.parts[partKey{p.Table, m}]; part != nil {
		return part, nil
	}
	if p.Rows == 0 && m == whole {
		return nil, nil
	}
	return nil, errors.New("there is no such partition")
}

// rowReader takes rows out of a stream of them. A row that fits is not copied.
type rowReader struct {
	in    *bufio.Reader
	large []byte
}

// fill reads rows into the decoder until a batch is full or left rows are read.
func (r *rowReader) fill(d *row.Decoder, left int64) error {
	for size := 0; int64(d.Rows()) < left && d.Rows() < maxBatchRows && size < maxBatchBytes; {
		n, err := r.next(d)
		if err != nil {
			return err
		}
		size += n
	}
	return nil
}

// next reads one row and returns its size.
func (r *rowReader) next(d *row.Decoder) (int, error) {
	head, err := r.in.Peek(frame)
	if err != nil {
		return 0, noEOF(err)
	}
	n := int(binary.LittleEndian.Uint32(head))
	if n > row.MaxValue {
		return 0, fmt.Errorf("a row of %d bytes can't be", n)
	}
	if frame+n > r.in.Size() {
		return n, r.nextLarge(d, n)
	}
	b, err := r.in.Peek(frame + n)
	if err != nil {
		return 0, noEOF(err)
	}
	if err := d.Append(b[frame:]); err != nil {
		return 0, err
	}
	_, err = r.in.Discard(frame + n)
	return n, err
}

func (r *rowReader) nextLarge(d *row.Decoder, n int) error {
	if _, err := r.in.Discard(frame); err != nil {
		return err
	}
	r.large = slices.Grow(r.large[:0], n)[:n]
	if _, err := io.ReadFull(r.in, r.large); err != nil {
		return noEOF(err)
	}
	return d.Append(r.large)
}

// end fails if anything follows the last row.
func (r *rowReader) end() error {
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("there is more than was counted"), err)
	}
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// chunkReader reads pieces of the file, then pages, one after the other.
type chunkReader struct {
	file   *os.File
	chunks []chunk
	pages  [][]byte
	done   int64 // bytes read of the first of them
}

// Read implements io.Reader.
func (r *chunkReader) Read(b []byte) (int, error) {
	if len(r.chunks) == 0 {
		return r.readPage(b)
	}
	c := r.chunks[0]
	b = b[:min(int64(len(b)), c.size-r.done)]
	n, err := r.file.ReadAt(b, c.offset+r.done)
	if r.done += int64(n); r.done == c.size {
		r.chunks, r.done = r.chunks[1:], 0
	}
	if n == len(b) {
		return n, nil
	}
	return n, noEOF(err)
}

func (r *chunkReader) readPage(b []byte) (int, error) {
	if len(r.pages) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.pages[0][r.done:])
	if r.done += int64(n); r.done == int64(len(r.pages[0])) {
		r.pages, r.done = r.pages[1:], 0
	}
	return n, nil
}
