package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/extract/mirror"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// RejectFilter picks rejects; zero values pick all.
type RejectFilter struct {
	Table     string // that the item would have gone to
	Reason    string
	Client    int64 // if HasClient
	HasClient bool
	Limit     int // rows at most
}

// errEnough ends a scan that has found what it wanted.
var errEnough = errors.New("enough")

// Rejects projects the mirror and gives the rejects that the filter picks, in
// the order of the table, to each: as the privacy rules leave them. It publishes
// and changes nothing.
func Rejects(ctx context.Context, p *config.Pipeline, f RejectFilter, each func(Row) error) (err error) {
	m, err := read(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	opt := transformOptions(p)
	opt.Rules = opt.Rules.Only(schemas.Get(schemas.Rejects)) // no other table is shown, nor its salt needed
	s := &rejectScan{filter: f, each: each, projector: transform.New(memory.NewGoAllocator(), opt)}
	err = s.scan(ctx, m.Reader)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// rejectScan is one search for rejects.
type rejectScan struct {
	filter    RejectFilter
	each      func(Row) error
	projector *transform.Projector
	given     int
}

func (s *rejectScan) scan(ctx context.Context, m *mirror.Reader) error {
	if s.filter.HasClient {
		c, ok, err := m.Client(ctx, s.filter.Client)
		if err != nil || !ok {
			return err
		}
		return s.take(s.projector.Clients([]schemas.Client{c}))
	}
	for c, err := range m.Campaigns(ctx) {
		if err != nil {
			return err
		}
		if err := s.take(s.projector.Campaigns([]schemas.Campaign{c})); err != nil {
			return err
		}
	}
	for list, err := range m.Unlisted(ctx) {
		if err != nil {
			return err
		}
		if err := s.take(s.projector.Unlisted(list)); err != nil {
			return err
		}
	}
	for list, err := range m.ImportRejects(ctx) {
		if err != nil {
			return err
		}
		if err := s.take(s.projector.Imported(list)); err != nil {
			return err
		}
	}
	return s.clients(ctx, m)
}

func (s *rejectScan) clients(ctx context.Context, m *mirror.Reader) error {
	var buffer mirror.Buffer
	for packed, err := range m.Scan(ctx, blockClients) {
		if err != nil {
			return err
		}
		block, err := unpack(packed, &buffer, nil)
		if err != nil {
			return err
		}
		if err := s.take(s.projector.Clients(block)); err != nil {
			return err
		}
	}
	return nil
}

// take gives the rejects among the batches, which it releases.
func (s *rejectScan) take(b *transform.Batches, err error) error {
	if err != nil {
		return fmt.Errorf("project the mirror: %w", err)
	}
	defer b.Release()
	record := b.Records[schemas.Rejects]
	if record == nil {
		return nil
	}
	for _, r := range rowsOf(schemas.Get(schemas.Rejects), record) {
		if !s.filter.picks(r) {
			continue
		}
		if s.filter.Limit > 0 && s.given == s.filter.Limit {
			return errEnough
		}
		s.given++
		if err := s.each(r); err != nil {
			return err
		}
	}
	return nil
}

func (f RejectFilter) picks(r Row) bool {
	return (f.Reason == "" || r.Get("reason") == f.Reason) && (f.Table == "" || f.Table == schemas.Rejects.String() || f.Table == tableOfReject(r))
}

// tableOfReject names the table that the item would have gone to.
func tableOfReject(r Row) string {
	switch source, _ := r.Get("source").(string); schemas.Source(source) {
	case schemas.SourceClients, schemas.SourceImport:
		return schemas.Clients.String()
	case schemas.SourceCampaign:
		return schemas.CampaignContacts.String()
	default:
		typ, _ := r.Get("type").(string)
		return schemas.TableOf(typ).String()
	}
}
