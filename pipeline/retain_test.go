package pipeline

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"roistat-etl/internal/sim"
	"roistat-etl/pipeline/config"
)

// leaver is the last client of a list that others are cut from.
const leaver = 120

// of switches the stand to a stand-in whose list has so many clients.
func (s *stand) of(t *testing.T, clients int) {
	t.Helper()
	s.options.Transport = sim.Transport(quickStand(t, clients).sim)
}

// leaverRows counts the rows that the mirror makes of the leaver.
func (s *stand) leaverRows(t *testing.T) (rows int, raw RawClient) {
	t.Helper()
	c, err := ShowClient(t.Context(), s.pipeline, leaver)
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	return len(c.Rows), c.Raw
}

// bytesOf looks for a text in the mirror's files.
func (s *stand) bytesOf(t *testing.T, text []byte) (n int) {
	t.Helper()
	names, err := filepath.Glob(s.pipeline.Mirror + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(b, text)
	}
	return n
}

// TestRetainGone lets clients leave. Their raw data goes after retain_gone, with
// gone_clients: keep their events then, too; who comes back is read anew.
func TestRetainGone(t *testing.T) {
	const day = 24 * time.Hour
	for _, gone := range []string{config.GoneDrop, config.GoneKeep} {
		t.Run(gone, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := quickStand(t, leaver)
				s.pipeline.Transform.GoneClients = gone
				s.run(t, nil).want(t, OK)
				before, first := s.leaverRows(t)
				var row struct{ Phone json.RawMessage }
				if err := json.Unmarshal(first.Row, &row); err != nil || len(row.Phone) < 10 || before < 3 {
					t.Fatal(err, string(row.Phone), before)
				}
				phone := bytes.Trim(row.Phone, `"`)
				s.of(t, leaver-12)
				for range 3 { // one list says nothing yet
					time.Sleep(day)
					s.run(t, nil).want(t, OK)
				}
				time.Sleep(27 * day)
				s.run(t, nil).want(t, OK)
				rows, raw := s.leaverRows(t)
				if raw.GoneAt == nil || len(raw.Row) == 0 || len(raw.Feed) == 0 || (rows == before) != (gone == config.GoneKeep) || s.bytesOf(t, phone) == 0 {
					t.Errorf("within retain_gone: %d rows of %d, %+v", rows, before, raw)
				}
				s.audit(t)
				published := s.published(t).Tables["clients"].Rows
				time.Sleep(4 * day)
				s.run(t, nil).want(t, OK)
				if rows, raw := s.leaverRows(t); rows != 0 || raw.Row != nil || raw.Feed != nil || raw.GoneAt == nil {
					t.Errorf("after retain_gone: %d rows, %+v", rows, raw)
				}
				if n := s.bytesOf(t, phone); n != 0 {
					t.Errorf("the phone is in the mirror's files %d times", n)
				}
				if now := s.published(t).Tables["clients"].Rows; now != published-12 {
					t.Errorf("%d clients after %d", now, published)
				}
				s.audit(t)
				s.of(t, leaver)
				time.Sleep(day)
				s.run(t, nil).want(t, OK)
				if rows, raw := s.leaverRows(t); rows != before || raw.GoneAt != nil || raw.Row == nil || raw.Feed == nil {
					t.Errorf("after it came back: %d rows of %d, %+v", rows, before, raw)
				}
				s.audit(t)
			})
		})
	}
}
