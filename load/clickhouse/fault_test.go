package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/clickhousetest"
	"roistat-etl/load"
	"roistat-etl/schemas"
)

// faults are points at which a publishing is broken, and how.
func faults() map[string]clickhousetest.Fault {
	const cut, swallow = clickhousetest.Cut, clickhousetest.Swallow
	return map[string]clickhousetest.Fault{
		"at a table's making":                      {Action: cut, Match: "CREATE TABLE `visits__next_"},
		"at an attached partition":                 {Action: cut, Match: "ATTACH PARTITION"},
		"after an attached partition":              {Action: swallow, Match: "ATTACH PARTITION"},
		"in a block":                               {Action: cut, Match: "INSERT INTO `clients__next_", After: 300},
		"after a block":                            {Action: swallow, Match: "INSERT INTO `clients__next_", After: 1 << 10},
		"at the check":                             {Action: cut, Match: "sum(xxHash64(r))"},
		"at the books":                             {Action: cut, Match: "INSERT INTO `_partitions`"},
		"after the books":                          {Action: swallow, Match: "INSERT INTO `_partitions`", After: 1 << 8},
		"before the exchange":                      {Action: cut, Match: "EXCHANGE TABLES"},
		"after the exchange":                       {Action: swallow, Match: "EXCHANGE TABLES"},
		"before the exchange, again and again":     {Action: cut, Match: "EXCHANGE TABLES", Always: true},
		"after the exchange, again and again":      {Action: swallow, Match: "EXCHANGE TABLES", Always: true},
		"at the comments":                          {Action: cut, Match: "MODIFY COMMENT", Always: true},
		"at the dropping of the old tables":        {Action: cut, Match: "DROP TABLE IF EXISTS `", Always: true},
		"at the views":                             {Action: cut, Match: "CREATE OR REPLACE VIEW", Always: true},
		"at the second look at what was exchanged": {Action: cut, Match: "FROM system.tables", Nth: 4},
	}
}

// TestFaults breaks the second publishing at each point, while readers ask all
// the time. Whatever comes of it, no reader sees a table that is neither the
// first run's nor the second's, and the third publishing puts everything right.
func TestFaults(t *testing.T) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			s := clickhousetest.Shared(t)
			database := s.Database(t)
			p := place{as(t, s, "etl", database), s, database}
			first, second := world(t, 1, 8), changed(t)
			outcomes, err := publish(t, p.Destination, run(1), first)
			must(t, outcomes, err)
			proxy := clickhousetest.StartProxy(t, s.Native)
			broken := through(t, proxy, database)
			proxy.Set(fault)
			reads := p.whileReading(t, first, second, func() { outcomes, err = publish(t, broken, run(2), second) })
			struck := proxy.Struck()
			proxy.Set(clickhousetest.Fault{})
			t.Logf("struck %d times, %d reads, %s: %v", struck, reads, outcomes[0].State, err)
			if struck == 0 || err == nil && outcomes[0].State != load.Published {
				t.Errorf("struck %d times, %s without an error", struck, outcomes[0].State)
			}
			outcomes, err = publish(t, p.Destination, run(3), second)
			must(t, outcomes, err)
			want := run(3)
			if outcomes[0].State == load.Unchanged {
				want = run(2)
			}
			p.shows(t, want, second)
		})
	}
}

// changed is the first world, but for some tables.
func changed(t *testing.T) *load.Snapshot {
	t.Helper()
	return seal(t, func(s *load.Spool) {
		for _, table := range schemas.Tables() {
			spill(t, s, table, rowsOf(table, 1, 8))
			if slices.Contains([]schemas.ID{schemas.Visits, schemas.Clients, schemas.Rejects}, table.ID) {
				spill(t, s, table, rowsOf(table, 2, 3))
			}
		}
	})
}

// whileReading reads tables over and over while something is done, and returns
// how often. A table must be that of one of the two worlds, whole.
func (p place) whileReading(t *testing.T, a, b *load.Snapshot, do func()) (reads int64) {
	t.Helper()
	allowed := map[string]string{}
	for _, n := range []*load.Snapshot{a, b} {
		for id, text := range totals(n) {
			allowed[text] += schemas.Get(id).Name + " "
		}
	}
	done := atomic.Bool{}
	g, ctx := errgroup.WithContext(t.Context())
	g.Go(func() error {
		for !done.Load() {
			for _, table := range []schemas.ID{schemas.Visits, schemas.Clients, schemas.Rejects, schemas.Calls} {
				text, err := p.total(ctx, schemas.Get(table))
				if err != nil {
					return err
				}
				if !strings.Contains(allowed[text], schemas.Get(table).Name+" ") {
					return fmt.Errorf("a reader saw %s of %s, which is no run's", text, schemas.Get(table).Name)
				}
				reads++
			}
		}
		return nil
	})
	do()
	done.Store(true)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	return reads
}

// total is rows and digest of a whole table, in one question.
func (p place) total(ctx context.Context, t *schemas.Table) (string, error) {
	text, err := p.server.QueryAs(ctx, "bi", clickhousetest.Password, "SELECT count(), sum(xxHash64(r)) FROM (SELECT "+rowBytes(t)+" AS r FROM "+schemas.Ident(p.name)+"."+schemas.Ident(t.Name)+")")
	return strings.TrimSpace(text), err
}

// totals is the same of what should be there.
func totals(n *load.Snapshot) map[schemas.ID]string {
	rows, sum := map[schemas.ID]int64{}, map[schemas.ID]uint64{}
	for _, p := range n.Partitions() {
		rows[p.Table] += p.Rows
		for i, b := range p.Digest[:8] {
			sum[p.Table] += uint64(b) << (56 - 8*i)
		}
	}
	out := map[schemas.ID]string{}
	for id := range rows {
		out[id] = fmt.Sprintf("%d\t%d", rows[id], sum[id])
	}
	return out
}

// TestDeadRunsAreStruck cuts the recovery from a run that died before its exchange:
// its tables stay until the books know nothing of it any more.
func TestDeadRunsAreStruck(t *testing.T) {
	p := newPlace(t)
	outcomes, err := publish(t, p.Destination, run(1), world(t, 1, 8))
	must(t, outcomes, err)
	parts := changed(t).Partitions()
	if _, err := p.Begin(t.Context(), run(2), parts); err != nil {
		t.Fatal(err)
	}
	if err := p.enter(t.Context(), run(2).Run, parts); err != nil {
		t.Fatal(err)
	}
	left := func() string {
		return p.query(t, "SELECT (SELECT count() FROM system.tables WHERE database = '%s' AND name LIKE '%%__next_%%') > 0, count() > 0 FROM %s._partitions WHERE run = '%s'",
			p.name, p.name, run(2).Run)
	}
	proxy := clickhousetest.StartProxy(t, p.server.Native)
	proxy.Set(clickhousetest.Fault{Action: clickhousetest.Cut, Match: "DELETE WHERE run", Always: true})
	if err := through(t, proxy, p.name).Recover(t.Context(), run(1).Mirror); err == nil || left() != "1\t1\n" {
		t.Errorf("cut, tables and books are left: %q, %v", left(), err)
	}
	if err := p.Recover(t.Context(), run(1).Mirror); err != nil || left() != "0\t0\n" {
		t.Errorf("tables and books are left: %q, %v", left(), err)
	}
}

// TestKilledServer kills the server at the exchange, and in the midst of a block.
func TestKilledServer(t *testing.T) {
	for _, match := range []string{"EXCHANGE TABLES", "INSERT INTO `clients__next_"} {
		t.Run(strings.Trim(strings.ToLower(match), "`_("), func(t *testing.T) {
			s := clickhousetest.Start(t, clickhousetest.Options{})
			database := "roistat_killed"
			p := place{as(t, s, "etl", database), s, database}
			outcomes, err := publish(t, p.Destination, run(1), world(t, 1, 8))
			must(t, outcomes, err)
			proxy := clickhousetest.StartProxy(t, s.Native)
			d := through(t, proxy, database)
			proxy.Set(clickhousetest.Fault{Action: clickhousetest.Cut, Match: match, Do: s.Kill})
			second := changed(t)
			outcomes, err = publish(t, d, run(2), second)
			if err == nil || outcomes[0].State != load.Failed {
				t.Fatalf("%+v: %v", outcomes, err)
			}
			s.Restart()
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			outcomes, err = publish(t, p.Destination, run(3), second)
			must(t, outcomes, err)
			p.shows(t, run(3), second)
		})
	}
}

// TestTLS publishes through TLS, and refuses a certificate that nobody vouches for.
func TestTLS(t *testing.T) {
	s := clickhousetest.Shared(t)
	database := s.Database(t)
	proxy := clickhousetest.StartTLSProxy(t, s.Native)
	secure := func(file string) *Destination {
		return open(t, "clickhouse://etl@"+proxy.Addr+"/"+database+"?secure=true", file)
	}
	n := world(t, 1, 3)
	if outcomes, err := publish(t, secure(""), run(1), n); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%+v: %v", outcomes, err)
	}
	outcomes, err := publish(t, secure(proxy.CAFile), run(1), n)
	must(t, outcomes, err)
	place{as(t, s, "etl", database), s, database}.shows(t, run(1), n)
}
