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

// textPiece is how much room is made at once for texts of contacts.
const textPiece = 64 << 10

// contacts are the rows that a campaign in hand will have, before equal ones are added up.
type contacts struct {
	words  *vocabulary
	list   []contact
	names  []name
	texts  []byte // the newest piece of what list and names point into
	shown  []byte // scratch
	faulty []bool // by place: whether its metrics have a reject
}

// contact is what one row says of a contact and a metric.
type contact struct {
	name, ordinal int32 // places in names and in the campaign
	metric        []byte
	emails        int64
}

// name is a contact as it is shown, and as it is told from others: equal ones are
// added up, a hash of it if that is what is shown.
type name struct{ shown, identity []byte }

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
	defer s.reset()
	s.faulty = append(s.faulty[:0], make([]bool, len(c.Rows))...)
	for ordinal, raw := range c.Rows {
		if reason := p.contactRow(ordinal, raw); reason != "" {
			p.rejects.add(reject{source: schemas.SourceCampaign, ordinal: int64(ordinal), reason: reason, raw: raw})
		}
	}
	slices.SortFunc(s.list, s.compare)
	for start := 0; start < len(s.list); {
		end := start + 1
		for end < len(s.list) && s.same(&s.list[start], &s.list[end]) {
			end++
		}
		p.addUp(c, s.list[start:end])
		if err := p.wrote(len(s.names[s.list[start].name].shown) + len(s.list[start].metric) + rowBytes); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// reset lets go of a campaign, and of what a large one needed.
func (s *contacts) reset() {
	s.list, s.names, s.texts = emptied(s.list), emptied(s.names), emptied(s.texts)
}

// compare puts rows in the order of what is shown, so that the order tells nothing
// more, and equal contacts together.
func (s *contacts) compare(a, b contact) int {
	x, y := &s.names[a.name], &s.names[b.name]
	if c := cmp.Or(bytes.Compare(a.metric, b.metric), bytes.Compare(x.shown, y.shown)); c != 0 {
		return c
	}
	return cmp.Or(bytes.Compare(x.identity, y.identity), cmp.Compare(a.ordinal, b.ordinal))
}

func (s *contacts) same(a, b *contact) bool {
	return bytes.Equal(a.metric, b.metric) && bytes.Equal(s.names[a.name].identity, s.names[b.name].identity)
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
	s.names = append(s.names, p.shownContact(text))
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
			s.list = append(s.list, contact{int32(len(s.names) - 1), int32(ordinal), s.keep(e.key), n})
		}
	}
	if len(w.faults) > 0 {
		p.faulty(ordinal, raw)
	}
	return ""
}

// shownContact keeps a contact, as it is shown and as it is told from others. Two
// contacts with one hash are one, two with one mask are not.
func (p *Projector) shownContact(text []byte) name {
	s := &p.contacts
	switch p.protector.contact {
	case schemas.HashValue:
		s.shown = p.protector.hasher.Append(s.shown[:0], text, schemas.Email)
	case schemas.MaskValue:
		s.shown = privacy.AppendMask(s.shown[:0], text, schemas.Email)
		return name{s.keep(s.shown), s.keep(text)}
	default:
		s.shown = append(s.shown[:0], text...)
	}
	shown := s.keep(s.shown)
	return name{shown, shown}
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
	if cap(s.texts)-len(s.texts) < len(text) { // growing would keep what it grew from
		s.texts = make([]byte, 0, max(len(text), textPiece))
	}
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
			p.faulty(int(one.ordinal), c.Rows[one.ordinal])
			continue
		}
		sum += one.emails
	}
	columns := p.tables[schemas.CampaignContacts].columns
	columns[0].text(p.project)
	columns[1].int(c.ID)
	columns[2].text(p.contacts.names[equal[0].name].shown)
	columns[3].text(equal[0].metric)
	columns[4].int(sum)
}
