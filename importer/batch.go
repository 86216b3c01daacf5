package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/go-faster/jx"

	"roistat-etl/schemas"
)

// maxBatch is the bytes of JSON from which a batch ends.
const maxBatch = 1 << 20

// span is where a row's JSON lies in the text of its batch.
type span struct {
	ordinal    int64
	id         string
	start, end int
}

// batch is what a call sends, and the rows among them that are left out.
type batch struct {
	rows    []span
	text    []byte // the rows, a comma after each
	rejects []schemas.ImportReject
	next    int64 // the row after it
	last    bool  // there is none
}

// batcher cuts the rows of a file into batches.
type batcher struct {
	rows    rows
	size    int // rows of a batch
	row     row
	encoder jx.Encoder
	batch   batch
	seen    func(*row, []byte) error // is shown every row and, if it is good, its JSON; may be nil
}

func newBatcher(ctx context.Context, f *File, mem memory.Allocator, size int) (*batcher, error) {
	r, err := f.rows(ctx, mem)
	if err != nil {
		return nil, err
	}
	return &batcher{rows: r, size: size}, nil
}

// skip reads over the rows before one.
func (b *batcher) skip(ctx context.Context, to int64) error {
	for b.batch.next < to {
		if b.batch.next%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := b.rows.Next(&b.row); errors.Is(err, io.EOF) {
			return fmt.Errorf("the file has %d rows, but %d were sent", b.batch.next, to)
		} else if err != nil {
			return err
		}
		b.batch.next++
	}
	return nil
}

// fill reads the next batch, which lives until the next call.
func (b *batcher) fill(ctx context.Context) (*batch, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	f := &b.batch
	clear(f.rejects)
	f.rows, f.text, f.rejects = f.rows[:0], f.text[:0], f.rejects[:0]
	for raw := 0; len(f.rows) < b.size && len(f.rejects) < max(b.size, 100) && len(f.text)+raw < maxBatch; {
		err := b.rows.Next(&b.row)
		if errors.Is(err, io.EOF) {
			f.last = true
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		f.next++
		if err := b.take(); err != nil {
			return nil, err
		}
		if n := len(f.rejects); n > 0 && f.rejects[n-1].Ordinal == b.row.ordinal {
			raw += len(f.rejects[n-1].Raw)
		}
	}
	return f, nil
}

// take appends the row to the batch, or to what is left out.
func (b *batcher) take() error {
	r, f := &b.row, &b.batch
	r.judge()
	text := r.raw
	if text == nil {
		b.encoder.Reset()
		r.encode(&b.encoder)
		text = b.encoder.Bytes()
		if len(text) > maxRow {
			r.fault(r.largest(), "", schemas.TooLarge, "the row has %d bytes, at most %d are sent", len(text), maxRow)
		}
	}
	if len(r.faults) > 0 {
		first := r.faults[0]
		f.rejects = append(f.rejects, schemas.ImportReject{Ordinal: r.ordinal, ID: r.cells[idColumn].text, Field: first.Field, Reason: first.Reason, Raw: clip(text)})
		if b.seen != nil {
			return b.seen(r, nil)
		}
		return nil
	}
	start := len(f.text)
	f.text = append(append(f.text, text...), ',')
	f.rows = append(f.rows, span{r.ordinal, r.cells[idColumn].text, start, len(f.text) - 1})
	if b.seen != nil {
		return b.seen(r, text)
	}
	return nil
}

// clip copies what a reject keeps of a row.
func clip(text []byte) []byte {
	end := min(len(text), schemas.MaxRaw)
	for end > 0 && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return append([]byte(nil), text[:end]...)
}
