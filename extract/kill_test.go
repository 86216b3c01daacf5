package extract

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
)

// What the child of TestKillAtAnyMoment is told.
const (
	childMirror = "ROISTAT_ETL_TEST_MIRROR"
	childURL    = "ROISTAT_ETL_TEST_URL"
)

const childWorkers = 8

// child extracts in a process of its own, to be killed.
func child(path, url string) int {
	err := func() error {
		c, err := api.New(api.Options{BaseURL: url, Key: "sim-key", Project: "12345", Concurrency: childWorkers})
		if err != nil {
			return err
		}
		m, err := mirror.Open(context.Background(), path, mirror.Options{Run: "child"})
		if err != nil {
			return err
		}
		o := options(m, c)
		o.PageSize, o.Concurrency, o.PerHour = 100, childWorkers, 1e6
		if _, err := Run(context.Background(), o); err != nil {
			return err
		}
		return m.Close()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestKillAtAnyMoment kills an extracting process again and again. It must come
// to its end, repeat at most the calls that were in flight, and hold what an
// undisturbed run holds.
func TestKillAtAnyMoment(t *testing.T) {
	s := newSim(t, 3000/shrink, nil)
	h := httptest.NewServer(s)
	defer h.Close()
	path := filepath.Join(t.TempDir(), "mirror.db")
	began := time.Now()
	kills := 0
	for !runChild(t, path, h.URL+"/api/v1", time.Duration(60+10*kills+rand.IntN(200*shrink))*time.Millisecond) {
		if kills++; kills > 300 {
			t.Fatal("it doesn't come to its end")
		}
	}
	st := s.Stats()
	if st.Feeds.Repeated > int64(kills*childWorkers) || st.Feeds.Distinct != int64(st.Listed) {
		t.Errorf("%d kills, %d feeds of %d repeated", kills, st.Feeds.Repeated, st.Feeds.Distinct)
	}
	t.Logf("%d kills, %d repeated feed calls, %d calls", kills, st.Feeds.Repeated, st.Total)
	m := openMirror(t, path)
	entered := int64(0)
	calls, err := m.Journal(t.Context(), began.Add(-time.Second))
	for _, c := range calls {
		entered += c.N
	}
	if err != nil || entered < st.Total {
		t.Errorf("%d calls were entered, %d were made, %v", entered, st.Total, err)
	}
	other := newMirror(t)
	extract(t, options(other, client(t, s)))
	sameFeeds(t, m, other)
}

// runChild runs the child and kills it after a while; true if it had ended well.
func runChild(t *testing.T, path, url string, after time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0]) // Cancel kills with SIGKILL
	c.Env = append(os.Environ(), childMirror+"="+path, childURL+"="+url)
	out, err := c.CombinedOutput()
	if err != nil && ctx.Err() == nil {
		t.Fatalf("the child failed: %v: %s", err, out)
	}
	return err == nil
}

func sameFeeds(t *testing.T, a, b *mirror.Mirror) {
	t.Helper()
	texts := func(m *mirror.Mirror) map[int64]string {
		all := map[int64]string{}
		var buffer mirror.Buffer
		for block, err := range m.Scan(t.Context(), 100) {
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range block {
				c, err := p.Unpack(&buffer)
				if err != nil {
					t.Fatal(err)
				}
				all[c.ID] = fmt.Sprintf("%d %s %s", c.Ordinal, c.Row, c.Feed)
			}
			buffer.Reset()
		}
		return all
	}
	left, right := texts(a), texts(b)
	for id, text := range right {
		if left[id] != text {
			t.Fatalf("client %d differs: %.200s, %.200s", id, left[id], text)
		}
	}
	if len(left) != len(right) {
		t.Errorf("%d clients, want %d", len(left), len(right))
	}
}
