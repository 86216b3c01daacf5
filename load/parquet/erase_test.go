package parquet

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"roistat-etl/internal/s3test"
	"roistat-etl/load"
)

// lies lists what lies in the folder of snapshots.
func lies(t *testing.T, d *Destination) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(d.root, snapshots))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestEraseLeavesWhatIsPublishedAlone(t *testing.T) {
	d := newDestination(t, Options{})
	if err := d.Erase(t.Context(), run(1).Mirror); err != nil {
		t.Errorf("there is nothing yet: %v", err)
	}
	for i := range 3 {
		mustPublish(t, d, run(i+1), worldOf(t, i+2))
	}
	dead := filepath.Join(d.root, snapshots, staging+run(9).Run)
	unpublished := d.snapshot(run(8).Run)
	for _, dir := range []string{dead, unpublished} {
		if err := os.Mkdir(dir, dirMode); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(d.root, snapshots, "notes")
	if err := os.WriteFile(other, nil, fileMode); err != nil {
		t.Fatal(err)
	}
	if err := d.Erase(t.Context(), "another"); !errors.Is(err, load.ErrForeign) || len(lies(t, d)) != 6 {
		t.Errorf("another mirror's: %v, %v", err, lies(t, d))
	}
	for range 2 {
		if err := d.Erase(t.Context(), run(1).Mirror); err != nil {
			t.Fatal(err)
		}
		if got := lies(t, d); !slices.Equal(got, []string{run(3).Run, "notes"}) {
			t.Errorf("there lie %q", got)
		}
	}
	if m, err := d.Published(t.Context()); err != nil || m.Run != run(3).Run {
		t.Errorf("shows %+v, %v", m, err)
	}
	mustPublish(t, d, run(4), worldOf(t, 9))
}

func TestEraseThatCantRemoveSaysSo(t *testing.T) {
	d := newDestination(t, Options{})
	mustPublish(t, d, run(1), worldOf(t, 2))
	mustPublish(t, d, run(2), worldOf(t, 3))
	broken := errors.New("broken")
	d.disk.remove = func(string) error { return broken }
	if err := d.Erase(t.Context(), run(1).Mirror); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestEraseInABucket(t *testing.T) {
	s := newStand(t, s3test.Start(t, "bucket"), "erase", Options{})
	if err := s.Erase(t.Context(), run(1).Mirror); err != nil {
		t.Errorf("there is nothing yet: %v", err)
	}
	for i := range 3 {
		s.shows(t, run(i+1), worldOf(t, i+2))
	}
	dead, err := json.Marshal(marker{Run: run(9).Run, Mirror: run(1).Mirror})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{markerName(run(9).Run), snapshotKey(run(9).Run) + "visits/x.parquet"} {
		if err := s.at.Put(t.Context(), name, bytes.NewReader(dead), int64(len(dead)), sum256(dead)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Erase(t.Context(), "another"); !errors.Is(err, load.ErrForeign) {
		t.Errorf("another mirror's: %v", err)
	}
	s.proxy.Set(s3test.Fault{Method: "POST", Status: 403, Code: "AccessDenied"}, s3test.Fault{Method: "DELETE", Status: 403, Code: "AccessDenied"})
	if err := s.Erase(t.Context(), run(1).Mirror); !load.Refuses(err) {
		t.Errorf("it may not delete: %v", err)
	}
	s.proxy.Set()
	for range 2 {
		if err := s.Erase(t.Context(), run(1).Mirror); err != nil {
			t.Fatal(err)
		}
		shown, marked, err := s.runs(t.Context())
		if err != nil || !slices.Equal(shown, []string{run(3).Run}) || len(marked) > 0 {
			t.Errorf("there lie %q and %q, %v", shown, marked, err)
		}
	}
	s.stays(t, run(3))
	s.shows(t, run(4), worldOf(t, 9))
}
