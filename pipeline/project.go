package pipeline

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"roistat-etl/extract/mirror"
	"roistat-etl/load"
	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// blockClients is the most clients of a block; the mirror also bounds its bytes.
const blockClients = 256

// scanner is the part of the mirror that a projection reads.
type scanner interface {
	Blocks(ctx context.Context, blockSize int, admit func(size int64) error) iter.Seq2[[]mirror.Packed, error]
	Campaigns(ctx context.Context) iter.Seq2[schemas.Campaign, error]
	leftOut
}

// leftOut is what the mirror holds of rows that belong to no client.
type leftOut interface {
	Unlisted(ctx context.Context) iter.Seq2[[]schemas.Unlisted, error]
	ImportRejects(ctx context.Context) iter.Seq2[[]schemas.ImportReject, error]
}

// projection is the whole mirror as rows, spilled and counted.
type projection struct {
	snapshot *load.Snapshot
	counts   counts
}

// counts adds up what the projected batches said of themselves.
type counts struct {
	items, events, feedRejects, itemRejects, fieldRejects, live int64

	reasons map[schemas.Reason]int64
}

func (c *counts) add(b *transform.Batches) {
	c.items += b.Items
	c.events += b.Events
	c.feedRejects += b.FeedRejects
	c.itemRejects += b.ItemRejects
	c.fieldRejects += b.FieldRejects
	c.live += b.LiveClients
	c.because(b.Reasons)
}

// because adds rejects by reason.
func (c *counts) because(reasons map[schemas.Reason]int64) {
	if c.reasons == nil && len(reasons) > 0 {
		c.reasons = make(map[schemas.Reason]int64, len(reasons))
	}
	for reason, n := range reasons {
		c.reasons[reason] += n
	}
}

// law checks that no item was lost or doubled between the feeds and the rows.
func (c *counts) law() error {
	if c.items != c.events+c.feedRejects {
		return fmt.Errorf("the projection is wrong: %d items in the feeds, but %d rows and %d rejects; nothing was published", c.items, c.events, c.feedRejects)
	}
	return nil
}

// project turns the mirror into spilled rows. Blocks of clients are projected by
// one worker a core and put together in their order, so that the same mirror
// gives the same bytes whatever the number of workers. Of inflated feeds there
// are at most 8 MiB in memory, or one block that is larger: it is projected
// alone. Each worker gives its rows in pieces of about 2 MiB, of which it makes
// one, and one waits for its turn.
func project(ctx context.Context, mem memory.Allocator, m scanner, spool *load.Spool, opt transform.Options, workers int) (*projection, error) {
	p := &projector{memory: semaphore.NewWeighted(maxInflated), mirror: m, spool: spool, opt: opt, mem: mem}
	if err := p.head(ctx); err != nil {
		return nil, err
	}
	if err := p.clients(ctx, workers); err != nil {
		return nil, err
	}
	if err := p.counts.law(); err != nil {
		return nil, err
	}
	snapshot, err := spool.Seal()
	if err != nil {
		return nil, err
	}
	return &projection{snapshot: snapshot, counts: p.counts}, nil
}

// maxInflated is the most bytes of feeds that are projected at once, of a block
// that has more: those alone.
const maxInflated = 8 << 20

// projector is one projection under way. Its counts belong to the sequencer.
type projector struct {
	memory *semaphore.Weighted // of maxInflated
	mirror scanner
	spool  *load.Spool
	opt    transform.Options
	mem    memory.Allocator
	counts counts
}

// block is a job for a worker, who sends its rows and closes the channel.
type block struct {
	clients []mirror.Packed
	size    int64 // of memory that was acquired
	rows    chan encoded
}

// encoded is a piece of a block's rows, ready to be appended.
type encoded struct {
	tables []*load.Encoded
	counts counts
}

// head projects what belongs to no client; its rows come first.
func (p *projector) head(ctx context.Context) error {
	t := transform.New(p.mem, p.opt)
	for c, err := range p.mirror.Campaigns(ctx) {
		if err != nil {
			return err
		}
		if err := t.StreamCampaigns([]schemas.Campaign{c}, p.appendNow); err != nil {
			return fmt.Errorf("project the campaigns: %w", err)
		}
	}
	for list, err := range p.mirror.Unlisted(ctx) {
		if err != nil {
			return err
		}
		if err := t.StreamUnlisted(list, p.appendNow); err != nil {
			return fmt.Errorf("project the unlisted rows: %w", err)
		}
	}
	return p.imports(ctx, t)
}

// imports projects the rows of imported files that were left out.
func (p *projector) imports(ctx context.Context, t *transform.Projector) error {
	for list, err := range p.mirror.ImportRejects(ctx) {
		if err != nil {
			return err
		}
		batches, err := t.Imported(list)
		if err != nil {
			return fmt.Errorf("project the rejects of imports: %w", err)
		}
		if err := p.appendNow(batches); err != nil {
			return err
		}
	}
	return nil
}

func (p *projector) appendNow(b *transform.Batches) error {
	e, err := p.encode(b)
	if err != nil {
		return err
	}
	return p.append(e)
}

// clients runs reader, workers and sequencer.
func (p *projector) clients(ctx context.Context, workers int) error {
	g, ctx := errgroup.WithContext(ctx)
	jobs, order := make(chan block), make(chan block, workers)
	g.Go(func() error { return p.read(ctx, jobs, order) })
	for range workers {
		g.Go(func() error { return p.work(ctx, jobs) })
	}
	g.Go(func() error { return p.sequence(ctx, order) })
	return g.Wait()
}

// read hands each block to the sequencer first, which fixes its place, then to a worker.
func (p *projector) read(ctx context.Context, jobs, order chan<- block) error {
	defer close(jobs)
	defer close(order)
	var acquired int64
	admit := func(size int64) error {
		if acquired = min(size, maxInflated); p.memory.Acquire(ctx, acquired) != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	for clients, err := range p.mirror.Blocks(ctx, blockClients, admit) {
		if err != nil {
			return err
		}
		b := block{clients: clients, size: acquired, rows: make(chan encoded)}
		for _, to := range []chan<- block{order, jobs} {
			select {
			case to <- b:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// work projects blocks until there are no more. A worker has its own buffers.
func (p *projector) work(ctx context.Context, jobs <-chan block) error {
	t := transform.New(p.mem, p.opt)
	var small, large mirror.Buffer
	var clients []schemas.Client
	for b := range jobs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		buffer := &small
		if b.size == maxInflated {
			buffer = &large
		}
		var err error
		if clients, err = unpack(b.clients, buffer, clients[:0]); err != nil {
			return err
		}
		if b.size == maxInflated {
			debug.FreeOSMemory() // what it was packed in, before the rows need the room
		}
		if err := t.Stream(clients, func(batches *transform.Batches) error { return p.send(ctx, b.rows, batches) }); err != nil {
			return err
		}
		clear(clients)
		if b.size == maxInflated {
			large = mirror.Buffer{}
			debug.FreeOSMemory() // the feed, before the next one is read
		}
		close(b.rows)
		p.memory.Release(b.size)
	}
	return nil
}

// send encodes batches and gives them to the sequencer.
func (p *projector) send(ctx context.Context, to chan<- encoded, batches *transform.Batches) error {
	e, err := p.encode(batches)
	if err != nil {
		return err
	}
	select {
	case to <- e:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// unpack inflates a block, which it lets go of, into clients, whose bytes live in
// the buffer until its next use.
func unpack(block []mirror.Packed, b *mirror.Buffer, clients []schemas.Client) ([]schemas.Client, error) {
	b.Reset()
	for i := range block {
		c, err := block[i].Unpack(b)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
		block[i] = mirror.Packed{}
	}
	return clients, nil
}

// encode turns batches into rows of the spool and releases them.
func (p *projector) encode(b *transform.Batches) (encoded, error) {
	defer b.Release()
	var e encoded
	e.counts.add(b)
	for id, record := range b.Records {
		if record == nil {
			continue
		}
		rows, err := p.spool.Encode(schemas.ID(id), record)
		if err != nil {
			return encoded{}, err
		}
		e.tables = append(e.tables, rows)
	}
	return e, nil
}

// sequence appends the blocks in their order.
func (p *projector) sequence(ctx context.Context, order <-chan block) error {
	for b := range order {
		for more := true; more; {
			var e encoded
			select {
			case e, more = <-b.rows:
				if err := p.append(e); err != nil {
					return err
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func (p *projector) append(e encoded) error {
	p.counts.items += e.counts.items
	p.counts.events += e.counts.events
	p.counts.feedRejects += e.counts.feedRejects
	p.counts.itemRejects += e.counts.itemRejects
	p.counts.fieldRejects += e.counts.fieldRejects
	p.counts.live += e.counts.live
	p.counts.because(e.counts.reasons)
	for _, rows := range e.tables {
		if err := p.spool.Append(rows); err != nil {
			return err
		}
	}
	return nil
}
