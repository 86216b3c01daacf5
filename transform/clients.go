package transform

import (
	"time"
	"unicode/utf8"

	"roistat-etl/schemas"
	"roistat-etl/transform/jsontext"
)

// readWhole reads a text that is one object into whole, or says why it is none.
func (p *Projector) readWhole(text []byte, words *vocabulary) schemas.Reason {
	if len(text) > jsontext.MaxSize {
		return schemas.TooLarge
	}
	p.writer.begin(text)
	r := &p.writer.reader
	r.Reset(text)
	p.whole.have, p.whole.others = 0, p.whole.others[:0]
	var err error
	object := r.Enter('{')
	if object {
		err = p.whole.read(r, text, words)
	} else {
		_, err = r.Scan()
	}
	if err == nil {
		err = r.End()
	}
	switch {
	case err != nil, r.Depth() > maxDepth, !utf8.Valid(text):
		return schemas.BadJSON
	case !object:
		return schemas.NotObject
	}
	return ""
}

// clientRow writes the row of clients of a client that is in the list.
func (p *Projector) clientRow(c *schemas.Client) {
	if c.GoneAt.IsZero() {
		p.counts.LiveClients++
	}
	r := reject{source: schemas.SourceClients, client: c.ID, known: true, ordinal: c.Ordinal, raw: c.Row}
	d := p.decoders.clients
	if r.reason = p.readWhole(c.Row, p.decoders.row); r.reason != "" {
		p.rejects.add(r)
		return
	}
	p.members = p.members[:0]
	for _, slot := range d.slots {
		p.members = append(p.members, p.whole.get(slot))
	}
	t := d.table
	t.columns[0].text(p.project)
	t.columns[1].int(c.ID)
	p.writer.object(d, p.members, p.whole.others)
	t.column("first_seen_at").int(c.FirstSeenAt.UnixMilli())
	orNever(t.column("gone_at"), c.GoneAt)
	orNever(t.column("feed_fetched_at"), c.FeedAt)
	p.fieldRejects(r)
}

func orNever(c *column, t time.Time) {
	if t.IsZero() {
		c.null()
	} else {
		c.int(t.UnixMilli())
	}
}

// Unlisted projects the rows of the client list that name no client: each is a
// reject of source clients without a client. The list is borrowed; the batches
// belong to the caller, who releases them.
func (p *Projector) Unlisted(list []schemas.Unlisted) (*Batches, error) {
	return p.collect(func() error { return p.unlisted(list) })
}

// StreamUnlisted is to Unlisted what Stream is to Clients.
func (p *Projector) StreamUnlisted(list []schemas.Unlisted, give func(*Batches) error) error {
	return p.stream(give, func() error { return p.unlisted(list) })
}

func (p *Projector) unlisted(list []schemas.Unlisted) error {
	for _, u := range list {
		p.rejects.add(reject{source: schemas.SourceClients, ordinal: u.Ordinal, reason: p.whyUnlisted(u.Raw), raw: u.Raw})
	}
	return p.rejects.flush(p)
}

// Imported projects the rows of imported files that were left out: each is a
// reject of source import. The list is borrowed; the batches belong to the
// caller, who releases them.
func (p *Projector) Imported(list []schemas.ImportReject) (*Batches, error) {
	return p.collect(func() error { return p.imported(list) })
}

func (p *Projector) imported(list []schemas.ImportReject) error {
	for i := range list {
		r := &list[i]
		p.rejects.add(reject{source: schemas.SourceImport, ordinal: r.Ordinal, field: r.Field, reason: r.Reason, raw: r.Raw})
	}
	return p.rejects.flush(p)
}

func (p *Projector) whyUnlisted(raw []byte) schemas.Reason {
	if reason := p.readWhole(raw, p.decoders.row); reason != "" {
		return reason
	}
	if empty(p.whole.get(p.decoders.row.numbers["id"]).Val) {
		return schemas.NoID
	}
	return schemas.BadValue
}
