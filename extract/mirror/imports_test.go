package mirror

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/schemas"
)

func rejectsOf(t *testing.T, r *Reader) (all []schemas.ImportReject, blocks int) {
	t.Helper()
	for block, err := range r.ImportRejects(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all, blocks = append(all, block...), blocks+1
	}
	return all, blocks
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestImportsGoOnAndBeginAnew(t *testing.T) {
	m, ctx := open(t), t.Context()
	a, b := []byte("digest a"), []byte("digest b")
	start := time.UnixMilli(1_700_000_000_000).UTC()
	known := func(sha []byte) Import {
		t.Helper()
		i, _, err := m.Import(ctx, sha)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	if _, found, err := m.Import(ctx, a); found || err != nil {
		t.Fatal(found, err)
	}
	for _, sha := range [][]byte{a, b} {
		must[int64](t)(m.StartImport(ctx, Import{SHA256: sha, Run: "r1", Rows: 9, StartedAt: start}, false))
	}
	reject := schemas.ImportReject{Ordinal: 3, ID: "x", Field: "name", Reason: schemas.BadValue, Raw: []byte("{}")}
	steps := []ImportStep{{Next: 3, Sent: 3}, {Next: 4, Rejects: []schemas.ImportReject{reject}}}
	for _, s := range steps {
		if err := m.StepImport(ctx, a, s, start); err != nil {
			t.Fatal(err)
		}
	}
	want := Import{SHA256: a, Run: "r1", Rows: 9, Next: 4, Sent: 3, StartedAt: start}
	if diff := cmp.Diff(want, known(a)); diff != "" {
		t.Error(diff)
	}

	// Another run goes on and ends it; what an answer says twice counts once.
	must[int64](t)(m.StartImport(ctx, Import{SHA256: a, Run: "r2", Rows: 9, StartedAt: start.Add(time.Hour)}, false))
	end := start.Add(2 * time.Hour)
	if err := m.StepImport(ctx, a, ImportStep{Next: 9, Sent: 5, Last: true}, end); err != nil {
		t.Fatal(err)
	}
	want = Import{SHA256: a, Run: "r2", Rows: 9, Next: 9, Sent: 8, StartedAt: start.Add(time.Hour), FinishedAt: end}
	if diff := cmp.Diff(want, known(a)); diff != "" {
		t.Error(diff)
	}
	if all, _ := rejectsOf(t, m.Reader); cmp.Diff([]schemas.ImportReject{reject}, all) != "" {
		t.Error(all)
	}

	// Anew: nothing of it is left.
	if n := must[int64](t)(m.StartImport(ctx, Import{SHA256: a, Run: "r3", Rows: 9, StartedAt: end}, true)); n != 1 {
		t.Errorf("%d rejects were dropped", n)
	}
	if diff := cmp.Diff(Import{SHA256: a, Run: "r3", Rows: 9, StartedAt: end}, known(a)); diff != "" {
		t.Error(diff)
	}
	if all, _ := rejectsOf(t, m.Reader); len(all) > 0 {
		t.Error(all)
	}

	// Rejects of another file go when it was last sent 30 days ago; how far it is stays.
	if err := m.StepImport(ctx, b, steps[1], start); err != nil {
		t.Fatal(err)
	}
	for days, want := range []int64{29: 0, 31: 1} {
		if days < 29 {
			continue
		}
		at := start.Add(time.Duration(days) * 24 * time.Hour)
		n := must[int64](t)(m.StartImport(ctx, Import{SHA256: []byte{byte(days)}, Run: "r4", StartedAt: at}, false))
		if n != want {
			t.Errorf("after %d days %d rejects were dropped", days, n)
		}
	}
	if all, _ := rejectsOf(t, m.Reader); len(all) > 0 || known(b).Next != 4 {
		t.Error(all, known(b))
	}
}

// TestImportRejectsComeInBlocks that are bounded by number and by bytes.
func TestImportRejectsComeInBlocks(t *testing.T) {
	m, ctx := open(t), t.Context()
	var few, large []schemas.ImportReject
	for i := range 2500 {
		few = append(few, schemas.ImportReject{Ordinal: int64(i), Reason: schemas.NoID, Raw: fmt.Appendf(nil, "%d", i)})
	}
	for i := range 40 {
		large = append(large, schemas.ImportReject{Ordinal: int64(i), Reason: schemas.NoID, Raw: make([]byte, schemas.MaxRaw)})
	}
	for sha, list := range map[string][]schemas.ImportReject{"a": few, "b": large} {
		must[int64](t)(m.StartImport(ctx, Import{SHA256: []byte(sha), Run: "r", StartedAt: time.Now()}, false))
		if err := m.StepImport(ctx, []byte(sha), ImportStep{Next: 1, Rejects: list}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	all, blocks := rejectsOf(t, m.Reader)
	if diff := cmp.Diff(append(few, large...), all); diff != "" || blocks < 5 {
		t.Errorf("%d blocks, %s", blocks, diff)
	}
	for _, err := range m.ImportRejects(ctx) {
		if err != nil {
			t.Error(err)
		}
		break // the connection is given back
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range m.ImportRejects(ended) {
		if err == nil {
			t.Error("an ended context reads on")
		}
	}
}

// oldMirror makes a mirror as a program of an older version left it.
func oldMirror(t testing.TB, version int, more string) (path string) {
	t.Helper()
	return sqlFile(t, strings.Join(migrations()[:version], ";")+more+
		fmt.Sprintf("; INSERT INTO meta VALUES ('id', 'old'); PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version))
}

// TestOldMirror is read as it is, and brought forward when it is opened for writing.
func TestOldMirror(t *testing.T) {
	path := oldMirror(t, 1, "")
	r, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if all, _ := rejectsOf(t, r); len(all) > 0 {
		t.Error(all)
	}
	if _, found, err := r.Import(t.Context(), []byte("a")); found || err != nil {
		t.Error(found, err)
	}
	m, err := Open(t.Context(), path, Options{Run: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	must[int64](t)(m.StartImport(t.Context(), Import{SHA256: []byte("a"), Run: "r", StartedAt: time.Now()}, false))
	if id, err := m.ID(t.Context()); err != nil || id != "old" {
		t.Error(id, err)
	}
}
