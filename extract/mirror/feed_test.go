package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/schemas"
)

// keep stores a feed and fails the test if it can't.
func keep(t *testing.T, m *Mirror, client int64, body string, items int64, at time.Time) {
	t.Helper()
	p := NewPacker()
	if err := m.Enter(t.Context(), answer(t, p, client, []byte(body), items, at), 1); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, r *Reader, id int64) schemas.Client {
	t.Helper()
	c, ok, err := r.Client(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("client %d: %v, %v", id, ok, err)
	}
	return c
}

func count(t *testing.T, m *Mirror, what string) (n int) {
	t.Helper()
	if err := m.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+what).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

func TestRestoreBringsTheAcceptedFeedBack(t *testing.T) {
	m := open(t)
	list(t, m, true, 1, 2, 3)
	keep(t, m, 1, `["first"]`, 1, day(1))
	keep(t, m, 2, `["same"]`, 1, day(1))
	if n := count(t, m, "feeds_before"); n != 0 {
		t.Errorf("%d feeds before the first", n)
	}
	if err := m.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	keep(t, m, 1, `["second"]`, 2, day(2))
	keep(t, m, 1, `["third"]`, 3, day(3))
	keep(t, m, 2, `["same"]`, 1, day(3))
	if c := get(t, m.Reader, 1); string(c.Feed) != `["third"]` || !c.FeedAt.Equal(day(3)) {
		t.Errorf("latest: %s at %v", c.Feed, c.FeedAt)
	}
	if n := count(t, m, "feeds_before"); n != 1 {
		t.Errorf("%d feeds before the latest, want 1: an equal feed is no other", n)
	}
	if n, err := m.Restore(t.Context()); err != nil || n != 1 {
		t.Fatalf("restored %d, %v", n, err)
	}
	if c := get(t, m.Reader, 1); string(c.Feed) != `["first"]` || !c.FeedAt.Equal(day(1)) {
		t.Errorf("restored: %s at %v", c.Feed, c.FeedAt)
	}
	if c := get(t, m.Reader, 2); string(c.Feed) != `["same"]` || !c.FeedAt.Equal(day(3)) {
		t.Errorf("untouched: %s at %v", c.Feed, c.FeedAt)
	}
	keep(t, m, 1, `["fourth"]`, 4, day(4))
	if err := m.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := m.Restore(t.Context()); err != nil || n != 0 {
		t.Errorf("restored %d after accepting, %v", n, err)
	}
	if c := get(t, m.Reader, 1); string(c.Feed) != `["fourth"]` {
		t.Errorf("accepted: %s", c.Feed)
	}
}

func TestOutcomes(t *testing.T) {
	m := open(t)
	list(t, m, true, 1, 2, 3, 4)
	list(t, m, true, 1, 2, 3)
	p := NewPacker()
	keep(t, m, 1, `[1,2]`, 2, day(1))
	keep(t, m, 4, `[4]`, 1, day(1))
	absent := Answer{Client: 3, Outcome: Absent, At: day(2)}
	if err := p.Pack(&absent, []byte("[]")); err != nil {
		t.Fatal(err)
	}
	gone := Answer{Client: 4, Outcome: Absent, At: day(2)}
	for _, a := range []*Answer{
		{Client: 1, Outcome: Suspect, At: day(2)}, {Client: 2, Outcome: Failed, At: day(2)}, &absent, &gone,
	} {
		if err := m.Enter(t.Context(), a, 0); err != nil {
			t.Fatal(err)
		}
	}
	if absent.Gone || !gone.Gone {
		t.Errorf("gone: listed %v, missed by a list %v", absent.Gone, gone.Gone)
	}
	want := []Candidate{
		{Client: 1, Changed: true, FetchedAt: day(1), Items: 2, Suspect: true},
		{Client: 2, Changed: true, Failures: 1},
		{Client: 3, Changed: true, FetchedAt: day(2)},
	}
	i := 0
	for c, err := range m.Candidates(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if c.RowHash = 0; c != want[i] {
			t.Errorf("got %+v, want %+v", c, want[i])
		}
		i++
	}
	if c := get(t, m.Reader, 3); string(c.Feed) != "[]" {
		t.Errorf("absent and never read: %q", c.Feed)
	}
	if c := get(t, m.Reader, 4); string(c.Feed) != "[4]" || !c.GoneAt.Equal(day(2)) {
		t.Errorf("gone: %q at %v", c.Feed, c.GoneAt)
	}
	if n, err := m.PurgeGone(t.Context(), day(3)); err != nil || n != 1 {
		t.Errorf("purged %d, %v", n, err)
	}
	if c := get(t, m.Reader, 4); c.Feed != nil || c.Row != nil || c.GoneAt.IsZero() {
		t.Errorf("purged: %+v", c)
	}
	if n, err := m.PurgeGone(t.Context(), day(3)); err != nil || n != 0 {
		t.Errorf("purged again: %d, %v", n, err)
	}
	list(t, m, true, 4)
	if c := get(t, m.Reader, 4); string(c.Row) != `{"id":4}` || !c.GoneAt.IsZero() {
		t.Errorf("come back: %s, gone at %v", c.Row, c.GoneAt)
	}
}

func TestWritersShareTransactionsAndTheirFailure(t *testing.T) {
	m := open(t)
	bad := errors.New("bad")
	var mu sync.Mutex
	failed, txs := 0, map[*tx]bool{}
	var g errgroup.Group
	for i := range 200 {
		g.Go(func() error {
			err := m.w.do(t.Context(), "test", func(ctx context.Context, w *tx) error {
				mu.Lock()
				defer mu.Unlock()
				txs[w] = true
				if i == 100 {
					return bad
				}
				return w.exec(ctx, `INSERT INTO listed (id) VALUES (?)`, i)
			})
			if err != nil && !errors.Is(err, bad) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, m, "listed"); failed == 0 || n != 200-failed {
		t.Errorf("%d failed, %d are stored", failed, n)
	}
	if len(txs) == 200 {
		t.Error("no transaction was shared")
	}
}

func TestJournalKeepsAnHour(t *testing.T) {
	m := open(t)
	start := time.Now()
	for range 5 {
		if err := m.Enter(t.Context(), nil, 2); err != nil {
			t.Fatal(err)
		}
	}
	calls, err := m.Journal(t.Context(), start)
	sum := int64(0)
	for _, c := range calls {
		if sum += c.N; c.At.Before(start) || c.At.After(time.Now().Add(Grain)) {
			t.Errorf("a call at %v", c.At)
		}
	}
	if err != nil || sum != 10 {
		t.Errorf("%d calls, %v", sum, err)
	}
	err = m.w.do(t.Context(), "test", func(ctx context.Context, w *tx) error {
		later := time.Now().Add(2 * time.Hour)
		return w.journal(ctx, later, later, 1)
	})
	if n := count(t, m, "calls"); err != nil || n != 1 {
		t.Errorf("%d rows after two hours, %v", n, err)
	}
}

func TestCampaignsReplaceEachOther(t *testing.T) {
	m := open(t)
	for _, c := range []schemas.Campaign{{ID: 2, Rows: [][]byte{[]byte(`{"a":1}`), []byte(`[2]`)}}, {ID: 1}, {ID: 2, Rows: [][]byte{[]byte(`"x"`)}}, {ID: 3}} {
		if err := m.SetCampaign(t.Context(), c, day(1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.KeepCampaigns(t.Context(), map[int64]bool{1: true, 2: true}); err != nil {
		t.Fatal(err)
	}
	got, err := all(m.Campaigns(t.Context()))
	if err != nil || len(got) != 2 || got[0].ID != 1 || got[0].Rows != nil || got[1].ID != 2 || !bytes.Equal(bytes.Join(got[1].Rows, nil), []byte(`"x"`)) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRunsAndStats(t *testing.T) {
	m := open(t)
	if s, err := m.Stats(t.Context(), day(9)); err != nil || s != (Stats{}) {
		t.Errorf("empty: %+v, %v", s, err)
	}
	ids := make([]int64, 101)
	for i := range ids {
		ids[i] = int64(i)
	}
	list(t, m, true, ids...)
	for i := range 100 {
		keep(t, m, int64(i), `[]`, 0, day(1).Add(time.Duration(i)*time.Hour))
	}
	s, err := m.Stats(t.Context(), day(1).Add(99*time.Hour))
	want := Stats{Live: 101, NeverFetched: 1, P50: 49 * time.Hour, P95: 94 * time.Hour, Oldest: day(1)}
	if err != nil || s != want {
		t.Errorf("got %+v, want %+v, %v", s, want, err)
	}
	ages, err := m.Ages(t.Context(), day(1).Add(99*time.Hour), []time.Duration{24 * time.Hour, 72 * time.Hour})
	if want := []int64{24, 48, 28, 1}; err != nil || !slices.Equal(ages, want) {
		t.Errorf("ages %v, want %v, %v", ages, want, err)
	}
	for i := range 3 {
		if err := m.SaveRun(t.Context(), Run{Run: fmt.Sprint("r", i), StartedAt: day(1), FinishedAt: day(2), ExitCode: i, Report: "{}"}); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := m.Runs(t.Context(), 2)
	if err != nil || len(runs) != 2 || runs[0] != (Run{"r2", day(1), day(2), 2, "{}"}) || runs[1].Run != "r1" {
		t.Errorf("got %+v, %v", runs, err)
	}
}

func TestMeta(t *testing.T) {
	m := open(t)
	for _, v := range []string{"a", "b", ""} {
		if err := m.SetMeta(t.Context(), "k", v); err != nil {
			t.Fatal(err)
		}
		if got, err := m.Meta(t.Context(), "k"); err != nil || got != v {
			t.Errorf("got %q, %v", got, err)
		}
	}
}
