package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roistat-etl/extract/backup"
	"roistat-etl/internal/s3test"
)

// newBacked is a stand whose mirror has copies in a bucket, in real time.
func newBacked(t *testing.T) (*stand, *s3test.Server, *s3test.Proxy) {
	t.Helper()
	s := newStand(t, 60, nil)
	server := s3test.Start(t, "bucket")
	proxy := server.Proxy(t)
	proxy.Use(t)
	s.pipeline.MirrorBackup = "s3://bucket/copies"
	s.pipeline.API.PerSecond = 25
	return s, server, proxy
}

func TestALongRunIsSavedNowAndThen(t *testing.T) {
	s, _, proxy := newBacked(t)
	saves := func() (n int) {
		for _, r := range proxy.Requests() {
			if strings.HasPrefix(r, "PUT ") && strings.Contains(r, "copies/copy.json") {
				n++
			}
		}
		return n
	}
	s.run(t, func(o *Options) { o.SaveEvery = 200 * time.Millisecond }).want(t, OK)
	if n := saves(); n < 4 {
		t.Errorf("%d copies in more than a second", n)
	}
	s.run(t, func(o *Options) { o.SaveEvery = time.Hour }).want(t, OK)
	if n := saves(); n != 2 {
		t.Errorf("%d copies of a short run: before it publishes, and at its end", n)
	}
}

// TestALostLeaseStopsTheRun lets another pod take over a run that was taken for dead.
func TestALostLeaseStopsTheRun(t *testing.T) {
	s, server, _ := newBacked(t)
	s.run(t, nil).want(t, OK)
	before := s.published(t)
	s.sim.Night(1, 0.5)
	lease := server.File("bucket", "copies/lease.json")
	go func() {
		time.Sleep(300 * time.Millisecond)
		old := time.Now().Add(-time.Hour)
		_ = os.Chtimes(lease, old, old) // or the run goes through, and the test fails
		other, err := backup.Open(s.pipeline.MirrorBackup)
		if err == nil {
			_, err = other.Hold(context.Background(), filepath.Join(t.TempDir(), "mirror.db"), backup.Holder{Host: "other", PID: 1, Run: "other"})
			_ = other.Close()
		}
		if err != nil {
			t.Errorf("take over: %v", err)
		}
	}()
	r := s.run(t, func(o *Options) { o.Full = true }).want(t, Failed)
	if !strings.Contains(*r.Error, "taken the mirror's lease") || s.published(t).Run != before.Run {
		t.Errorf("%s", text(t, r))
	}
}
