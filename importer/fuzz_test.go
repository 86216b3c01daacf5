package importer

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
)

// fuzzFile reads any file of a format, sends it in batches, and sends the end of
// it again. A file is either unusable, both times at the same place, or every row
// of it is sent once or left out once.
func fuzzFile(f *testing.F, ext string, seeds ...string) {
	for i, s := range seeds {
		f.Add([]byte(s), uint8(1+i%3), uint16(i))
	}
	path := filepath.Join(f.TempDir(), "clients"+ext)
	f.Fuzz(func(t *testing.T, content []byte, size uint8, from uint16) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		file := open(t, path)
		batch := max(int(size), 1)
		faulty := map[int64]bool{}
		r, err := file.Check(t.Context(), nil, batch, func(x Fault) error { faulty[x.Row] = true; return nil })
		var bad *BadFileError
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("an error of another type: %v", err)
		}
		all := &ledger{t: t}
		sendErr := file.Send(t.Context(), Options{Batch: batch, Sender: all, Journal: all})
		if err != nil {
			if sendErr == nil || err.Error() != sendErr.Error() {
				t.Fatalf("checked: %v; sent: %v", err, sendErr)
			}
			return
		}
		if sendErr != nil || !all.last || all.next != r.Rows || int64(len(all.rows)) != r.Good || all.left != int64(len(faulty)) || r.Good+all.left != r.Rows {
			t.Fatalf("%v: %d sent and %d left out up to row %d, the end %v; checked: %+v", sendErr, len(all.rows), all.left, all.next, all.last, r)
		}
		if from := int64(from); from <= r.Rows {
			rest := &ledger{t: t, next: from}
			if err := file.Send(t.Context(), Options{Batch: batch, From: from, Sender: rest, Journal: rest}); err != nil {
				t.Fatal(err)
			}
			if n := len(rest.rows); n > len(all.rows) || !slices.Equal(rest.rows, all.rows[len(all.rows)-n:]) || int64(n)+rest.left != r.Rows-from {
				t.Fatalf("from row %d on %d were sent and %d left out of %d", from, n, rest.left, r.Rows)
			}
		}
	})
}

// ledger is a Sender and a Journal that hold each other to account.
type ledger struct {
	t    *testing.T
	rows []string // sent, JSON
	sent int64    // of them, not kept yet
	left int64
	next int64
	last bool
}

// Send takes a JSON array of clients that have an id and a name.
func (l *ledger) Send(_ context.Context, clients []byte, ready func() error) error {
	var list []json.RawMessage
	if err := json.Unmarshal(clients, &list); err != nil || len(list) == 0 {
		l.t.Fatalf("sent %q: %v", clients, err)
	}
	for _, raw := range list {
		var c struct{ ID, Name string }
		if err := json.Unmarshal(raw, &c); err != nil || c.ID == "" || c.Name == "" {
			l.t.Fatalf("sent %q: %v", raw, err)
		}
		l.rows = append(l.rows, string(raw))
	}
	l.sent = int64(len(list))
	return ready()
}

// Keep takes a step that leads on, and accounts for every row up to it.
func (l *ledger) Keep(_ context.Context, s Step) error {
	if l.last || s.Sent != l.sent || s.Next-l.next != s.Sent+int64(len(s.Rejects)) {
		l.t.Fatalf("%d rows sent, from row %d the step %+v", l.sent, l.next, s)
	}
	l.sent, l.left, l.next, l.last = 0, l.left+int64(len(s.Rejects)), s.Next, s.Last
	return nil
}

func FuzzCSV(f *testing.F) {
	fuzzFile(f, ".csv", "", "id,name\n", "id,name\n1,A\n2,B\n1,C", "\ufeffid, name ,phone,сегмент\r\n1,\"Jo \"\"x\"\",\nÿ\",7,gold\r\n\r\n2,Ann,,\r\n",
		"fields.x,birth_date,name,id\ng,1980-01-31,A,1\n,1980-02-30,B,2\n3\n,,,\n", "id;name\n1;A", "id,name\n1,\"A", "id,name\n1,A\"B\n", "id,name\n1,\xcf\xe5",
		"\xff\xfei\x00d\x00", "i\x00d\x00,\x00n\x00", "PK\x03\x04", "id,name,name\n", "id,name\n1,\xf0\x9f\x98", "id,name\r1,A\r", "\"id\",\"name\"\n\"\",\"\"\n")
}

func FuzzNDJSON(f *testing.F) {
	fuzzFile(f, ".ndjson", "", "\n\n", `{"id":1,"name":"A"}`, `{"id":"1","name":"A","phone":null,"fields":{"a":1,"b":[1,{"c":"\ud800"}]}}`+"\n"+`{"id":2,"name":"B","fields":[]}`,
		`{"id":1,"name":"A"} 2`+"\n"+`[1]`+"\nnul\n"+`{"id":`, `{"id":1e400,"name":{}}`, "\ufeff"+`{"id":1,"id":2,"name":"A","fields.x":true,"x":1}`, `{"id":1,"name":"A","birth_date":"1980-13-01"}`,
		"{\"id\":1,\"name\":\"\xcf\"}", `{"id":1,"name":"A","fields":7}`, strings.Repeat(`{"a":`, 300), `{"\u0069d":"x","name":"\u0000","":""}`, "\x1f\x8b\x08")
}

func FuzzParquet(f *testing.F) {
	schema := arrow.NewSchema([]arrow.Field{
		nullable("id", arrow.PrimitiveTypes.Int64), nullable("name", arrow.BinaryTypes.String), nullable("birth_date", arrow.FixedWidthTypes.Date32),
		nullable("sum", &arrow.Decimal128Type{Precision: 10, Scale: 2}), nullable("tags", arrow.ListOf(arrow.BinaryTypes.String)),
		nullable("fields", arrow.StructOf(nullable("segment", arrow.BinaryTypes.String), nullable("n", arrow.PrimitiveTypes.Int32))),
	}, nil)
	rows := `[{"id":1,"name":"A","birth_date":"1980-01-31","sum":"12.50","tags":["a","b"],"fields":{"segment":"gold","n":7}},{"id":2,"name":"B"},{"id":3}]`
	var seeds []string
	for _, path := range []string{writeParquet(f, schema, rows, 100), writeParquet(f, schema, rows, 1), clientsParquet(f, 3)} {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, string(content), string(content[:len(content)/2])+"PAR1")
	}
	fuzzFile(f, ".parquet", append(seeds, "", "PAR1 PAR1", "PAR1\xff\xff\xff\x7fPAR1", "PAR1"+strings.Repeat("\x00", 8)+"PAR1")...)
}
