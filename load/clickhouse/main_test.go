package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
	"roistat-etl/load/loadtest"
	"roistat-etl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(clickhousetest.Main(m)) }

// place is a destination in a database of its own.
type place struct {
	*Destination
	server *clickhousetest.Server
	name   string // of the database
}

func newPlace(t testing.TB) place {
	t.Helper()
	s := clickhousetest.Shared(t)
	name := s.Database(t)
	return place{as(t, s, "etl", name), s, name}
}

// as makes the destination of another user.
func as(t testing.TB, s *clickhousetest.Server, user, database string) *Destination {
	t.Helper()
	return open(t, s.URL(user, database), "")
}

// open makes a destination that is closed with the test.
func open(t testing.TB, url, caFile string) *Destination {
	t.Helper()
	d, err := New(Options{URL: url, Password: clickhousetest.Password, CAFile: caFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// query asks the server over HTTP, in the place's database.
func (p place) query(t testing.TB, q string, args ...any) string {
	t.Helper()
	return p.server.Query(t, fmt.Sprintf(q, args...))
}

// readAll digests what readers see, by the server's own functions.
func (d *Destination) readAll(ctx context.Context) (loadtest.Content, error) {
	s, err := d.inspect(ctx)
	if err != nil || len(s.live) == 0 {
		return nil, err
	}
	out := loadtest.Content{}
	for _, t := range schemas.Tables() {
		key := t.Name
		got, err := d.digestAll(ctx, t)
		if err != nil {
			return nil, err
		}
		for id, s := range got {
			if t.Partition == schemas.Monthly {
				key = t.Name + " " + month(id)
			}
			out[key] = s.digest
		}
		if len(got) == 0 {
			if t.Partition == schemas.Monthly {
				key += " " + load.NoMonth
			}
			out[key] = load.Digest{}
		}
	}
	return out, nil
}

// world spills rows of each table: the same seed gives the same rows.
func world(t testing.TB, seed uint64, rows int) *load.Snapshot {
	t.Helper()
	return seal(t, func(s *load.Spool) {
		for _, table := range schemas.Tables() {
			spill(t, s, table, rowsOf(table, seed, rows))
		}
	})
}

// seal gives the rows that fill spills, and the month that all worlds share.
func seal(t testing.TB, fill func(*load.Spool)) *load.Snapshot {
	t.Helper()
	s, err := load.NewSpool("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	fill(s)
	spill(t, s, schemas.Get(schemas.Visits), unchangedMonth())
	n, err := s.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func rowsOf(table *schemas.Table, seed uint64, rows int) arrow.Record {
	return loadtest.Plain(memory.NewGoAllocator(), table, rand.New(rand.NewPCG(seed, uint64(table.ID))), rows)
}

// unchangedMonth is a second month of visits, which all worlds share.
func unchangedMonth() arrow.Record {
	return loadtest.Month(memory.NewGoAllocator(), schemas.Get(schemas.Visits), rand.New(rand.NewPCG(7, 7)), 5, 1)
}

func spill(t testing.TB, s *load.Spool, table *schemas.Table, rec arrow.Record) {
	t.Helper()
	defer rec.Release()
	e, err := s.Encode(table.ID, rec)
	if err == nil {
		err = s.Append(e)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run names the i-th run of a test.
func run(i int) load.Run {
	return load.Run{
		Run: fmt.Sprintf("20260726T0102%02dZ-1a2b3c", i), Pipeline: "demo", Project: "12345", Mirror: "mirror-1", ReportTimezone: "Europe/Moscow",
	}
}

// publish brings the rows to the destination.
func publish(t testing.TB, d *Destination, r load.Run, n *load.Snapshot) ([]load.Outcome, error) {
	t.Helper()
	return load.Publish(t.Context(), []load.Destination{d}, r, n, 2)
}

// shows fails unless readers see exactly the rows, under the run.
func (p place) shows(t testing.TB, r load.Run, n *load.Snapshot) {
	t.Helper()
	m, err := p.Published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m == nil || m.Run != r.Run {
		t.Fatalf("shows %+v, not %s", m, r.Run)
	}
	got, err := p.readAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := loadtest.Content{}
	for _, part := range n.Partitions() {
		want[part.String()] = part.Digest
	}
	if !maps.Equal(got, want) {
		t.Fatalf("readers see %d partitions, there should be %d, or their rows differ", len(got), len(want))
	}
	if left := p.query(t, "SELECT name FROM system.tables WHERE database = '%s' AND name LIKE '%%__next_%%'", p.name); left != "" {
		t.Errorf("left behind: %s", left)
	}
}
