package extract

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"roistat-etl/extract/api"
)

// seedRows adds rows as the API sends them, and hostile ones.
func seedRows(f *testing.F) {
	for _, row := range []string{
		`{"id":"1","first_visit_date":"2021-11-10T14:05:12+0000"}`, `{"id":1,"id":"2"}`, `{"id":1.0}`, `{"id":9223372036854775808}`, `{"id":null}`, `{"id":[]}`,
		`{"contact":"a@b.c","metrics":{"opened":1,"clicked":0}}`, `{"contact":"a","contact":7,"metrics":[]}`, `{"metrics":{"a":{"b":1}}}`, `{"\u0069d":5}`,
		`[]`, `null`, `"x"`, `{`, `{"id":1}x`, strings.Repeat(`{"a":`, 50), "{\"id\":\"\xff\"}", " {\n\"id\" : 3 } ",
	} {
		f.Add([]byte(row))
	}
}

// members reads an object with the standard library; false where it isn't one that
// both libraries must read alike.
func members(raw []byte) (m map[string]json.RawMessage, ok bool) {
	ok = utf8.Valid(raw) && json.Unmarshal(raw, &m) == nil && m != nil
	return m, ok
}

func FuzzIdentify(f *testing.F) {
	seedRows(f)
	f.Fuzz(func(t *testing.T, row []byte) {
		id, _, ok := identify(row)
		m, object := members(row)
		if !object {
			return // it must only have come back
		}
		want, whole := api.Whole(m["id"])
		if m["id"] == nil {
			whole = false
		}
		if ok != whole || ok && id != want {
			t.Errorf("%q: %d, %v, want %d, %v", row, id, ok, want, whole)
		}
	})
}

func FuzzContact(f *testing.F) {
	seedRows(f)
	f.Fuzz(func(t *testing.T, row []byte) {
		name, numbers := contact(row)
		m, object := members(row)
		if !object {
			return
		}
		want := row
		if v, ok := m["contact"]; ok {
			want = v
		}
		if !bytes.Equal(bytes.TrimSpace(name), bytes.TrimSpace(want)) {
			t.Errorf("%q: is called %q, not %q", row, name, want)
		}
		inner, _ := members(m["metrics"])
		least := 0 // keys may come twice
		for _, v := range inner {
			if string(bytes.TrimSpace(v)) != "0" {
				least++
			}
		}
		if numbers < least || len(m["metrics"]) == 0 && numbers != 0 {
			t.Errorf("%q: %d numbers, at least %d", row, numbers, least)
		}
	})
}
