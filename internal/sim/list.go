package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// maxBody bounds what a POST may send.
const maxBody = 64 << 20

// listQuery is the body of a list call; unknown parameters are ignored.
type listQuery struct {
	Filters json.RawMessage `json:"filters"`
	Limit   *int            `json:"limit"`
	Offset  int             `json:"offset"`
}

// body reads and decodes the body of a POST; an empty one leaves v as it is.
func (c *call) body(v any) error {
	raw, err := c.raw()
	if err != nil || len(raw) == 0 {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return refuse("incorrect_request", "the body is not the JSON that is expected: %v", err)
	}
	return nil
}

func (c *call) raw() ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, refuse("incorrect_request", "the body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	return raw, nil
}

// page works out the first row and the number of rows of a page.
func page(limit *int, offset, capped, rows int) (from, to int, err error) {
	n := defaultLimit
	if limit != nil {
		n = *limit
	}
	if n < 0 || offset < 0 {
		return 0, 0, refuse("request_data_validation_error", "limit and offset must not be negative")
	}
	if capped > 0 {
		n = min(n, capped)
	}
	from = min(offset, rows)
	return from, from + min(n, rows-from), nil
}

// list answers /project/clients: the rows, newest first.
func (s *Server) list(c *call) (*answer, error) {
	var q listQuery
	if err := c.body(&q); err != nil {
		return nil, err
	}
	state := s.State()
	found, err := s.match(state, q.Filters)
	if err != nil {
		return nil, err
	}
	from, to, err := page(q.Limit, q.Offset, s.opt.MaxPage, found.rows)
	if err != nil {
		return nil, err
	}
	body := append(make([]byte, 0, 64+700*(to-from)), `{"clients":[`...)
	for n := from; n < max(from, to-c.cut); n++ {
		if n > from {
			body = append(body, ',')
		}
		body = s.appendRow(body, state, found.offset(n))
	}
	body = append(body, `],"total":`...)
	body = strconv.AppendInt(body, int64(found.total+c.totalAdd), 10)
	return success(append(body, `,"status":"success"}`...)), nil
}
