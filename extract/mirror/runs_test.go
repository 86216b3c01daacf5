package mirror

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRunsAreKnownFromTheirBeginning enters runs that end, are killed and go on.
func TestRunsAreKnownFromTheirBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	names := []string{"20260102T030405Z-000000", "20260102T030406Z-000000", "20260102T030407Z-000000"}
	for i, name := range names {
		m, err := Open(t.Context(), path, Options{Run: name})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.BeginRun(t.Context(), Begun{Run: name, StartedAt: at, Host: "here", PID: 7}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			err = m.SaveRun(t.Context(), Run{Run: name, StartedAt: at, FinishedAt: at, ExitCode: 3, Report: "{}"})
		}
		if err != nil {
			t.Fatal(err)
		}
		if i == len(names)-1 {
			defer m.Close()
			break
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := []Begun{
		{Run: names[2], StartedAt: at, Host: "here", PID: 7, Running: true},
		{Run: names[1], StartedAt: at, Host: "here", PID: 7},
	}
	list, err := r.Unended(t.Context(), 10)
	if diff := cmp.Diff(want, list); diff != "" || err != nil {
		t.Errorf("unended: %s, %v", diff, err)
	}
	ended, err := r.Runs(t.Context(), 10)
	if err != nil || len(ended) != 1 || ended[0].Run != names[0] || ended[0].ExitCode != 3 {
		t.Errorf("ended: %+v, %v", ended, err)
	}
	if last, err := r.LastRun(t.Context(), "extracted_by"); last != names[2] || err != nil {
		t.Errorf("last run %q, %v", last, err)
	}
	for _, name := range names {
		if known, err := r.KnowsRun(t.Context(), name); !known || err != nil {
			t.Errorf("%s is not known: %v", name, err)
		}
	}
}

// TestOldMirrorsKnowTheirRuns by what older programs noted.
func TestOldMirrorsKnowTheirRuns(t *testing.T) {
	path := oldMirror(t, 4, `; INSERT INTO runs VALUES ('r1', 1, 2, 0, '{}');
		INSERT INTO meta VALUES ('extracted_by', 'r3'); INSERT INTO meta VALUES ('shown by parquet /x', 'r2 of r1')`)
	check := func(r *Reader) {
		t.Helper()
		for run, want := range map[string]bool{"r1": true, "r2": true, "r3": true, "r": false, "r4": false, "": false} {
			if known, err := r.KnowsRun(t.Context(), run); known != want || err != nil {
				t.Errorf("%q: %v, %v", run, known, err)
			}
		}
		if last, err := r.LastRun(t.Context(), "extracted_by"); last != "r3" || err != nil {
			t.Errorf("last run %q, %v", last, err)
		}
		if list, err := r.Unended(t.Context(), 9); len(list) > 0 || err != nil {
			t.Errorf("unended: %v, %v", list, err)
		}
	}
	r, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	check(r)
	m, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	check(m.Reader)
}

// TestReadersDontDisturbALock asks whether a mirror is held while others take it.
func TestReadersDontDisturbALock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	m, err := Open(t.Context(), path, Options{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	if h, held, err := readLock(path); !held || h.Run != "r1" || err != nil {
		t.Errorf("%+v, %v, %v", h, held, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, held, err := readLock(path); held || err != nil {
		t.Errorf("free: %v, %v", held, err)
	}
	if err := os.WriteFile(lockName(path), []byte(`{"run":"dead"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, held, err := readLock(path); held || err != nil {
		t.Errorf("of the dead: %v, %v", held, err)
	}
}

// TestJournalOfASetClock settles calls to come, and enters calls by the later of
// clock and time passed.
func TestJournalOfASetClock(t *testing.T) {
	m := open(t)
	now := time.Now()
	sum := func(since time.Time) (n int64, last time.Time) {
		t.Helper()
		calls, err := m.Journal(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			n, last = n+c.N, c.At
		}
		return n, last
	}
	m.w.openedAt = now.Add(48 * time.Hour) // the clock was set back by two days since
	for range 3 {
		if err := m.Enter(t.Context(), nil, 2); err != nil {
			t.Fatal(err)
		}
	}
	if n, last := sum(now.Add(47 * time.Hour)); n != 6 || last.Before(now.Add(47*time.Hour)) {
		t.Errorf("%d calls, the last at %v", n, last)
	}
	for range 2 {
		if err := m.SettleJournal(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if n, last := sum(now.Add(-time.Hour)); n != 6 || last.After(now.Add(Grain)) {
			t.Errorf("settled: %d calls, the last at %v", n, last)
		}
	}
}
