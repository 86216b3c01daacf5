package importer

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"
)

// writeParquet writes a record of JSON rows as a Parquet file.
func writeParquet(t testing.TB, schema *arrow.Schema, rows string, groupRows int64) string {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	record, _, err := array.RecordFromJSON(mem, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Release()
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &b, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithMaxRowGroupLength(groupRows), parquet.WithAllocator(mem)), pqarrow.NewArrowWriterProperties(pqarrow.WithAllocator(mem)))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func nullable(name string, typ arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: typ, Nullable: true}
}

// TestParquetTypes reads each type as the text that CSV would have.
func TestParquetTypes(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		nullable("id", arrow.PrimitiveTypes.Int64), nullable("name", arrow.BinaryTypes.String), nullable("phone", arrow.PrimitiveTypes.Float64),
		nullable("birth_date", arrow.FixedWidthTypes.Date32), nullable("score", arrow.PrimitiveTypes.Float64), nullable("vip", arrow.FixedWidthTypes.Boolean),
		nullable("seen", arrow.FixedWidthTypes.Timestamp_ms), nullable("day", arrow.FixedWidthTypes.Timestamp_us), nullable("sum", &arrow.Decimal128Type{Precision: 10, Scale: 2}),
		nullable("tags", arrow.ListOf(arrow.BinaryTypes.String)), nullable("fields", arrow.StructOf(nullable("segment", arrow.BinaryTypes.String), nullable("n", arrow.PrimitiveTypes.Int32))),
	}, nil)
	path := writeParquet(t, schema, `[
		{"id":1,"name":"Боб","phone":79880002233,"birth_date":"1980-01-31","score":1.5,"vip":true,"seen":"2026-01-02 03:04:05.678","day":"2026-01-02 00:00:00","sum":"12.50","tags":["a","b"],"fields":{"segment":"gold","n":7}},
		{"id":2,"name":"Ann"}]`, 100)
	r, faults, err := checked(t, path)
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	want := []string{
		`{"id":"1","name":"Боб","phone":"79880002233","birth_date":"1980-01-31","fields":{"score":"1.5","vip":"true","seen":"2026-01-02T03:04:05.678Z","day":"2026-01-02","sum":"12.50","tags":"[\"a\",\"b\"]","segment":"gold","n":"7"}}`,
		`{"id":"2","name":"Ann","phone":null,"birth_date":null}`,
	}
	if diff := cmp.Diff(want, r.First); diff != "" {
		t.Error(diff)
	}
}

// clientsParquet is a file of n rows in groups of 700.
func clientsParquet(t testing.TB, n int) string {
	schema := arrow.NewSchema([]arrow.Field{nullable("name", arrow.BinaryTypes.String), nullable("id", arrow.BinaryTypes.String), nullable("birth_date", arrow.BinaryTypes.String)}, nil)
	var b strings.Builder
	b.WriteString("[")
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"id":"%d","name":"Client %d","birth_date":"%s"}`, i, i, time.Date(1950, 1, 1+i%20000, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	return writeParquet(t, schema, b.String()+"]", 700)
}

// TestParquetOfManyGroups gives every row in its order, also after a resumption.
func TestParquetOfManyGroups(t *testing.T) {
	f := open(t, clientsParquet(t, 3000))
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	b := &bodies{}
	if err := f.Send(t.Context(), Options{Batch: 37, From: 1234, Sender: b, Journal: b, Memory: mem}); err != nil {
		t.Fatal(err)
	}
	at := 1234
	for _, body := range b.sent {
		for _, id := range idsOf(t, body) {
			if id != at {
				t.Fatalf("client %d comes where %d should", id, at)
			}
			at++
		}
	}
	if at != 3000 {
		t.Errorf("it ended at %d", at)
	}
}

// TestParquetFaults are named by row and column.
func TestParquetFaults(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{nullable("name", arrow.BinaryTypes.String), nullable("id", arrow.BinaryTypes.String), nullable("email", arrow.BinaryTypes.Binary), nullable("company", arrow.ListOf(arrow.PrimitiveTypes.Int32))}, nil)
	_, faults, err := checked(t, writeParquet(t, schema, `[{"name":"A","id":""},{"name":"B","id":"2","email":"/w=="},{"name":"C","id":"3","company":[1]}]`, 100))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, fmt.Sprintf("%d %d:%d %s %s", f.Row, f.Line, f.Column, f.Field, f.Reason))
	}
	if diff := cmp.Diff([]string{"0 1:2  no_id", "1 2:3 email bad_value", "2 3:4 company bad_value"}, got); diff != "" {
		t.Error(diff)
	}
	narrow := arrow.NewSchema([]arrow.Field{nullable("ID", arrow.BinaryTypes.String)}, nil)
	if _, _, err := checked(t, writeParquet(t, narrow, `[{"ID":"1"}]`, 100)); err == nil || !strings.Contains(err.Error(), "the header has no column id (id is written in small letters)") {
		t.Error(err)
	}
}

// nestedParquet is a file of n rows in groups of 700, with structs, maps and lists.
func nestedParquet(t testing.TB, n int) string {
	texts := arrow.BinaryTypes.String
	schema := arrow.NewSchema([]arrow.Field{
		nullable("id", arrow.PrimitiveTypes.Int64), nullable("name", texts), nullable("tags", arrow.ListOf(arrow.StructOf(nullable("tag", texts)))),
		nullable("fields", arrow.MapOf(texts, texts)), nullable("address", arrow.StructOf(nullable("city", texts), nullable("geo", arrow.StructOf(nullable("lat", arrow.PrimitiveTypes.Float64))))),
	}, nil)
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"name":"Client %d","tags":[{"tag":"a%d"},null],"fields":[{"key":"segment","value":"%d"}],"address":{"city":"c%d","geo":{"lat":%d.5}}}`, i, i, i, i%7, i, i))
	}
	return writeParquet(t, schema, "["+strings.Join(rows, ",")+"]", 700)
}

func TestNestedParquet(t *testing.T) {
	r, faults, err := checked(t, nestedParquet(t, 2000))
	if err != nil || len(faults) > 0 || r.Good != 2000 {
		t.Fatal(err, faults, r)
	}
	want := `{"id":"1","name":"Client 1","fields":{"tags":"[{\"tag\":\"a1\"},null]","segment":"1","address":"{\"city\":\"c1\",\"geo\":{\"lat\":1.5}}"}}`
	if diff := cmp.Diff(want, r.First[1]); diff != "" {
		t.Error(diff)
	}
}

// TestBrokenParquet ends in an error that names the file's fault, or in rows, but
// neither in a panic nor with memory that is kept.
func TestBrokenParquet(t *testing.T) {
	for name, path := range map[string]string{"flat": clientsParquet(t, 500), "nested": nestedParquet(t, 500)} {
		t.Run(name, func(t *testing.T) { breakParquet(t, path) })
	}
}

func breakParquet(t *testing.T, path string) {
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 7))
	broken := 0
	for range 300 {
		b := bytes.Clone(whole)
		if random.IntN(4) == 0 {
			b = b[:random.IntN(len(b))]
		}
		for range 1 + random.IntN(4) {
			if len(b) > 0 {
				b[random.IntN(len(b))] = byte(random.Uint32())
			}
		}
		f := open(t, write(t, "a.parquet", string(b)))
		_, err := f.Check(t.Context(), nil, 100, func(Fault) error { return nil })
		var bad *BadFileError
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("%v", err)
		}
		if err != nil {
			broken++
		}
	}
	if broken < 100 {
		t.Errorf("only %d of 300 files were refused", broken)
	}
}
