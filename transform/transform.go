package transform

import (
	"fmt"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
	"roistat-etl/transform/jsontext"
)

// Options say what the mirror itself does not.
type Options struct {
	Project  string         // project number, the first column of every table
	Location *time.Location // where times without an offset were written; nil: UTC
	KeepGone bool           // whether the feeds of clients that left the list are projected
}

// Batches are the rows that one call made, and what became of the items:
// Items == Events + FeedRejects.
type Batches struct {
	Records [schemas.NumTables]arrow.Record // by table; nil: no rows

	Items        int64 // items of the feeds that were projected
	Events       int64 // rows of the ten event tables
	FeedRejects  int64 // rejects of source feed without a field
	ItemRejects  int64 // rejects of any source without a field
	FieldRejects int64 // rejects with a field
	LiveClients  int64 // clients in the list
}

// Release gives the records back. It is called once.
func (b *Batches) Release() {
	for i, r := range b.Records {
		if r != nil {
			r.Release()
			b.Records[i] = nil
		}
	}
}

// Projector makes rows. It reuses its buffers and is not safe for concurrent
// use: a goroutine has its own. After an error it can be used on.
type Projector struct {
	mem      memory.Allocator
	project  []byte
	keepGone bool
	tables   [schemas.NumTables]*table
	decoders *decoders
	writer   writer
	feed     feed
	whole    object            // a row of clients or of a campaign
	members  []jsontext.Member // of it, what the decoder reads
	rejects  rejects
	contacts contacts
	counts   Batches

	attribution attribution
}

// New returns a Projector whose batches live in mem.
func New(mem memory.Allocator, o Options) *Projector {
	p := &Projector{mem: mem, project: []byte(o.Project), keepGone: o.KeepGone}
	p.writer.location = o.Location
	if o.Location == nil {
		p.writer.location = time.UTC
	}
	for i, decl := range schemas.Tables() {
		p.tables[i] = newTable(decl)
	}
	p.decoders = newDecoders(&p.tables)
	p.attribution = newAttribution(p.tables[schemas.Visits], p.tables[schemas.Orders])
	return p
}

// Clients projects a block of clients, which are in order of their ids: their
// rows of clients, their feeds, and the rejects of both. Rows come in the order
// of the block, those of a feed by (occurred_at, event_id). The block is
// borrowed; the batches belong to the caller, who releases them. A feed that is
// not a JSON array is an error that names the client; then there are no batches.
func (p *Projector) Clients(block []schemas.Client) (*Batches, error) {
	p.reset()
	for i := range block {
		if err := p.client(&block[i]); err != nil {
			return nil, fmt.Errorf("project client %d: %w", block[i].ID, err)
		}
	}
	return p.batches()
}

func (p *Projector) client(c *schemas.Client) error {
	if c.Row != nil {
		p.clientRow(c)
	}
	if c.Feed != nil && (p.keepGone || c.GoneAt.IsZero()) {
		if err := p.clientFeed(c); err != nil {
			return err
		}
	}
	p.rejects.flush(p)
	return nil
}

func (p *Projector) reset() {
	for _, t := range p.tables {
		t.reset()
	}
	p.rejects.list = p.rejects.list[:0]
	p.counts = Batches{}
}

// batches copies what the tables hold.
func (p *Projector) batches() (*Batches, error) {
	for _, t := range p.tables {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	out := p.counts
	for i, t := range p.tables {
		out.Records[i] = t.record(p.mem)
	}
	return &out, nil
}
