package world

import "fmt"

// TruthOf calls fn for every row that one client has in correct tables, as
// [State.Truth] does for all. A client that doesn't exist has none. The ordinal
// of a reject of its row is 0.
func (s *State) TruthOf(id int64, fn RowFunc) error {
	f, ok := s.Feed(id)
	if !ok {
		return nil
	}
	t := &truth{project: s.w.cfg.Project, fn: fn}
	t.client(s.w.Row(f), 0)
	t.feed(f)
	if t.err != nil {
		return fmt.Errorf("write the truth of client %d: %w", id, t.err)
	}
	return nil
}

// CampaignTruth calls fn for every row that one campaign has in correct tables,
// if the rows of its answer that skip reports are left out; nil leaves out none.
func (w *World) CampaignTruth(id int, skip func(row []byte) bool, fn RowFunc) error {
	t := &truth{project: w.cfg.Project, fn: fn}
	t.campaign(w, id, skip)
	if t.err != nil {
		return fmt.Errorf("write the truth of campaign %d: %w", id, t.err)
	}
	return nil
}
