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
	Rules    schemas.Rules  // privacy rules; none: everything is as it came
	Salt     []byte         // of rules that hash, at least privacy.MinSalt bytes
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

	Reasons map[schemas.Reason]int64 // all rejects by their reason; nil: there are none
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
	give     func(*Batches) error // where pieces go; nil: nowhere before the end
	size     int                  // about how many bytes the rows have that were not given

	attribution attribution
	protector   protector
}

// pieceBytes is the size from which rows are given although the block goes on.
const pieceBytes = 2 << 20

// rowBytes is about what a row has beside its texts.
const rowBytes = 128

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
	p.attribution = newAttribution(p.decoders.tables[schemas.Visits], p.tables[schemas.Orders])
	p.protector = newProtector(&p.tables, o.Rules, o.Salt)
	return p
}

// Clients projects a block of clients, which are in order of their ids: their
// rows of clients, their feeds, and the rejects of both. Rows come in the order
// of the block, those of a feed by (occurred_at, event_id). The block is
// borrowed; the batches belong to the caller, who releases them. A feed that is
// not a JSON array is an error that names the client; then there are no batches.
func (p *Projector) Clients(block []schemas.Client) (*Batches, error) {
	return p.collect(func() error { return p.block(block) })
}

// Stream is Clients for blocks whose rows need not fit into memory: it gives them
// to give in pieces of about 2 MiB, which together are what Clients returns. A
// piece belongs to give; its error ends the projection and is returned.
func (p *Projector) Stream(block []schemas.Client, give func(*Batches) error) error {
	return p.stream(give, func() error { return p.block(block) })
}

func (p *Projector) block(block []schemas.Client) error {
	for i := range block {
		if err := p.client(&block[i]); err != nil {
			return fmt.Errorf("project client %d: %w", block[i].ID, err)
		}
	}
	return nil
}

// collect returns the rows that project makes, all at once.
func (p *Projector) collect(project func() error) (*Batches, error) {
	p.reset()
	if err := project(); err != nil {
		return nil, err
	}
	return p.batches()
}

// stream gives the rows that project makes, piece by piece.
func (p *Projector) stream(give func(*Batches) error, project func() error) error {
	p.give = give
	defer func() { p.give = nil }()
	p.reset()
	if err := project(); err != nil {
		return err
	}
	return p.piece()
}

// wrote counts the bytes that were just written, and gives a piece if it is full.
func (p *Projector) wrote(bytes int) error {
	if p.size += bytes; p.give == nil || p.size < pieceBytes {
		return nil
	}
	return p.piece()
}

// piece gives what was written since the last one.
func (p *Projector) piece() error {
	b, err := p.batches()
	if err != nil {
		return err
	}
	p.empty()
	return p.give(b)
}

func (p *Projector) client(c *schemas.Client) error {
	if c.Row != nil {
		p.clientRow(c)
		if err := p.wrote(len(c.Row) + rowBytes); err != nil {
			return err
		}
	}
	if c.Feed != nil && (p.keepGone || c.GoneAt.IsZero()) {
		return p.clientFeed(c)
	}
	return p.rejects.flush(p)
}

func (p *Projector) reset() {
	p.empty()
	p.rejects.list = emptied(p.rejects.list)
}

// empty lets go of what was written.
func (p *Projector) empty() {
	for _, t := range p.tables {
		t.reset()
	}
	p.counts, p.size = Batches{}, 0
}

// batches copies what the tables hold, which is the one way out for rows: here
// the privacy rules are applied.
func (p *Projector) batches() (*Batches, error) {
	if err := p.protector.apply(); err != nil {
		return nil, err
	}
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
