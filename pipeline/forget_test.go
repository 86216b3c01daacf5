package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim"
	"roistat-etl/load"
	"roistat-etl/pipeline/config"
	"roistat-etl/schemas"
)

// quickStand is a stand whose quota nobody has to wait for.
func quickStand(t testing.TB, clients int) *stand {
	t.Helper()
	s := newStand(t, clients, func(o *sim.Options) {
		o.World.Months = 3
		o.PerSecond, o.PerHour = 1e6, 1e9
	})
	s.pipeline.API.PerSecond, s.pipeline.API.PerHour = 1e6, 1e9
	return s
}

// forget erases clients and checks what holds for every report.
func (s *stand) forget(t testing.TB, clients ...int64) *Erasure {
	t.Helper()
	return s.forgetWith(context.Background(), t, s.options, clients...)
}

func (s *stand) forgetWith(ctx context.Context, t testing.TB, o Options, clients ...int64) *Erasure {
	t.Helper()
	e := Forget(ctx, s.pipeline, clients, o)
	if (e.Error == nil) != (e.Outcome == OK) || e.Outcome == OK && (len(e.StillShows) > 0 || e.Mirror != MirrorClean || len(e.Forgotten) != len(clients)) {
		b, _ := json.Marshal(e) // a report always marshals
		t.Errorf("the report contradicts itself: %s", b)
	}
	return e
}

func (e *Erasure) words(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	if err := e.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// want fails unless the erasure has the outcome.
func (e *Erasure) want(t testing.TB, o Outcome) *Erasure {
	t.Helper()
	if e.Outcome != o {
		t.Fatalf("outcome %s, want %s\n%s", e.Outcome, o, e.words(t))
	}
	return e
}

// pending tells whether an erasure has not come to its end.
func (s *stand) pending(t testing.TB) bool {
	t.Helper()
	st, err := ReadStatus(t.Context(), s.pipeline, StatusOptions{Runs: 1})
	if err != nil {
		t.Fatal(err)
	}
	return st.Erasing
}

// snapshots lists those of the destination in a folder.
func snapshots(t testing.TB, root string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// addFolder gives the pipeline a second destination.
func (s *stand) addFolder(t testing.TB) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "second")
	s.pipeline.Load = append(s.pipeline.Load, config.Destination{Parquet: &config.Parquet{Path: root, Compression: "none", Keep: 3}})
	return root
}

func TestForgetAndTheGates(t *testing.T) {
	s := quickStand(t, 1200)
	s.run(t, nil).want(t, OK)
	before := s.published(t)
	ids := make([]int64, 600) // half of all: every drop gate would stop that
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	e := s.forget(t, ids...).want(t, OK)
	for _, g := range e.Gates {
		if !g.Passed || g.Value > 0.01 {
			t.Errorf("gate %+v", g)
		}
	}
	now := s.published(t)
	if now.LiveClients != before.LiveClients-600 || now.Tables["visits"].Rows >= before.Tables["visits"].Rows || e.Contacts == 0 {
		t.Errorf("%d live clients after %d, %d contacts", now.LiveClients, before.LiveClients, e.Contacts)
	}
	if got := snapshots(t, s.pipeline.Load[0].Parquet.Path); !slices.Equal(got, []string{e.Run}) {
		t.Errorf("there lie %q", got)
	}
	s.audit(t)
	if s.pending(t) {
		t.Error("it has not come to its end")
	}
	s.run(t, nil).want(t, OK) // and no gate takes it for a drop the night after
	if r := s.run(t, func(o *Options) { o.Full = true }).want(t, OK); r.Clients.New != 0 || r.Feeds.Due != r.Clients.Listed-600 {
		t.Errorf("%+v %+v", r.Clients, r.Feeds)
	}
}

// TestForgetStopsWhereMoreIsMissingThanErased: clients that vanished upstream are
// what the gates are for, also in an erasure.
func TestForgetStopsWhereMoreIsMissingThanErased(t *testing.T) {
	s := quickStand(t, 300)
	s.run(t, nil).want(t, OK)
	m, err := mirror.Open(t.Context(), s.pipeline.Mirror, mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // two lists that show a tenth
		page := mirror.Page{At: time.Now(), State: "x"}
		for id := int64(1); id <= 30; id++ {
			page.Rows = append(page.Rows, mirror.Row{ID: id, Raw: []byte(`{}`)})
		}
		if err := m.BeginList(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := m.AddPage(t.Context(), page); err != nil {
			t.Fatal(err)
		}
		if _, err := m.FinishList(t.Context(), true, "no filters", page.At); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	before := s.published(t)
	e := s.forget(t, 7).want(t, Gated)
	if s.published(t).Run != before.Run || e.Mirror != MirrorClean || len(e.StillShows) != 1 || !strings.Contains(*e.Error, "--accept max_client_drop") {
		t.Error(e.words(t))
	}
	if !s.pending(t) {
		t.Error("nobody remembers that it has not come to its end")
	}
	o := s.options
	o.Accept = []string{GateClientDrop, GateRowDrop}
	s.forgetWith(context.Background(), t, o, 7).want(t, OK)
	if s.published(t).LiveClients != 29 || s.pending(t) {
		t.Error(s.published(t).LiveClients)
	}
}

// TestForgetPutsBackFeedsThatNobodyHasJudged: those of a run that was killed in a
// bad night must not be published by the way.
func TestForgetPutsBackFeedsThatNobodyHasJudged(t *testing.T) {
	s := quickStand(t, 300)
	s.run(t, nil).want(t, OK)
	before := s.published(t).Tables["visits"].Rows
	m, err := mirror.Open(t.Context(), s.pipeline.Mirror, mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := mirror.NewPacker()
	for id := int64(1); id <= 300; id++ {
		a := &mirror.Answer{Client: id, At: time.Now()}
		if err := errors.Join(p.Pack(a, []byte("[]")), m.Enter(t.Context(), a, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	s.forget(t, 7, 8).want(t, OK)
	if now := s.published(t).Tables["visits"].Rows; now < before*9/10 {
		t.Errorf("%d visits are left of %d", now, before)
	}
	s.audit(t)
}

// TestForgetWhereADestinationIsAway: the others don't show the person any more,
// and the next run, or forget, ends it.
func TestForgetWhereADestinationIsAway(t *testing.T) {
	for name, end := range map[string]func(*stand){
		"the next run ends it": func(s *stand) { s.run(t, nil).want(t, OK) },
		"forget ends it":       func(s *stand) { s.forget(t, 7).want(t, OK) },
	} {
		t.Run(name, func(t *testing.T) {
			s := quickStand(t, 200)
			second := s.addFolder(t)
			s.run(t, nil).want(t, OK)
			s.sim.Night(1, 0.2)
			s.run(t, func(o *Options) { o.Full = true }).want(t, OK)
			if len(snapshots(t, second)) != 2 {
				t.Fatal(snapshots(t, second))
			}
			before := s.published(t).Tables["clients"].Rows
			if err := os.Rename(second, second+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(second, nil, 0o600); err != nil { // no folder, and none can be made
				t.Fatal(err)
			}
			e := s.forget(t, 7, 8)
			if e.Outcome != Failed || e.Destinations[0].State != string(load.Published) || e.Destinations[1].State != string(load.Failed) ||
				!slices.Equal(e.StillShows, []string{"parquet " + second}) || e.Mirror != MirrorClean {
				t.Errorf("%s", e.words(t))
			}
			if !strings.Contains(e.words(t), "may still show them") || !s.pending(t) {
				t.Error(e.words(t))
			}
			told := 0
			err := Verify(t.Context(), s.pipeline, func(v Verified) error {
				if strings.Contains(v.Detail, "may still show clients that were erased") && !v.OK {
					told++
				}
				return nil
			})
			if err != nil || told != 1 {
				t.Errorf("verify tells of it %d times, %v", told, err)
			}
			if got := snapshots(t, s.pipeline.Load[0].Parquet.Path); !slices.Equal(got, []string{e.Run}) {
				t.Errorf("in the first folder lie %q", got)
			}
			if err := errors.Join(os.Remove(second), os.Rename(second+".away", second)); err != nil {
				t.Fatal(err)
			}
			end(s)
			if s.pending(t) || len(snapshots(t, second)) != 1 {
				t.Errorf("pending: %v, there lie %q", s.pending(t), snapshots(t, second))
			}
			if m := s.published(t); m.Tables["clients"].Rows != before-2 {
				t.Errorf("%d clients after %d", m.Tables["clients"].Rows, before)
			}
			s.audit(t)
		})
	}
}

func TestForgetLeavesAloneWhatAnotherMirrorPublished(t *testing.T) {
	s := quickStand(t, 100)
	s.run(t, nil).want(t, OK)
	if err := os.RemoveAll(filepath.Dir(s.pipeline.Mirror)); err != nil {
		t.Fatal(err)
	}
	before := s.published(t)
	if e := s.forget(t, 7).want(t, Gated); len(e.Forgotten) != 0 || !strings.Contains(*e.Error, "is the disk mounted?") || !isAbsent(s.pipeline.Mirror) {
		t.Error(e.words(t))
	}
	s.run(t, func(o *Options) { o.Adopt, o.NoPublish = true, true }).want(t, OK)
	e := s.forget(t, 7).want(t, Gated)
	if s.published(t).Run != before.Run || e.Forgotten[0].State != ClientErased || len(e.StillShows) != 1 {
		t.Error(e.words(t))
	}
	s.run(t, func(o *Options) { o.Adopt = true }).want(t, OK)
	if m := s.published(t); m.Tables["clients"].Rows != before.Tables["clients"].Rows-1 || s.pending(t) {
		t.Errorf("%d clients after %d", m.Tables["clients"].Rows, before.Tables["clients"].Rows)
	}
	if got := snapshots(t, s.pipeline.Load[0].Parquet.Path); len(got) != 1 {
		t.Errorf("there lie %q", got)
	}
}

func TestForgetThatIsInterruptedGoesOn(t *testing.T) {
	s := quickStand(t, 200)
	s.run(t, nil).want(t, OK)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(ErrInterrupted)
	e := s.forgetWith(ctx, t, s.options, 7)
	e.want(t, Interrupted)
	s.forget(t, 7).want(t, OK)
	if m := s.published(t); m.Tables["clients"].Rows != 199 {
		t.Errorf("%d clients", m.Tables["clients"].Rows)
	}
}

// TestForgetCountsInEveryTable: what goes is what show had shown, no row more.
func TestForgetCountsInEveryTable(t *testing.T) {
	s := quickStand(t, 200)
	s.run(t, nil).want(t, OK)
	views := map[string]int64{}
	for _, id := range []int64{3, 4, 5} {
		c, err := ShowClient(t.Context(), s.pipeline, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range c.Rows {
			views[row.Table.Name]++
		}
	}
	e := s.forget(t, 3, 4, 5).want(t, OK)
	for _, table := range schemas.Tables() {
		if table.ID == schemas.CampaignContacts {
			continue
		}
		if n := e.Tables[table.Name]; n.RowsBefore-n.Rows != views[table.Name] {
			t.Errorf("%s: %d rows after %d, and the clients had %d", table.Name, n.Rows, n.RowsBefore, views[table.Name])
		}
	}
	if c, err := ShowClient(t.Context(), s.pipeline, 4); err != nil || c.Forgotten == nil || c.Forgotten.ClientID != 4 || len(c.Rows) > 0 {
		t.Errorf("%+v, %v", c, err)
	}
}
