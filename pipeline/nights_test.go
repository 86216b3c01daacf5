package pipeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roistat-etl/internal/sim"
	"roistat-etl/load"
	"roistat-etl/pipeline/config"
)

// audit verifies what is published; every finding must be good.
func (s *stand) audit(t testing.TB) {
	t.Helper()
	if detail := s.findings(t); detail != "as the manifest says and as the mirror projects" {
		t.Error(detail)
	}
}

// findings verifies, fails on what is not good, and returns how the rest was compared.
func (s *stand) findings(t testing.TB) (detail string) {
	t.Helper()
	err := Verify(context.Background(), s.pipeline, func(v Verified) error {
		if !v.OK {
			t.Errorf("%s %s: %s", v.Table, v.Partition, v.Detail)
		}
		detail = v.Detail
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return detail
}

func (s *stand) published(t testing.TB) *load.Manifest {
	t.Helper()
	d, err := openDestinations(s.pipeline)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d[0].Published(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNightsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 300, nil)
		r := s.run(t, nil).want(t, OK)
		if r.Clients.New != 300 || r.Feeds.Fetched != 300 || r.Feeds.NeverFetched != 0 {
			t.Errorf("first night: %s", text(t, r))
		}
		s.audit(t)
		first := s.published(t)

		r = s.run(t, nil).want(t, OK) // a retry the same night asks for no feed
		if r.Feeds.Due != 0 || r.Destinations[0].State != string(load.Unchanged) || r.Destinations[0].Run != first.Run {
			t.Errorf("retry: %s", text(t, r))
		}
		for range 3 {
			time.Sleep(24 * time.Hour)
			s.sim.Night(1, 0.05)
			r = s.run(t, nil).want(t, OK)
			if r.Feeds.Due < 280 || r.Destinations[0].State != string(load.Published) || r.Destinations[0].Run != r.Run {
				t.Errorf("later night: %s", text(t, r))
			}
			s.audit(t)
		}
	})
}

func TestBackfillUnderTheHourlyQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 500, func(o *sim.Options) { o.PerHour = 120; o.PerSecond = 10 })
		s.pipeline.API.PerHour = 100
		start := time.Now()
		r := s.run(t, nil).want(t, OK)
		if took := time.Since(start); took < 4*time.Hour || took > 7*time.Hour {
			t.Errorf("505 calls at 100 an hour took %v", took)
		}
		if r.Calls.Refused != 0 || r.Feeds.Fetched != 500 {
			t.Errorf("%s", text(t, r))
		}
	})
}

func TestDeadlinePublishesWhatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 500, nil)
		s.pipeline.API.PerHour = 100
		deadline := 90 * time.Minute
		r := s.run(t, func(o *Options) { o.Deadline = &deadline }).want(t, Partial)
		if r.Feeds.Left == 0 || r.Feeds.NeverFetched != r.Feeds.Left || r.Destinations[0].State != string(load.Published) {
			t.Errorf("%s", text(t, r))
		}
		if !slices.ContainsFunc(r.Reasons, func(s string) bool { return strings.Contains(s, "left") }) {
			t.Errorf("reasons %q", r.Reasons)
		}
		s.audit(t)
		time.Sleep(time.Hour)
		r = s.run(t, nil).want(t, OK)
		if r.Feeds.NeverFetched != 0 {
			t.Errorf("%s", text(t, r))
		}
	})
}

func TestRefusalPublishesNothing(t *testing.T) {
	s := newStand(t, 50, func(o *sim.Options) { o.Key = "another" })
	r := s.run(t, nil).want(t, Refused)
	if s.published(t) != nil || r.Calls.Retried != 0 || !strings.Contains(*r.Error, "check the API key") {
		t.Errorf("%s", text(t, r))
	}
}

func TestFailedClientsAreNamedAndKeepTheirFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 400, nil)
		s.run(t, nil).want(t, OK)
		before := s.published(t)
		time.Sleep(24 * time.Hour)
		if err := s.sim.SetFaults([]sim.Fault{{Kind: "error", Code: "internal_error", Clients: []int64{3, 4, 5}}}); err != nil {
			t.Fatal(err)
		}
		r := s.run(t, nil).want(t, Partial)
		if len(r.FailedClients) != 3 || r.FailedClients[0].Code != "internal_error" || r.Feeds.Failed != 3 {
			t.Errorf("%s", text(t, r))
		}
		after := s.published(t)
		for _, name := range []string{"visits", "orders", "calls"} {
			if before.Tables[name].Rows != after.Tables[name].Rows {
				t.Errorf("%s had %d rows, has %d", name, before.Tables[name].Rows, after.Tables[name].Rows)
			}
		}
	})
}

func TestAStoppedGateChangesNothingAndCanBeAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 600, nil)
		s.run(t, nil).want(t, OK)
		before := s.published(t)
		time.Sleep(24 * time.Hour)
		if err := s.sim.SetFaults([]sim.Fault{{Kind: "empty_feed"}}); err != nil { // a bad night: everybody's feed is empty
			t.Fatal(err)
		}
		r := s.run(t, nil).want(t, Gated)
		if !slices.Contains(stopped(r.Gates), GateRowDrop) || s.published(t).Run != before.Run {
			t.Errorf("%s", text(t, r))
		}
		if detail := s.findings(t); !strings.Contains(detail, "has extracted since") {
			t.Error(detail)
		}
		time.Sleep(24 * time.Hour)
		r = s.run(t, func(o *Options) { o.Accept = []string{GateRowDrop} }).want(t, OK)
		if got := s.published(t).Tables["visits"].Rows; got != 0 {
			t.Errorf("%d visits after an accepted night without any\n%s", got, text(t, r))
		}
	})
}

// TestFeedsThatPassedStayGood lets a night pass its gates that can't be published,
// and wants the stopped night after it to fall back to that one.
func TestFeedsThatPassedStayGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 600, nil)
		s.run(t, nil).want(t, OK)
		s.sim.Night(1, 0.5)
		time.Sleep(24 * time.Hour)
		blocked := filepath.Join(t.TempDir(), "tables")
		blockPublishing(t, blocked)
		good := s.pipeline.Load
		s.pipeline.Load = append(slices.Clip(good), config.Destination{Parquet: &config.Parquet{Path: blocked, Compression: "zstd", Keep: 3}})
		s.run(t, nil).want(t, Failed)
		s.pipeline.Load = good
		if err := s.sim.SetFaults([]sim.Fault{{Kind: "empty_feed"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		s.run(t, nil).want(t, Gated)
		if err := s.sim.SetFaults(nil); err != nil {
			t.Fatal(err)
		}
		s.run(t, func(o *Options) { o.NoExtract = true }).want(t, OK)
		kept := s.published(t)
		time.Sleep(time.Hour)
		r := s.run(t, func(o *Options) { o.Full = true }).want(t, OK)
		if again := s.published(t); again.Tables["visits"].Rows != kept.Tables["visits"].Rows {
			t.Errorf("%d visits, %d when all is read again\n%s", kept.Tables["visits"].Rows, again.Tables["visits"].Rows, text(t, r))
		}
	})
}

func TestAnotherMirrorMustBeAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 50, nil)
		s.run(t, nil).want(t, OK)
		first := s.published(t)
		s.pipeline.Mirror += ".lost"
		time.Sleep(time.Hour)
		r := s.run(t, nil).want(t, Gated)
		if !strings.Contains(*r.Error, "--adopt") || s.published(t).Run != first.Run {
			t.Errorf("%s", text(t, r))
		}
		s.run(t, func(o *Options) { o.Adopt = true }).want(t, OK)
		if s.published(t).Mirror == first.Mirror {
			t.Error("still the old mirror's")
		}
	})
}

func TestInterruptedRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 300, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		time.AfterFunc(20*time.Second, func() { cancel(ErrInterrupted) })
		r := Run(ctx, s.pipeline, s.options).want(t, Interrupted)
		if r.Feeds.Fetched == 0 || s.published(t) != nil {
			t.Errorf("%s", text(t, r))
		}
		had := r.Feeds.Fetched
		r = s.run(t, nil).want(t, OK)
		if r.Feeds.Due != 300-had {
			t.Errorf("%d feeds were there, and %d are due", had, r.Feeds.Due)
		}
	})
}

func TestNoPublishAndNoExtract(t *testing.T) {
	s := newStand(t, 60, nil)
	s.pipeline.API.PerSecond = 1e6
	r := s.run(t, func(o *Options) { o.NoPublish = true }).want(t, OK)
	if s.published(t) != nil || r.Destinations[0].State != string(load.Skipped) || r.Tables["visits"].Rows == 0 {
		t.Errorf("%s", text(t, r))
	}
	r = s.run(t, func(o *Options) { o.NoExtract = true }).want(t, OK)
	if r.Calls != (CallCounts{}) || s.published(t).Run != r.Run {
		t.Errorf("%s", text(t, r))
	}
	s.audit(t)
}

func TestAMirrorThatIsNotThereIsNotPublished(t *testing.T) {
	s := newStand(t, 1, nil)
	r := s.run(t, func(o *Options) { o.NoExtract = true }).want(t, Failed)
	if r.ExitCode != int(Broken) || s.published(t) != nil {
		t.Errorf("%s", text(t, r))
	}
}

func TestADestinationThatCannotBeOpenedIsRefused(t *testing.T) {
	s := newStand(t, 1, nil)
	s.pipeline.Load = []config.Destination{{Parquet: &config.Parquet{Path: s.pipeline.Load[0].Parquet.Path, Compression: "lzma"}}}
	r := s.run(t, nil).want(t, Failed)
	if r.ExitCode != int(Misconfigured) || r.Calls.List != 0 {
		t.Errorf("%s", text(t, r))
	}
	var classed *Error
	if _, err := openDestinations(s.pipeline); !errors.As(err, &classed) || classed.Class != Misconfigured {
		t.Errorf("%v", err)
	}
}

// blockPublishing makes a folder in which a publishing fails as it begins, but not
// before: its lock can't be opened.
func blockPublishing(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, ".lock"), 0o750); err != nil {
		t.Fatal(err)
	}
}

func TestAFullReadingEndsWithItsPublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 200, nil)
		s.run(t, nil).want(t, OK)
		time.Sleep(time.Hour)
		full := func(o *Options) { o.Full = true }
		tables := s.pipeline.Load[0].Parquet.Path
		good := s.pipeline.Load
		blocked := filepath.Join(filepath.Dir(tables), "blocked")
		blockPublishing(t, blocked)
		s.pipeline.Load = []config.Destination{{Parquet: &config.Parquet{Path: blocked, Compression: "zstd"}}}
		if r := s.run(t, full).want(t, Failed); r.Feeds.Fetched != 200 {
			t.Errorf("%s", text(t, r))
		}
		s.pipeline.Load = good
		time.Sleep(time.Hour)
		if r := s.run(t, full).want(t, OK); r.Feeds.Due != 0 {
			t.Errorf("what was read for a run that could not publish was read again\n%s", text(t, r))
		}
		time.Sleep(time.Hour)
		if r := s.run(t, full).want(t, OK); r.Feeds.Fetched != 200 {
			t.Errorf("a full reading that was published is no longer under way\n%s", text(t, r))
		}
	})
}
