package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
)

// maxImported bounds the bytes of all bodies that are kept.
const maxImported = 256 << 20

// Imported is what the import method was sent.
type Imported struct {
	Bodies  []json.RawMessage          `json:"bodies"`  // accepted ones, as sent, in order
	Clients map[string]json.RawMessage `json:"clients"` // by id in the CRM: the last of each
	Calls   int                        `json:"calls"`   // accepted ones
	Rows    int                        `json:"rows"`    // of them
	Created int                        `json:"created"`
	Updated int                        `json:"updated"`
}

// imports keeps it. Imported clients do not join the list: the world is what
// its seed says.
type imports struct {
	mu    sync.Mutex
	count bool // rows and calls only, and keep nothing
	kept  Imported
	size  int
}

// imported is one client of an import.
type imported struct {
	ID       any             `json:"id"`
	Name     any             `json:"name"`
	Phone    any             `json:"phone"`
	Email    any             `json:"email"`
	Company  any             `json:"company"`
	Birthday any             `json:"birth_date"`
	Fields   json.RawMessage `json:"fields"`
}

// importClients answers /project/clients/import: all of a body is taken, or
// nothing.
func (s *Server) importClients(c *call) (*answer, error) {
	raw, err := c.raw()
	if err != nil {
		return nil, err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, refuse("incorrect_request", "the body is not a list of clients")
	}
	ids, err := checkImports(rows, c.invalid)
	if err != nil {
		return nil, err
	}
	if err := s.imports.add(raw, ids, rows); err != nil {
		return nil, err
	}
	return success([]byte(`{"status":"success"}`)), nil
}

// checkImports returns the ids of the rows, or a refusal naming all bad fields.
func checkImports(rows []json.RawMessage, invalid []*Fault) ([]string, error) {
	ids := make([]string, len(rows))
	details := map[string]any{}
	for i, raw := range rows {
		var row imported
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if err := dec.Decode(&row); err != nil {
			details[fmt.Sprint(i)] = []string{"not an object"}
			continue
		}
		ids[i] = scalar(row.ID)
		bad := row.faults()
		for _, f := range invalid {
			if f.refuses(ids[i]) {
				bad = append(bad, "refused")
			}
		}
		if len(bad) > 0 {
			details[fmt.Sprint(i)] = bad
		}
	}
	if len(details) == 0 {
		return ids, nil
	}
	no := refuse("request_data_validation_error", "%d of %d clients are not valid", len(details), len(rows))
	no.details = details
	return nil, no
}

// faults names the fields that are missing or of a wrong type.
func (c *imported) faults() []string {
	var bad []string
	switch id := c.ID.(type) {
	case string:
		if id == "" {
			bad = append(bad, "id")
		}
	case json.Number:
	default:
		bad = append(bad, "id")
	}
	if name, ok := c.Name.(string); !ok || name == "" {
		bad = append(bad, "name")
	}
	optional := []struct {
		key   string
		value any
	}{{"phone", c.Phone}, {"email", c.Email}, {"company", c.Company}, {"birth_date", c.Birthday}}
	for _, o := range optional {
		if _, ok := o.value.(string); !ok && o.value != nil {
			bad = append(bad, o.key)
		}
	}
	if f := bytes.TrimSpace(c.Fields); len(f) > 0 && f[0] != '{' && string(f) != "[]" && string(f) != "null" {
		bad = append(bad, "fields")
	}
	return bad
}

func (m *imports) add(raw []byte, ids []string, rows []json.RawMessage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.count && m.size+len(raw) > maxImported {
		return refuse("internal_error", "the stand-in keeps at most %d bytes of imports", maxImported)
	}
	m.kept.Calls++
	if m.kept.Rows += len(rows); m.count {
		return nil
	}
	m.size += len(raw)
	m.kept.Bodies = append(m.kept.Bodies, raw)
	if m.kept.Clients == nil {
		m.kept.Clients = map[string]json.RawMessage{}
	}
	for i, id := range ids {
		if _, known := m.kept.Clients[id]; known {
			m.kept.Updated++
		} else {
			m.kept.Created++
		}
		m.kept.Clients[id] = rows[i]
	}
	return nil
}

// Imported returns what the import method was sent so far.
func (s *Server) Imported() Imported {
	s.imports.mu.Lock()
	defer s.imports.mu.Unlock()
	kept := s.imports.kept
	kept.Bodies = append([]json.RawMessage{}, kept.Bodies...)
	clients := make(map[string]json.RawMessage, len(kept.Clients))
	for id, row := range kept.Clients {
		clients[id] = row
	}
	kept.Clients = clients
	return kept
}
