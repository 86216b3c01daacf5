package sim

import (
	"strconv"

	"roistat-etl/internal/sim/world"
)

// contactsQuery is the body of a contacts call.
type contactsQuery struct {
	Metrics   []string `json:"metric_ids"`
	Campaigns []int    `json:"campaign_ids"`
	Limit     *int     `json:"limit"`
	Offset    int      `json:"offset"`
}

// contacts answers /project/clients/campaign/contact/list: the rows of the
// campaigns one after the other. Without a limit all rows come, or as many as
// Options.ContactPage allows.
func (s *Server) contacts(c *call) (*answer, error) {
	var q contactsQuery
	if err := c.body(&q); err != nil {
		return nil, err
	}
	if len(q.Metrics) == 0 || len(q.Campaigns) == 0 {
		return nil, refuse("request_data_validation_error", "metric_ids and campaign_ids are required")
	}
	w := s.State().World()
	rows := 0
	for _, id := range q.Campaigns {
		rows += w.ContactCount(id)
	}
	if q.Limit == nil {
		q.Limit = &rows
	}
	from, to, err := page(q.Limit, q.Offset, s.opt.ContactPage, rows)
	if err != nil {
		return nil, err
	}
	to = max(from, to-c.cut)
	body := append(make([]byte, 0, 128+160*(to-from)), `{"data":[`...)
	body = appendContacts(body, w, &q, from, to)
	body = append(body, `],"count":`...)
	body = strconv.AppendInt(body, int64(to-from), 10)
	body = append(body, `,"total_count":`...)
	body = strconv.AppendInt(body, int64(rows+c.totalAdd), 10)
	return success(append(body, `,"status":"success"}`...)), nil
}

// appendContacts appends the rows from one place to another of all campaigns.
func appendContacts(dst []byte, w *world.World, q *contactsQuery, from, to int) []byte {
	asked := make(map[string]bool, len(q.Metrics))
	for _, m := range q.Metrics {
		asked[m] = true
	}
	first := 0 // the place of the campaign's first row
	comma := false
	for _, id := range q.Campaigns {
		rows := w.ContactCount(id)
		for n := max(from, first); n < min(to, first+rows); n++ {
			if comma {
				dst = append(dst, ',')
			}
			row := w.Contact(id, n-first)
			dst = world.AppendContact(dst, &row, asked)
			comma = true
		}
		first += rows
	}
	return dst
}
