package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/internal/sim"
)

func (s *stand) plan(t testing.TB, change func(*Options)) *Plan {
	t.Helper()
	o := s.options
	if change != nil {
		change(&o)
	}
	before := s.sim.Stats()
	p, err := MakePlan(context.Background(), s.pipeline, o)
	if err != nil {
		t.Fatal(err)
	}
	if after := s.sim.Stats(); after.Total != before.Total+1 {
		t.Errorf("a plan made %d calls", after.Total-before.Total)
	}
	return p
}

func TestPlanOfAnEmptyMirror(t *testing.T) {
	s := newStand(t, 2500, nil)
	s.pipeline.API.PerSecond, s.pipeline.API.PerHour = 5, 1000
	want := &Plan{Pipeline: "demo", Clients: 2500, FeedsDue: FeedsDue{Never: 2500}, Calls: 2503, Seconds: 2*3600 + 503/5 + 1, SchemaChanges: []string{}}
	if diff := cmp.Diff(want, s.plan(t, nil)); diff != "" {
		t.Error(diff)
	}
	budget := 100
	if p := s.plan(t, func(o *Options) { o.Budget = &budget }); p.Calls != 103 || p.Seconds != 21 {
		t.Errorf("%+v", p)
	}
	if _, err := os.Stat(s.pipeline.Mirror); !os.IsNotExist(err) {
		t.Errorf("a plan made the mirror: %v", err)
	}
}

func TestPlanForetellsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 300, nil)
		s.run(t, nil).want(t, OK)
		if p := s.plan(t, nil); p.FeedsDue != (FeedsDue{}) || p.Calls != 1 {
			t.Errorf("right after a run: %+v", p)
		}
		time.Sleep(time.Second)
		if p := s.plan(t, func(o *Options) { o.Full = true }); p.FeedsDue != (FeedsDue{Aged: 300}) {
			t.Errorf("--full: %+v", p)
		}
		time.Sleep(24 * time.Hour)
		p := s.plan(t, nil)
		if r := s.run(t, nil).want(t, OK); r.Feeds.Due != p.FeedsDue.Aged || p.FeedsDue.Aged != 300 {
			t.Errorf("planned %+v, due were %d", p, r.Feeds.Due)
		}
	})
}

// findings checks the pipeline and returns the lines that a person reads.
func (s *stand) check(t testing.TB) (lines []string, worst Class) {
	t.Helper()
	err := Check(context.Background(), s.pipeline, s.options, func(f Finding) error {
		if f.OK != (f.Class() == Done) || f.OK == (f.Remedy != "") {
			t.Errorf("contradicts itself: %+v", f)
		}
		if strings.Contains(f.Detail+f.Remedy, "sim-key") {
			t.Errorf("shows the key: %+v", f)
		}
		if !f.OK {
			lines = append(lines, f.Check+": "+f.Detail)
			worst = max(worst, f.Class())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, worst
}

func TestCheck(t *testing.T) {
	fault := func(f sim.Fault) func(*testing.T, *stand) {
		return func(t *testing.T, s *stand) {
			if err := s.sim.SetFaults([]sim.Fault{f}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(path func(*stand) string, text string) func(*testing.T, *stand) {
		return func(t *testing.T, s *stand) {
			if err := os.MkdirAll(filepath.Dir(path(s)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path(s), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cases := map[string]struct {
		spoil func(*testing.T, *stand)
		check string
		class Class
	}{
		"all is well":           {func(*testing.T, *stand) {}, "", Done},
		"no permission":         {fault(sim.Fault{Kind: "error", Method: "list", Code: "access_denied"}), "permission: access_denied", Denied},
		"not paid":              {fault(sim.Fault{Kind: "error", Method: "feed", Code: "option_not_paid"}), "feeds: option_not_paid", Denied},
		"contacts are refused":  {fault(sim.Fault{Kind: "error", Method: "contacts", Code: "access_denied"}), "campaigns: access_denied", Denied},
		"the API is in trouble": {fault(sim.Fault{Kind: "error", Method: "list", Code: "internal_error"}), "api: internal_error", Broken},
		"a wrong key":           {func(_ *testing.T, s *stand) { s.pipeline.Project = "999" }, "permission: access_denied", Denied},
		"the mirror is no mirror": {
			write(func(s *stand) string { return s.pipeline.Mirror }, strings.Repeat("no mirror ", 100)), "mirror: ", Misconfigured,
		},
		"a file in place of the tables": {
			write(func(s *stand) string { return s.pipeline.Load[0].Parquet.Path }, "a file"), "folder: ", Misconfigured,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, 20, nil)
			c.spoil(t, s)
			lines, class := s.check(t)
			if class != c.class {
				t.Errorf("class %d, want %d: %q", class, c.class, lines)
			}
			if c.check != "" && (len(lines) != 1 || !strings.HasPrefix(lines[0], c.check)) {
				t.Errorf("found %q, want %q", lines, c.check)
			}
		})
	}
}

func TestCheckSeesAnotherMirrorsTables(t *testing.T) {
	s := newStand(t, 20, nil)
	s.pipeline.API.PerSecond = 1e6
	s.run(t, nil).want(t, OK)
	s.pipeline.Mirror += ".lost"
	if lines, class := s.check(t); class != Stopped || len(lines) != 1 || !strings.Contains(lines[0], "was published from mirror") {
		t.Errorf("%q", lines)
	}
}
