package transform

import (
	"roistat-etl/schemas"
)

// feedRows writes the rows of the feed that was read, a table after the other.
func (p *Projector) feedRows() {
	for i := range p.feed.rows {
		id := schemas.ID(i)
		rows := p.feed.rows[id]
		if len(rows) == 0 {
			continue
		}
		d := p.decoders.tables[id]
		order := p.arrange(d, rows)
		p.counts.Events += int64(len(order))
		for _, o := range order {
			p.eventRow(id, d, &rows[o.row])
		}
		if id == schemas.Visits {
			p.feed.visits = len(order)
		}
	}
}

// eventRow writes one row of an event table.
func (p *Projector) eventRow(id schemas.ID, d *decoder, r *row) {
	f, t := &p.feed, d.table
	t.columns[0].text(p.project)
	t.columns[1].int(f.client)
	eventID := t.columns[2]
	eventID.bytes = r.id.appendTo(eventID.bytes)
	eventID.ended()
	t.columns[3].int(r.at)
	if id == schemas.OtherEvents {
		t.column("type").text(f.key(r))
		t.column("raw").text(r.item.Of(f.text))
		return
	}
	p.writer.begin(f.text)
	p.writer.object(d, f.members[r.members:r.members+len(d.slots)], f.others[r.others:r.another])
	if id == schemas.Orders {
		p.attribution.write(r.at, f.visits)
	}
	p.fieldRejects(reject{
		source: schemas.SourceFeed, client: f.client, known: true, ordinal: r.ordinal,
		typ: d.typ, raw: r.item.Of(f.text),
	})
}

// fieldRejects makes a reject of each field at fault in the object just written.
func (p *Projector) fieldRejects(r reject) {
	for _, fault := range p.writer.faults {
		field, _ := p.writer.scalar(fault.key)
		r.field, r.reason = string(field), fault.reason
		p.rejects.add(r)
	}
}
