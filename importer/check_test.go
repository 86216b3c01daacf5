package importer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFormats reads the same clients from CSV and NDJSON.
func TestFormats(t *testing.T) {
	want := []string{
		`{"id":"1","name":"Jo \"x\",\nÿ","phone":"7","email":null,"birth_date":"1980-01-01","fields":{"сегмент":"gold"}}`,
		`{"id":"2","name":"Ann","phone":null,"email":"a@b.c","birth_date":null}`,
	}
	for name, text := range map[string]string{
		"a.csv":    "\ufeffid, name ,phone,email,birth_date,сегмент\r\n1,\"Jo \"\"x\"\",\nÿ\",7,,1980-01-01,gold\r\n\r\n2,Ann,,a@b.c,,\r\n",
		"b.csv":    "fields.сегмент,birth_date,email,phone,name,id\ngold,1980-01-01,,7,\"Jo \"\"x\"\",\nÿ\",1\n,,a@b.c,,Ann,2",
		"e.csv":    "id,name,phone,email,birth_date,fields.сегмент\r\r\n1,\"Jo \"\"x\"\",\r\r\nÿ\",7,,1980-01-01,\"gold\"\r\r\n2,Ann,,a@b.c,,\r\r\r\n",
		"c.ndjson": "\ufeff" + `{"fields":{"сегмент":"gold"},"id":1,"name":"Jo \"x\",\nÿ","phone":7,"email":null,"birth_date":"1980-01-01"}` + "\r\n\n" + `{"id":"2","name":"no","name":"Ann","phone":"","email":"a@b.c","birth_date":null,"fields":[]}`,
		"d.JSONL":  `{"сегмент":"silver","fields.сегмент":"gold","id":1,"name":"Jo \"x\",\n\u00ff","phone":"7","email":"","birth_date":"1980-01-01"}` + "\n" + `{"id":2,"name":"Ann","phone":null,"email":"a@b.c","birth_date":null,"fields":null}` + "\n\n",
	} {
		r, faults, err := checked(t, write(t, name, text))
		if err != nil || len(faults) > 0 {
			t.Errorf("%s: %v, %v", name, err, faults)
			continue
		}
		if diff := cmp.Diff(want, r.First); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// TestFaults names each fault by line and column.
func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		// CSV
		"id,name\n,Ann\n":                               "0 2:1  no_id",
		"id,name\n\" \",\n":                             "0 2:1  no_id|0 2:5 name bad_value",
		"id,name,birth_date\n1,A,1981-02-29\n":          "0 2:5 birth_date bad_value",
		"id,name,birth_date\n1,\"A\nB\",0000-00-00\n":   "0 3:4 birth_date bad_value",
		"id,name,birth_date\n1,A,01.02.1980\n":          "0 2:5 birth_date bad_value",
		"id,name\n1,A\n2\n3,B,C\n":                      "1 3:1  bad_value|2 4:1  bad_value",
		"id,name\n1," + strings.Repeat("x", 2<<20):      "0 2:3  too_large",
		"id,name,b\n1,A," + strings.Repeat("x", 12<<20): "0 2:5  too_large",
		// NDJSON
		`{"id":"","name":"A"}`: "0 1:7  no_id",
		"\n" + `{"name":"A"}`:  "0 2:1  no_id",
		`{"id":1}`:             "0 1:1 name bad_value",
		`{"id":1,"name":"A"` + "\n" + `{"id":2,"name":"B"}`: "0 1:1  bad_json",
		`{"id":1,"name":"A"} 2`:                             "0 1:1  bad_json",
		`[1]` + "\n" + `nul`:                                "0 1:1  not_object|1 2:1  bad_json",
		`{"id":1,"name":["A"]}`:                             "0 1:16 name bad_value",
		`{"id":1,"name":"A","fields":7}`:                    "0 1:29 fields bad_value",
		`{"id":1,"name":"A","birth_date":"1980-13-01"}`:     "0 1:33 birth_date bad_value",
		`{"id":1,"name":"` + strings.Repeat("x", 17<<20):    "0 1:1  too_large",
		// what is no text
		`{"id":"a\ud83d","name":"A","x":"\ud800"}` + "\n" + `{"id":"1","name":"A","a\ud83d":1,"fields":{"b\ude00":1}}`: "0 1:7 id bad_value|0 1:32 fields.x bad_value|1 2:1  bad_value",
		`{"id":1,"name":"A","fields":{"tags":["\uDE00"]}}`:                                                             "0 1:37 fields.tags bad_value",
		// ids that look like others
		"id,name\n1\u00a0,A\n\u200b2,A\n\ufeff3,A\n 4 ,A\n\u00a0,A\n": "0 2:1 id bad_value|1 3:1 id bad_value|2 4:1 id bad_value|4 6:1  no_id",
	} {
		name := "a.csv"
		if !strings.HasPrefix(text, "id") {
			name = "a.ndjson"
		}
		r, faults, err := checked(t, write(t, name, text))
		if err != nil {
			t.Errorf("%.60q: %v", text, err)
			continue
		}
		var got []string
		for _, f := range faults {
			got = append(got, fmt.Sprintf("%d %d:%d %s %s", f.Row, f.Line, f.Column, f.Field, f.Reason))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%.60q: %q, want %q", text, strings.Join(got, "|"), want)
		}
		if r.Faults != int64(len(faults)) || r.Rows-r.Good > r.Faults {
			t.Errorf("%.60q: %+v", text, r)
		}
	}
}

// TestUnusableFiles are refused with what is wrong and where.
func TestUnusableFiles(t *testing.T) {
	long := "id,name\n1,A\n2,\"" + strings.Repeat("x\n", 10<<20)
	for _, c := range []struct{ name, text, want string }{
		{"a.csv", "", "the file is empty: it needs a header with the columns id and name"},
		{"a.csv", "\n\n", "the file is empty: it needs a header with the columns id and name"},
		{"a.csv", "Id,name\n", "line 1, column 1: the header has no column id (id is written in small letters): it has Id, name"},
		{"a.csv", "id;name\n1;A\n", "line 1, column 1: the header has no column id (columns are separated by commas, not by ';'): it has id;name"},
		{"a.csv", "id,phone\n", "line 1, column 1: the header has no column name: it has id, phone"},
		{"a.csv", "id,name,x,fields.x\n", `line 1, column 11: the header has the column "fields.x" twice`},
		{"a.csv", "id,name,\n", "line 1, column 9: column 3 of the header has no name"},
		{"a.csv", "id,name\n1,A\n2,\"B\n3,C\n", "line 3: a quote in the record that begins here is never closed (read up to line 4)"},
		{"a.csv", "id,name\n1,\"A", `line 2, column 5: a quote is not closed, or stands within a field, where it must be doubled ("") and the field quoted`},
		{"a.csv", "id,name\n1,A\"B\n", `line 2, column 4: a quote is not closed, or stands within a field, where it must be doubled ("") and the field quoted`},
		{"a.csv", long, "line 3: the record that begins here has more than 16 MiB: is a quote never closed?"},
		{"a.csv", "id,name\n1,\xcf\xe5\xf2\xf0\n", "line 2, column 3: the file is not UTF-8; it looks like Windows-1251: save it as UTF-8"},
		{"a.csv", "id,name\n1,\x8f\x85\xe2\n", "line 2, column 3: the file is not UTF-8: save it as UTF-8"},
		{"a.csv", "id,name\n1,A\xd0", "line 2, column 4: the file is not UTF-8; it looks like Windows-1251: save it as UTF-8"},
		{"a.csv", "\xff\xfei\x00d\x00", "the file is UTF-16: save it as UTF-8"},
		{"a.csv", "\xfe\xff\x00i\x00d", "the file is UTF-16: save it as UTF-8"},
		{"a.csv", "i\x00d\x00,\x00n\x00", "the file is UTF-16: save it as UTF-8"},
		{"a.ndjson", "\xff\xfe\x00\x00{", "the file is UTF-32: save it as UTF-8"},
		{"a.ndjson", "{\"id\":1,\"name\":\"\xcf\"}", "line 1, column 17: the file is not UTF-8; it looks like Windows-1251: save it as UTF-8"},
		{"a.csv", "PK\x03\x04", "the file is a workbook or an archive, not text: save it as CSV in UTF-8"},
		{"a.ndjson", "\x1f\x8b\x08", "the file is compressed: unpack it first"},
		{"a.parquet", "PAR1 no PAR1", "the file can't be read as Parquet: "},
		{"a.parquet", "", "the file can't be read as Parquet: "},
		{"a.json", "[]", `the format is known by the extension, and ".json" is none of .csv .ndjson .jsonl .parquet`},
		{"a", "id,name", `the format is known by the extension, and "" is none of .csv .ndjson .jsonl .parquet`},
	} {
		_, _, err := checked(t, write(t, c.name, c.text))
		var bad *BadFileError
		if !errors.As(err, &bad) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %.40q: %v, want %s", c.name, c.text, err, c.want)
		}
	}
	if _, err := Open(t.Context(), t.TempDir()+"/"+"x.csv/"); err == nil {
		t.Error("a folder that isn't there was opened")
	}
}

// TestRepeatedIDs are counted, and named by their lines.
func TestRepeatedIDs(t *testing.T) {
	r, _, err := checked(t, write(t, "a.csv", "id,name\n1,a\n2,b\n1,c\n3,\"d\ne\"\n2,f\n1,g\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Good != 6 || r.Repeats != 3 {
		t.Errorf("%d good rows, %d repeats", r.Good, r.Repeats)
	}
	if diff := cmp.Diff([]Repeat{{4, 2}, {7, 3}, {8, 4}}, r.Repeated); diff != "" {
		t.Error(diff)
	}
}

// TestTextKeepsLettersWhole reads a text whose letters are cut by the buffers.
func TestTextKeepsLettersWhole(t *testing.T) {
	for _, pad := range []int{0, 1, 2, 3} {
		text := strings.Repeat("x", pad) + strings.Repeat("ы日😀", 40_000)
		r, faults, err := checked(t, write(t, "a.csv", "id,name\n1,A\n2,\""+text+"\"\n3,B\xcf"))
		var bad *BadFileError
		if !errors.As(err, &bad) || bad.Line != 4 || bad.Column != 4 {
			t.Errorf("pad %d: %v, %v, %v", pad, r, faults, err)
		}
	}
}

// TestReturnsBeforeALineFeed are one, wherever the buffers cut them; others stay.
func TestReturnsBeforeALineFeed(t *testing.T) {
	for pad := range 5 {
		long := strings.Repeat("x", textBuffer-len("id,name\r\r\n1,")-2+pad)
		r, faults, err := checked(t, write(t, "a.csv", "id,name\r\r\n1,"+long+"\r\r\n2,\"B\"\r\r\n3,a\rb\r\rc\r\n"+"4,"+strings.Repeat("\r", 2*textBuffer)+"x\n"))
		if err != nil || len(faults) > 0 || r.Rows != 4 {
			t.Fatal(pad, r, faults, err)
		}
		want := []string{`{"id":"1","name":"` + long + `"}`, `{"id":"2","name":"B"}`, `{"id":"3","name":"a\rb\r\rc"}`}
		if diff := cmp.Diff(want, r.First); diff != "" {
			t.Error(pad, diff)
		}
	}
}
