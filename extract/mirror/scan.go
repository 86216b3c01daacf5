package mirror

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/klauspost/compress/zstd"

	"roistat-etl/schemas"
)

// blockBytes is where a block of Scan ends although it could hold more clients.
const blockBytes = 1 << 20

// maxInflated is the largest feed that is inflated, beyond any answer that is stored.
const maxInflated = 1 << 30

// maxRatio is more than a zstd frame can hold by each of its bytes: a block of 4
// bytes stands for at most 128 KiB.
const maxRatio = 32 << 10

// Packed is a client whose feed is still compressed. It owns its bytes.
type Packed struct {
	id, ordinal, firstSeen, gone, fetched int64
	row, body                             []byte
}

// ID is the client's id.
func (p *Packed) ID() int64 { return p.id }

// Buffer is the memory into which feeds are inflated. The zero Buffer is ready;
// one serves one goroutine.
type Buffer struct {
	dec   *zstd.Decoder
	chunk []byte
}

// keepChunk is the most memory that Reset keeps: what the largest of the usual
// answers needs.
const keepChunk = 64 << 20

// blockInflated is where a block of Scan ends by what its feeds take when inflated.
const blockInflated = 4 << 20

// Size is what the client takes when it is unpacked, in bytes.
func (p *Packed) Size() int64 {
	n := int64(len(p.row))
	var h zstd.Header
	if h.Decode(p.body) == nil && h.HasFCS && h.FrameContentSize <= maxInflated {
		return n + int64(h.FrameContentSize)
	}
	return n + int64(len(p.body))
}

// Reset makes the memory free again: what was unpacked before is no longer valid.
func (b *Buffer) Reset() {
	if cap(b.chunk) > keepChunk {
		b.chunk = nil
	}
	b.chunk = b.chunk[:0]
}

// inflate appends a frame's content to the current chunk, or to a new one: what
// was given out before is never moved.
func (b *Buffer) inflate(frame []byte) ([]byte, error) {
	if b.dec == nil {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInflated), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		b.dec = dec
	}
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		return nil, err
	}
	if h.FrameContentSize > maxInflated {
		return nil, fmt.Errorf("its frame claims %d bytes", h.FrameContentSize)
	}
	size := int(h.FrameContentSize)
	if size > maxRatio*len(frame) {
		return nil, fmt.Errorf("%d bytes can't hold the %d that they promise", len(frame), size)
	}
	if cap(b.chunk)-len(b.chunk) < size {
		b.chunk = make([]byte, 0, max(size, min(2*cap(b.chunk), blockInflated), blockBytes))
	}
	n := len(b.chunk)
	out, err := b.dec.DecodeAll(frame, b.chunk[n:n])
	if len(frame) > largeFeed {
		b.dec = nil // it holds on to the frame
	}
	if err != nil {
		return nil, err
	}
	if len(out) <= cap(b.chunk)-n {
		b.chunk = b.chunk[:n+len(out)]
	}
	return out[:len(out):len(out)], nil
}

// Unpack gives the client with its feed inflated. The row is borrowed from p;
// the feed lies in b and is valid until its Reset.
func (p *Packed) Unpack(b *Buffer) (schemas.Client, error) {
	c := schemas.Client{
		ID: p.id, Row: p.row, Ordinal: p.ordinal,
		FirstSeenAt: instant(p.firstSeen), GoneAt: instant(p.gone), FeedAt: instant(p.fetched),
	}
	if p.body == nil {
		return c, nil
	}
	feed, err := b.inflate(p.body)
	if err != nil {
		return c, fmt.Errorf("inflate the feed of client %d: %w: %w", p.id, ErrDamaged, err)
	}
	c.Feed = feed
	return c, nil
}

// instant is a stored time; 0 is the zero time.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// rowsVersion is the version from which rows stand apart from their clients.
const rowsVersion = 4

// selectClients begins a question for clients with their rows and what body says
// of their feeds, f.
func (r *Reader) selectClients(body string) string {
	row, rows := "r.row", "LEFT JOIN rows r ON r.id = c.id"
	if r.version < rowsVersion {
		row, rows = "c.row", ""
	}
	return `SELECT c.id, c.ordinal, c.first_seen_at, c.gone_at, c.fetched_at, ` + row + `, ` + body +
		` FROM clients c ` + rows + ` LEFT JOIN feeds f ON f.id = c.id`
}

// blockBody gives the length alone of a large feed: even a part of it would take
// all of it into memory.
const blockBody = `iif(length(f.body) > 1048576, length(f.body), f.body)`

// Scan is Blocks for whoever has room for any block.
func (r *Reader) Scan(ctx context.Context, blockSize int) iter.Seq2[[]Packed, error] {
	return r.Blocks(ctx, blockSize, func(int64) error { return nil })
}

// Blocks yields all clients in the order of their ids, in blocks of at most
// blockSize, as they stood when it began. Before it yields a block it calls admit
// with the size that the block will have when it is unpacked. A feed of more than
// 1 MiB packed is in a block of its own: it is read once that is admitted, as eight
// times as large as it is packed. Blocks belong to the receiver. An error, which
// may be that of admit, is the last thing yielded.
func (r *Reader) Blocks(ctx context.Context, blockSize int, admit func(size int64) error) iter.Seq2[[]Packed, error] {
	return func(yield func([]Packed, error) bool) {
		err := r.raw(ctx, r.selectClients(blockBody)+` ORDER BY c.id`, func(q driver.QueryerContext, next func([]driver.Value) error) error {
			b := blocks{size: max(1, blockSize), admit: admit, yield: yield}
			return b.scan(ctx, q, next)
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, wrap(r.path, "read the clients", err))
		}
	}
}

// errEnough says that a receiver wants no more.
var errEnough = errors.New("enough")

// blocks is a scan under way.
type blocks struct {
	size  int
	admit func(int64) error
	yield func([]Packed, error) bool

	block           []Packed
	bytes, inflated int64
}

func (b *blocks) scan(ctx context.Context, q driver.QueryerContext, next func([]driver.Value) error) error {
	var values [7]driver.Value
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		err := next(values[:])
		if errors.Is(err, io.EOF) {
			return b.end()
		}
		if err != nil {
			return err
		}
		length, large := values[6].(int64)
		if large {
			values[6] = nil
		}
		p, err := packed(values)
		if err == nil && large {
			err = b.alone(ctx, q, p, 8*length)
		} else if err == nil {
			err = b.add(p)
		}
		if err != nil {
			return err
		}
	}
}

// add puts a client into the block, and ends the block if it is full.
func (b *blocks) add(p Packed) error {
	b.block, b.bytes, b.inflated = append(b.block, p), b.bytes+int64(len(p.row)+len(p.body)), b.inflated+p.Size()
	if len(b.block) < b.size && b.bytes < blockBytes && b.inflated < blockInflated {
		return nil
	}
	return b.end()
}

// alone yields a client whose feed is large and not yet read.
func (b *blocks) alone(ctx context.Context, q driver.QueryerContext, p Packed, size int64) error {
	if err := b.end(); err != nil {
		return err
	}
	if err := b.admit(size); err != nil {
		return err
	}
	body, err := largeBody(ctx, q, p.id)
	if err != nil {
		return err
	}
	p.body = body
	if !b.yield([]Packed{p}, nil) {
		return errEnough
	}
	return nil
}

// end yields the block, if there is one.
func (b *blocks) end() error {
	block, inflated := b.block, b.inflated
	if len(block) == 0 {
		return nil
	}
	b.block, b.bytes, b.inflated = make([]Packed, 0, b.size), 0, 0
	if err := b.admit(inflated); err != nil {
		return err
	}
	if !b.yield(block, nil) {
		return errEnough
	}
	return nil
}

// largeBody reads one packed feed.
func largeBody(ctx context.Context, q driver.QueryerContext, id int64) (body []byte, err error) {
	rows, err := q.QueryContext(context.WithoutCancel(ctx), `SELECT body FROM feeds WHERE id = ?`, []driver.NamedValue{{Ordinal: 1, Value: id}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var values [1]driver.Value
	if err := rows.Next(values[:]); err != nil {
		return nil, fmt.Errorf("the feed of client %d: %w", id, err)
	}
	body, ok := values[0].([]byte)
	if !ok {
		return nil, fmt.Errorf("the feed of client %d is a %T", id, values[0])
	}
	return body, nil
}

func packed(v [7]driver.Value) (p Packed, err error) {
	for i, to := range [...]*int64{&p.id, &p.ordinal, &p.firstSeen, &p.gone, &p.fetched} {
		n, ok := v[i].(int64)
		if !ok {
			return p, fmt.Errorf("column %d holds %T", i, v[i])
		}
		*to = n
	}
	for i, to := range [...]*[]byte{&p.row, &p.body} {
		switch b := v[5+i].(type) {
		case nil:
		case []byte:
			*to = b
		default:
			return p, fmt.Errorf("column %d holds %T", 5+i, b)
		}
	}
	return p, nil
}

// raw reads rows straight from the driver, which costs half of what
// database/sql does: it makes the values anew for each row, so they may be kept.
func (r *Reader) raw(ctx context.Context, query string, read func(q driver.QueryerContext, next func([]driver.Value) error) error) (err error) {
	c, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.Raw(func(dc any) (err error) {
		q, ok := dc.(driver.QueryerContext)
		if !ok {
			return fmt.Errorf("the driver's connection is a %T", dc)
		}
		rows, err := q.QueryContext(context.WithoutCancel(ctx), query, nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		return read(q, rows.Next)
	})
}

// Client returns one client with its feed inflated; false if the mirror doesn't
// know it.
func (r *Reader) Client(ctx context.Context, id int64) (schemas.Client, bool, error) {
	var p Packed
	err := r.db.QueryRowContext(ctx, r.selectClients(`f.body`)+` WHERE c.id = ?`, id).
		Scan(&p.id, &p.ordinal, &p.firstSeen, &p.gone, &p.fetched, &p.row, &p.body)
	if errors.Is(err, sql.ErrNoRows) {
		return schemas.Client{}, false, nil
	}
	if err != nil {
		return schemas.Client{}, false, wrap(r.path, "read a client", err)
	}
	c, err := p.Unpack(&Buffer{})
	return c, err == nil, wrap(r.path, "read a client", err)
}
