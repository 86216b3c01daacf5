package transform

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"roistat-etl/schemas"
	"roistat-etl/transform/privacy"
	"roistat-etl/transform/value"
)

// Numbers of the keys of a campaign's row.
const (
	contactKey = 1
	metricsKey = 2
)

// contacts are the rows that a campaign in hand will have, before equal ones are added up.
type contacts struct {
	words  *vocabulary
	list   []contact
	texts  []byte // what the list points into
	shown  []byte // scratch
	faulty []bool // by place: whether its metrics have a reject
}

// contact is what one row says of a contact and a metric. By contact equal ones
// are found, a hash of it if that is what is shown.
type contact struct {
	shown, contact, metric []byte
	emails                 int64
	ordinal                int
}

// Campaigns projects the contacts of all campaigns: the rows of
// campaign_contacts, in the order of the list and then of (metric, contact), and
// the rejects of source campaign. The list is borrowed; the batches belong to
// the caller, who releases them.
func (p *Projector) Campaigns(list []schemas.Campaign) (*Batches, error) {
	return p.collect(func() error { return p.campaigns(list) })
}

// StreamCampaigns is to Campaigns what Stream is to Clients.
func (p *Projector) StreamCampaigns(list []schemas.Campaign, give func(*Batches) error) error {
	return p.stream(give, func() error { return p.campaigns(list) })
}

func (p *Projector) campaigns(list []schemas.Campaign) error {
	if p.contacts.words == nil {
		p.contacts.words = newVocabulary("contact", "metrics")
	}
	for i := range list {
		if err := p.campaign(&list[i]); err != nil {
			return err
		}
	}
	return p.rejects.flush(p)
}

func (p *Projector) campaign(c *schemas.Campaign) error {
	s := &p.contacts
	s.list, s.texts = s.list[:0], s.texts[:0]
	s.faulty = append(s.faulty[:0], make([]bool, len(c.Rows))...)
	for ordinal, raw := range c.Rows {
		if reason := p.contactRow(ordinal, raw); reason != "" {
			p.rejects.add(reject{source: schemas.SourceCampaign, ordinal: int64(ordinal), reason: reason, raw: raw})
		}
	}
	slices.SortFunc(s.list, compareContacts)
	for start := 0; start < len(s.list); {
		end := start + 1
		for end < len(s.list) && s.list[start].same(&s.list[end]) {
			end++
		}
		p.addUp(c, s.list[start:end])
		if err := p.wrote(len(s.list[start].contact) + len(s.list[start].metric) + rowBytes); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// compareContacts puts rows in the order of what is shown, so that the order
// tells nothing more, and equal contacts together.
func compareContacts(a, b contact) int {
	if c := cmp.Or(bytes.Compare(a.metric, b.metric), bytes.Compare(a.shown, b.shown)); c != 0 {
		return c
	}
	return cmp.Or(bytes.Compare(a.contact, b.contact), cmp.Compare(a.ordinal, b.ordinal))
}

func (c *contact) same(other *contact) bool {
	return bytes.Equal(c.metric, other.metric) && bytes.Equal(c.contact, other.contact)
}

// contactRow reads the metrics of a contact, or says why it cannot be used.
func (p *Projector) contactRow(ordinal int, raw []byte) schemas.Reason {
	s, w := &p.contacts, &p.writer
	if reason := p.readWhole(raw, s.words); reason != "" {
		return reason
	}
	text, ok := w.scalar(p.whole.get(contactKey).Val)
	if !ok || len(text) == 0 {
		return schemas.NoID
	}
	shown, text := p.shownContact(text)
	metrics := p.whole.get(metricsKey)
	w.readMap(metrics)
	for i, e := range w.entries {
		if w.repeated(i) {
			continue
		}
		n, ok := w.emails(e)
		if !ok {
			w.fault(metrics.Key, schemas.Int)
		} else if n > 0 {
			s.list = append(s.list, contact{shown, text, s.keep(e.key), n, ordinal})
		}
	}
	if len(w.faults) > 0 {
		p.faulty(ordinal, raw)
	}
	return ""
}

// shownContact keeps a contact, as it is shown and as it is told from others. Two
// contacts with one hash are one, two with one mask are not.
func (p *Projector) shownContact(text []byte) (shown, identity []byte) {
	s := &p.contacts
	switch p.protector.contact {
	case schemas.HashValue:
		s.shown = p.protector.hasher.Append(s.shown[:0], text, schemas.Email)
	case schemas.MaskValue:
		s.shown = privacy.AppendMask(s.shown[:0], text, schemas.Email)
		return s.keep(s.shown), s.keep(text)
	default:
		s.shown = append(s.shown[:0], text...)
	}
	shown = s.keep(s.shown)
	return shown, shown
}

// emails returns the value of a metric, 0 for none; false: it is no count.
func (w *writer) emails(e entry) (int64, bool) {
	if empty(e.member.Val) {
		return 0, true
	}
	text, ok := w.scalar(e.member.Val)
	if !ok {
		return 0, false
	}
	n, ok := value.Int(text)
	return n, ok && n >= 0
}

// keep copies a text, which stays until the next campaign.
func (s *contacts) keep(text []byte) []byte {
	start := len(s.texts)
	s.texts = append(s.texts, text...)
	return s.texts[start:]
}

// faulty rejects the metrics of a row, once.
func (p *Projector) faulty(ordinal int, raw []byte) {
	if p.contacts.faulty[ordinal] {
		return
	}
	p.contacts.faulty[ordinal] = true
	p.rejects.add(reject{source: schemas.SourceCampaign, ordinal: int64(ordinal), field: "metrics", reason: schemas.BadValue, raw: raw})
}

// addUp writes one row of equal ones. What would overflow is left out and rejected.
func (p *Projector) addUp(c *schemas.Campaign, equal []contact) {
	sum := int64(0)
	for _, one := range equal {
		if sum > math.MaxInt64-one.emails {
			p.faulty(one.ordinal, c.Rows[one.ordinal])
			continue
		}
		sum += one.emails
	}
	columns := p.tables[schemas.CampaignContacts].columns
	columns[0].text(p.project)
	columns[1].int(c.ID)
	columns[2].text(equal[0].shown)
	columns[3].text(equal[0].metric)
	columns[4].int(sum)
}
