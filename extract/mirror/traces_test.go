package mirror

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roistat-etl/schemas"
)

// ownColumns are those that hold no text of others, and why.
var ownColumns = map[string]string{
	"meta.key": "ours", "meta.value": "ours: ids, numbers, digests of filters, names of runs",
	"feeds.hash": "a digest", "feeds_before.hash": "a digest",
	"runs.run": "ours", "runs.host": "ours", "imports.sha256": "a digest", "imports.run": "ours",
	"import_rejects.sha256": "a digest", "import_rejects.reason": "one of schemas.Reasons",
}

// foreignColumns are those that hold texts of others: forget is tried on each of them.
var foreignColumns = map[string]bool{
	"rows.row": true, "feeds.body": true, "feeds_before.body": true, "unlisted.raw": true, "campaigns.body": true,
	"runs.report": true, "import_rejects.id": true, "import_rejects.field": true, "import_rejects.raw": true,
}

// TestEveryTextOfTheMirrorIsKnown: a new column that may hold a text must be named
// above, so that forget can't forget it.
func TestEveryTextOfTheMirrorIsKnown(t *testing.T) {
	m := open(t)
	rows, err := m.db.QueryContext(t.Context(), `SELECT s.name || '.' || c.name FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type = 'table' AND c.type NOT IN ('INTEGER')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			t.Fatal(err)
		}
		if n++; ownColumns[column] == "" && !foreignColumns[column] {
			t.Errorf("the column %s is new: say in this file whether it may hold texts of others, and let forget search it", column)
		}
	}
	if err := rows.Err(); err != nil || n < len(ownColumns)+len(foreignColumns) {
		t.Error(err, n, "columns: one that this file names is gone")
	}
}

// person5 is the client of these tests, in the ways in which a row may have it.
const (
	email5 = "person5@mail.ru"
	other5 = "other5@mail.ru"
	phone5 = "89161230505"
	name5  = "Иван Петровский"
)

// full fills every column that holds texts of others.
func full(t *testing.T, row string, contacts []string) *Mirror {
	t.Helper()
	m := open(t)
	page := Page{At: time.UnixMilli(1), State: "x", Rows: []Row{{ID: 1, Raw: []byte(`{"id":1,"email":"joanna@mail.ru"}`)}, {ID: 5, Raw: []byte(row)}}}
	var left []schemas.ImportReject
	var answer [][]byte
	for i, c := range contacts {
		text, _ := json.Marshal(c)
		page.Unlisted = append(page.Unlisted, schemas.Unlisted{Ordinal: int64(10 + i), Raw: fmt.Appendf(nil, `{"id":"x","about":[%s]}`, text)})
		left = append(left, schemas.ImportReject{Ordinal: int64(3 * i), Raw: text}, schemas.ImportReject{Ordinal: int64(3*i + 1), ID: c, Raw: []byte(`{}`)},
			schemas.ImportReject{Ordinal: int64(3*i + 2), Field: c, Raw: []byte("not JSON: " + c)})
		for _, form := range []string{`{"contact":%s,"metrics":{"sent":1}}`, `%s`, `[%s]`, `{"contact":{"email":%s}}`, `{"contact":"x@y.ru","metrics":{"sent":%s}}`, `{"contact":"z@y.ru",%s:1}`} {
			answer = append(answer, fmt.Appendf(nil, form, text))
		}
	}
	answer = append(answer, []byte(`{"contact":"joanna@mail.ru","metrics":{"sent":1}}`))
	p := NewPacker()
	for _, err := range []error{
		m.BeginList(t.Context()), second(m.AddPage(t.Context(), page)), second(m.FinishList(t.Context(), true, "", page.At)),
		m.Enter(t.Context(), answerOf(t, p, 5, `["`+email5+`"]`), 0), m.Enter(t.Context(), answerOf(t, p, 5, `["again `+email5+`"]`), 0),
		m.SetCampaign(t.Context(), schemas.Campaign{ID: 2, Rows: answer}, time.UnixMilli(1)),
		m.StepImport(t.Context(), []byte("sum"), ImportStep{Rejects: left}, time.UnixMilli(1)),
		m.SaveRun(t.Context(), Run{Run: "20260101T000000Z-aaaaaa", Report: strings.Join(contacts, "\n")}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func second[T any](_ T, err error) error { return err }

func answerOf(t *testing.T, p *Packer, id int64, text string) *Answer {
	t.Helper()
	return answer(t, p, id, []byte(text), 1, time.UnixMilli(2))
}

// TestForgetFindsThePersonInEveryForm: whatever shape the row or another text
// gives to the phone, email or name, no byte of it stays.
func TestForgetFindsThePersonInEveryForm(t *testing.T) {
	for name, trial := range map[string]struct {
		row      string
		contacts []string
	}{
		"plain":            {`{"id":5,"email":"person5@mail.ru"}`, []string{email5, "Bob <person5@mail.ru>", "x@y.ru, PERSON5@mail.ru", "mailto:person5%40mail.ru", "person5&#64;mail.ru"}},
		"two in a field":   {`{"id":5,"email":"person5@mail.ru, other5@mail.ru"}`, []string{email5, other5, "Bob <other5@mail.ru>"}},
		"a name beside it": {`{"id":5,"email":"Bob <person5@mail.ru>"}`, []string{email5}},
		"a list":           {`{"id":5,"email":["person5@mail.ru",{"work":"other5@mail.ru"}]}`, []string{email5, other5}},
		"a phone":          {`{"id":5,"phone":"8 (916) 123-05-05 доб. 12"}`, []string{phone5, "+7 916 123-05-05", "тел. 9161230505, Иван"}},
		"a phone's number": {`{"id":5,"phone":79161230505}`, []string{phone5, "call +7(916)123.05.05!"}},
		"a name":           {`{"id":5,"name":"Иван Петровский"}`, []string{name5, "feed of Петровский Иван can't be built"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := full(t, trial.row, trial.contacts)
			e, err := m.Forget(t.Context(), Erasure{Clients: []int64{5}, At: time.UnixMilli(9), Note: [2]string{"note", "x"}, Report: func(report string, names func(string) bool) (string, error) {
				if !names(report) {
					t.Errorf("it isn't seen in %q", report)
				}
				return "scrubbed", nil
			}})
			n := int64(len(trial.contacts))
			if err != nil || e.Contacts != 6*n || e.Unlisted != n || e.Imported != 3*n || e.Reports != 1 {
				t.Errorf("%+v, %v, of %d contacts", e, err, n)
			}
			if err := m.Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, where := range filesWith(t, m, append(trial.contacts, email5, other5, phone5)...) {
				t.Error(where)
			}
			if c, err := all(m.Campaigns(t.Context())); err != nil || len(c[0].Rows) != 1 || !bytes.Contains(c[0].Rows[0], []byte("joanna")) {
				t.Errorf("another's contact is gone: %v, %v", c, err)
			}
			// What the next answers bring back doesn't stay.
			for _, contact := range trial.contacts {
				text, _ := json.Marshal(contact)
				if err := m.SetCampaign(t.Context(), schemas.Campaign{ID: 2, Rows: [][]byte{fmt.Appendf(nil, `{"contact":%s}`, text)}}, time.UnixMilli(1)); err != nil {
					t.Fatal(err)
				}
				if c, err := all(m.Campaigns(t.Context())); err != nil || len(c[0].Rows) != 0 {
					t.Errorf("%s comes back: %v, %v", contact, c, err)
				}
			}
		})
	}
}

// filesWith lists the mirror's files that hold a text.
func filesWith(t *testing.T, m *Mirror, texts ...string) (found []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(m.Path()), "*"))
	if err != nil || len(names) < 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if bytes.Contains(content, []byte(text)) {
				found = append(found, fmt.Sprintf("%s holds %q", filepath.Base(name), text))
			}
		}
	}
	return found
}
