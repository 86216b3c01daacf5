package transform

import (
	"roistat-etl/schemas"
)

// feedRows writes the rows of the feed that was read, a table after the other.
func (p *Projector) feedRows() error {
	for i := range p.feed.rows {
		id := schemas.ID(i)
		rows := p.feed.rows[id]
		if len(rows) == 0 {
			continue
		}
		d := p.decoders.tables[id]
		order := p.arrange(d, rows)
		for _, o := range order {
			r := &rows[o.row]
			p.eventRow(id, d, r)
			p.counts.Events++
			if err := p.wrote(int(r.item.End-r.item.Start) + rowBytes); err != nil {
				return err
			}
		}
		if id == schemas.Visits {
			p.feed.visits, p.feed.order = order, p.feed.visits
		}
	}
	return nil
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
		typ := t.column("type")
		typ.bytes = p.wholeKey(typ.bytes, d, r)
		typ.ended()
		t.column("raw").text(r.item.Of(f.text))
		return
	}
	p.writer.begin(f.text)
	members, others := f.stowed(p.decoders.items, d, r, &p.writer)
	p.writer.object(d, members, others)
	if id == schemas.Orders {
		p.attribute(r.at)
	}
	for _, fault := range p.writer.faults {
		name, _ := p.writer.scalar(fault.key)
		f.reject(r, fault.reason, itemReject{table: uint8(id) + 1, field: p.decoders.items.numbers[string(name)]})
	}
}

// fieldRejects makes a reject of each field at fault in the object just written.
func (p *Projector) fieldRejects(r reject) {
	for _, fault := range p.writer.faults {
		field, _ := p.writer.scalar(fault.key)
		r.field, r.reason = string(field), fault.reason
		p.rejects.add(r)
	}
}
