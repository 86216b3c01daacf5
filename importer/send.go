package importer

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
)

// Sender carries clients to the API.
type Sender interface {
	// Send sends a JSON array of clients and returns once the API has taken all of
	// them. Right before each attempt it asks ready, whose error it returns. An error
	// that is ErrRefused says that the API refuses the array for what stands in it.
	// The array is borrowed.
	Send(ctx context.Context, clients []byte, ready func() error) error
}

// Journal keeps how far the sending is.
type Journal interface {
	// Keep makes a step durable. The step is borrowed.
	Keep(ctx context.Context, s Step) error
}

// Step is what an answer brings forward.
type Step struct {
	Next    int64                  // the first row that is neither sent nor left out
	Sent    int64                  // rows that the API has taken by this step
	Rejects []schemas.ImportReject // rows that are left out, in their order
	Last    bool                   // the file has no more rows
}

// ErrRefused says that a batch is refused for what stands in it: a part of it may
// be taken.
var ErrRefused = errors.New("the API refuses the rows")

// ErrHopeless says that the API refuses so many rows in a row that the file itself
// must be at fault.
var ErrHopeless = errors.New("the API refuses one row after the other")

// hopeless is how many refused rows without a taken one between them end a sending.
const hopeless = 1000

// Options say how to send a file.
type Options struct {
	Batch   int   // rows of a call at most
	From    int64 // the first row to send
	Sender  Sender
	Journal Journal
	Memory  memory.Allocator // nil: Go's
}

// Send sends the rows of the file, from the first one on that was not sent. It
// returns nil once all rows are sent or left out.
func (f *File) Send(ctx context.Context, o Options) (err error) {
	b, err := newBatcher(ctx, f, allocator(o.Memory), o.Batch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.rows.Close()) }()
	if err := b.skip(ctx, o.From); err != nil {
		return err
	}
	s := &sending{Options: o, file: f}
	for {
		s.batch, err = b.fill(ctx)
		if err != nil {
			return err
		}
		if err := s.whole(ctx); err != nil {
			return err
		}
		if s.batch.last {
			return nil
		}
	}
}

func allocator(mem memory.Allocator) memory.Allocator {
	if mem == nil {
		return memory.NewGoAllocator()
	}
	return mem
}

// sending is a file on its way.
type sending struct {
	Options
	file    *File
	batch   *batch
	left    []schemas.ImportReject // of the batch: not kept yet
	body    []byte
	faulty  int // rows that were refused
	refused int // of them, in a row
}

// whole sends a batch and keeps what comes of it.
func (s *sending) whole(ctx context.Context) error {
	s.left = s.batch.rejects
	if len(s.batch.rows) > 0 {
		if err := s.send(ctx, s.batch.rows, false); err != nil {
			return err
		}
	}
	if len(s.batch.rows) > 0 && !s.batch.last {
		return nil // the last answer's step said it all
	}
	if err := s.file.Unchanged(); err != nil {
		return err
	}
	return s.keep(ctx, Step{Next: s.batch.next, Last: s.batch.last})
}

// send sends rows of the batch, and halves them where they are refused. Where a
// refused batch's first half went through, the fault is in the second (bad), which
// needs no call to say so.
func (s *sending) send(ctx context.Context, rows []span, bad bool) error {
	if !bad || len(rows) == 1 {
		err := s.Sender.Send(ctx, s.array(rows), s.file.Unchanged)
		switch {
		case err == nil:
			s.refused = 0
			return s.keep(ctx, Step{Next: s.after(rows), Sent: int64(len(rows))})
		case !errors.Is(err, ErrRefused):
			return fmt.Errorf("send %s: %w", named(rows), err)
		case len(rows) == 1:
			return s.refuse(ctx, rows[0], err)
		}
	}
	before, half := s.faulty, len(rows)/2
	if err := s.send(ctx, rows[:half], false); err != nil {
		return err
	}
	return s.send(ctx, rows[half:], s.faulty == before)
}

// named names rows, from 1.
func named(rows []span) string {
	first, last := rows[0].ordinal+1, rows[len(rows)-1].ordinal+1
	if first == last {
		return fmt.Sprintf("row %d", first)
	}
	return fmt.Sprintf("rows %d to %d", first, last)
}

// array writes rows of the batch as a JSON array.
func (s *sending) array(rows []span) []byte {
	s.body = append(s.body[:0], '[')
	s.body = append(s.body, s.batch.text[rows[0].start:rows[len(rows)-1].end]...)
	s.body = append(s.body, ']')
	return s.body
}

// after is the row that follows rows of the batch.
func (s *sending) after(rows []span) int64 {
	last := rows[len(rows)-1].ordinal
	if last == s.batch.rows[len(s.batch.rows)-1].ordinal {
		return s.batch.next
	}
	return last + 1
}

// refuse leaves out a row that the API refuses.
func (s *sending) refuse(ctx context.Context, one span, why error) error {
	s.faulty++
	reject := schemas.ImportReject{Ordinal: one.ordinal, ID: one.id, Reason: schemas.APIRefused, Raw: clip(s.batch.text[one.start:one.end])}
	if err := s.keep(ctx, Step{Next: s.after([]span{one}), Rejects: []schemas.ImportReject{reject}}); err != nil {
		return err
	}
	if s.refused++; s.refused == hopeless {
		return fmt.Errorf("%w: %d of them, the last for: %w", ErrHopeless, hopeless, why)
	}
	return nil
}

// keep makes a step durable, together with the rejects before its next row.
func (s *sending) keep(ctx context.Context, step Step) error {
	n := 0
	for n < len(s.left) && s.left[n].Ordinal < step.Next {
		n++
	}
	step.Rejects = append(s.left[:n:n], step.Rejects...)
	s.left = s.left[n:]
	return s.Journal.Keep(ctx, step)
}
