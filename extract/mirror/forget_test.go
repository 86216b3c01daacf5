package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roistat-etl/schemas"
)

// secret is a text of about n bytes that names a client throughout, so that any
// piece of it gives it away, and that doesn't compress.
func secret(r *rand.Rand, client int64, n int) []byte {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "<secret of %06d>%x", client, r.Uint64())
	}
	return []byte(b.String())
}

// traces lists the files of a mirror that name one of the clients.
func traces(t testing.TB, m *Mirror, clients ...int64) (found []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(m.Path()), "*"))
	if err != nil || len(names) < 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range clients {
			if n := bytes.Count(text, fmt.Appendf(nil, "secret of %06d", id)); n > 0 {
				found = append(found, fmt.Sprintf("%s names client %d %d times", filepath.Base(name), id, n))
			}
		}
	}
	return found
}

// grow gives clients 1 to n rows and feeds of changing sizes, again and again, so
// that pages are split, joined and freed.
func grow(t testing.TB, m *Mirror, r *rand.Rand, n int64, rounds int) {
	t.Helper()
	p := NewPacker()
	for range rounds {
		if err := m.BeginList(t.Context()); err != nil {
			t.Fatal(err)
		}
		page := Page{At: time.UnixMilli(1), State: "x"}
		for id := int64(1); id <= n; id++ {
			page.Rows = append(page.Rows, Row{ID: id, Raw: fmt.Appendf(nil, `{"id":%d,"name":"%s"}`, id, secret(r, id, 20+r.IntN(500)))})
		}
		if _, err := m.AddPage(t.Context(), page); err != nil {
			t.Fatal(err)
		}
		if _, err := m.FinishList(t.Context(), true, "", page.At); err != nil {
			t.Fatal(err)
		}
		for id := int64(1); id <= n; id++ {
			if _, ok, err := m.Forgotten(t.Context(), id); ok || err != nil {
				continue // it is in no plan
			}
			if err := m.Enter(t.Context(), answer(t, p, id, secret(r, id, 50+r.IntN(9000)), 1, time.UnixMilli(2)), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func forget(t testing.TB, m *Mirror, clients ...int64) Erased {
	t.Helper()
	e, err := m.Forget(t.Context(), Erasure{Clients: clients, At: time.UnixMilli(9), Note: [2]string{"note", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestNoByteOfTheForgottenStays looks at the bytes of the files: after many
// rounds of changes traces lie in pages that SQLite has split and freed, too.
func TestNoByteOfTheForgottenStays(t *testing.T) {
	m := open(t)
	r := rand.New(rand.NewPCG(1, 2))
	grow(t, m, r, 200, 3)
	gone := []int64{1, 57, 100, 199, 200}
	if len(traces(t, m, gone...)) < len(gone) {
		t.Fatal("the search finds nothing even now")
	}
	e := forget(t, m, gone...)
	if dirty, err := m.Unclean(t.Context()); err != nil || !dirty {
		t.Errorf("unclean: %v, %v", dirty, err)
	}
	if err := m.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := traces(t, m, gone...); len(found) > 0 {
		t.Error(found)
	}
	if dirty, err := m.Unclean(t.Context()); err != nil || dirty {
		t.Errorf("still unclean: %v, %v", dirty, err)
	}
	for i, c := range e.Clients {
		if c.Client != gone[i] || !c.Known || !c.Before.IsZero() {
			t.Errorf("%+v", c)
		}
	}
	if c := get(t, m.Reader, 2); len(c.Row) == 0 || len(c.Feed) == 0 {
		t.Error("client 2 has lost something")
	}
	grow(t, m, r, 200, 1) // it can be written as before
	if found := traces(t, m, gone...); len(found) > 0 {
		t.Error("after another list:", found)
	}
}

func TestForgottenClientsStayForgotten(t *testing.T) {
	m := open(t)
	list(t, m, true, 1, 2, 3)
	forget(t, m, 2, 9)
	e := forget(t, m, 2, 3)
	if c := e.Clients; c[0].Known || !c[0].Before.Equal(time.UnixMilli(9)) || !c[1].Known || !c[1].Before.IsZero() {
		t.Errorf("%+v", c)
	}
	l, gone := list(t, m, true, 1, 2, 3, 4, 9)
	if l.Fresh != 5 || l.New != 1 || l.Changed != 0 || gone != 0 {
		t.Errorf("%+v, %d gone", l, gone)
	}
	for id, kept := range map[int64]bool{1: true, 2: false, 3: false, 4: true, 9: false} {
		_, ok, err := m.Client(t.Context(), id)
		if err != nil || ok != kept {
			t.Errorf("client %d is kept: %v, %v", id, ok, err)
		}
		at, ok, err := m.Forgotten(t.Context(), id)
		if err != nil || ok == kept || ok && !at.Equal(time.UnixMilli(9)) {
			t.Errorf("client %d is forgotten: %v at %v, %v", id, ok, at, err)
		}
	}
	s, err := m.Stats(t.Context(), time.UnixMilli(10))
	if err != nil || s.Live != 2 || s.Forgotten != 3 || s.Gone != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestTheFeedBeforeIsForgottenToo(t *testing.T) {
	m, p := open(t), NewPacker()
	list(t, m, true, 1)
	for _, text := range []string{`[1]`, `[2]`} {
		if err := m.Enter(t.Context(), answer(t, p, 1, []byte(text), 1, time.UnixMilli(2)), 0); err != nil {
			t.Fatal(err)
		}
	}
	forget(t, m, 1)
	n, err := m.Restore(t.Context())
	if err != nil || n != 0 || count(t, m, "feeds") != 0 || count(t, m, "feeds_before") != 0 {
		t.Errorf("%d feeds came back, %v", n, err)
	}
}

func TestContactsOfTheForgotten(t *testing.T) {
	m := open(t)
	page := Page{At: time.UnixMilli(1), State: "x", Rows: []Row{
		{ID: 1, Raw: []byte(`{"id":1,"external_id":"crm-1","phone":89161234567,"email":" Anna@Mail.ru"}`)},
		{ID: 2, Raw: []byte(`{"id":2,"phone":"","email":null}`)},
	}, Unlisted: []schemas.Unlisted{{Ordinal: 7, Raw: []byte(`{"id":"x","phone":"+7 916 123-45-67"}`)}, {Ordinal: 8, Raw: []byte(`{"id":"y","email":"bob@mail.ru"}`)}, {Ordinal: 9, Raw: []byte(`"text"`)}}}
	if err := m.BeginList(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.AddPage(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	if _, err := m.FinishList(t.Context(), true, "", page.At); err != nil {
		t.Fatal(err)
	}
	left := []schemas.ImportReject{{Ordinal: 1, ID: "crm-1", Raw: []byte(`{}`)}, {Ordinal: 2, Raw: []byte(`["x","ANNA@MAIL.RU"]`)}, {Ordinal: 3, Raw: []byte(`{"phone":"+79161234567"}`)}, {Ordinal: 4, ID: "crm-10", Raw: []byte(`{"phone":"+79160000000`)}}
	if err := m.StepImport(t.Context(), []byte("sum"), ImportStep{Rejects: left}, time.UnixMilli(1)); err != nil {
		t.Fatal(err)
	}
	answer := [][]byte{[]byte(`{"contact":"bob@mail.ru"}`), []byte(`{"contact":"ANNA@mail.ru","metrics":{"sent":1}}`), []byte(`{"contact":79161234567}`), []byte(`{"contact":""}`), []byte(`7`)}
	set := func() {
		if err := m.SetCampaign(t.Context(), schemas.Campaign{ID: 2, Rows: answer}, time.UnixMilli(1)); err != nil {
			t.Fatal(err)
		}
	}
	rest := func() string {
		list, err := all(m.Campaigns(t.Context()))
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return string(bytes.Join(list[0].Rows, []byte(" ")))
	}
	set()
	all := rest()
	if e := forget(t, m, 2); e.Contacts != 0 || e.Unlisted != 0 || rest() != all {
		t.Errorf("forgetting a client without contacts deletes %+v", e)
	}
	const kept = `{"contact":"bob@mail.ru"} {"contact":""} 7`
	if e := forget(t, m, 1); e.Contacts != 2 || e.Unlisted != 1 || e.Imported != 3 || rest() != kept {
		t.Errorf("%+v, left is %s", e, rest())
	}
	if n := count(t, m, "import_rejects"); n != 1 {
		t.Errorf("%d rejects of imports are left", n)
	}
	if left, err := whole(m.Unlisted(t.Context())); err != nil || len(left) != 2 || left[0].Ordinal != 8 {
		t.Errorf("unlisted: %v, %v", left, err)
	}
	if set(); rest() != kept {
		t.Errorf("a later answer brings back %s", rest())
	}
}

func TestCleanWaitsForReaders(t *testing.T) {
	m := open(t)
	list(t, m, true, 1, 2)
	if _, err := m.w.conn.ExecContext(t.Context(), `PRAGMA busy_timeout = 50`); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(t.Context(), m.Path())
	if err != nil {
		t.Fatal(err)
	}
	reading, err := r.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRowContext(t.Context(), `SELECT count(*) FROM clients`).Scan(&n); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	forget(t, m, 1)
	if err := m.Clean(t.Context()); !errors.Is(err, ErrRead) {
		t.Errorf("somebody reads: %v", err)
	}
	if dirty, err := m.Unclean(t.Context()); err != nil || !dirty {
		t.Errorf("it is not marked any more: %v, %v", dirty, err)
	}
	if err := errors.Join(reading.Rollback(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if err := m.Clean(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnInterruptedCleanIsBegunAnew(t *testing.T) {
	m := open(t)
	grow(t, m, rand.New(rand.NewPCG(1, 2)), 200, 1)
	forget(t, m, 5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Clean(ctx); err == nil {
		t.Error("it was interrupted, and says nothing")
	}
	if dirty, err := m.Unclean(t.Context()); err != nil || !dirty {
		t.Errorf("it is not marked any more: %v, %v", dirty, err)
	}
	if err := m.Clean(t.Context()); err != nil || len(traces(t, m, 5)) > 0 {
		t.Error(err, traces(t, m, 5))
	}
}

func TestAnOlderMirrorHasForgottenNobody(t *testing.T) {
	m := open(t)
	list(t, m, true, 1)
	for _, q := range []string{`DROP TABLE forgotten`, `DROP TABLE forgotten_contacts`} {
		if _, err := m.w.conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := m.Forgotten(t.Context(), 1); ok || err != nil {
		t.Error(ok, err)
	}
	if s, err := m.Stats(t.Context(), time.Now()); err != nil || s.Live != 1 || s.Forgotten != 0 {
		t.Error(s, err)
	}
}
