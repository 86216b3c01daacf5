package transform_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

var update = flag.Bool("update", false, "write the golden files")

// newProjector returns a projector whose batches are all released by the end of the test.
func newProjector(t testing.TB, o transform.Options) *transform.Projector {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	if o.Project == "" {
		o.Project = "12345"
	}
	return transform.New(mem, o)
}

// tables are all rows by table, each column as text, null as ∅.
type tables [schemas.NumTables][]row

type row map[string]string

// null is how tests write a value that is not there.
const null = "∅"

// tester is what a test and a property have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// projected releases the batches, and returns their rows and counts.
func projected(t tester, b *transform.Batches, err error) (tables, transform.Batches) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var out tables
	for i, record := range b.Records {
		if record != nil {
			out[i] = rowsOf(t, schemas.ID(i), record)
		}
	}
	counts := *b
	b.Release()
	law(t, out, counts)
	return out, counts
}

// law checks what holds for every batch.
func law(t tester, rows tables, b transform.Batches) {
	t.Helper()
	events := 0
	for i := range schemas.NumEvents {
		events += len(rows[i])
	}
	if b.Items != b.Events+b.FeedRejects || b.Events != int64(events) {
		t.Errorf("%d items, %d events (counted %d), %d rejects", b.Items, b.Events, events, b.FeedRejects)
	}
	var items, fields, feed int64
	for _, r := range rows[schemas.Rejects] {
		switch {
		case r["field"] != null:
			fields++
		case r["source"] == "feed":
			feed++
			items++
		default:
			items++
		}
	}
	if items != b.ItemRejects || fields != b.FieldRejects || feed != b.FeedRejects {
		t.Errorf("rejects counted %d, %d, %d; batches say %d, %d, %d", items, fields, feed, b.ItemRejects, b.FieldRejects, b.FeedRejects)
	}
}

func rowsOf(t tester, id schemas.ID, record arrow.Record) []row {
	t.Helper()
	table := schemas.Get(id)
	if !record.Schema().Equal(table.Arrow()) {
		t.Errorf("%s has schema %v", table.Name, record.Schema())
	}
	rows := make([]row, record.NumRows())
	for i := range rows {
		rows[i] = row{}
		for j, c := range table.Columns {
			a := record.Column(j)
			if a.IsNull(i) && !c.Nullable {
				t.Errorf("%s.%s is null in row %d", table.Name, c.Name, i)
			}
			rows[i][c.Name] = cellText(a, i)
		}
	}
	return rows
}

func cellText(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return null
	}
	switch a := a.(type) {
	case *array.Timestamp:
		return time.UnixMilli(int64(a.Value(i))).UTC().Format("2006-01-02T15:04:05.000Z")
	case *array.Date32:
		return a.Value(i).ToTime().Format(time.DateOnly)
	case *array.Decimal128:
		return a.Value(i).ToString(schemas.MoneyScale)
	case *array.Map:
		return mapText(a, i)
	}
	return a.ValueStr(i)
}

func mapText(a *array.Map, i int) string {
	start, end := a.ValueOffsets(i)
	var pairs []string
	for j := start; j < end; j++ {
		pairs = append(pairs, fmt.Sprintf("%s=%s", cellText(a.Keys(), int(j)), cellText(a.Items(), int(j))))
	}
	return "{" + strings.Join(pairs, "|") + "}"
}

// String lists all rows, a line each, for goldens and comparison.
func (ts tables) String() string {
	var b strings.Builder
	for i, rows := range ts {
		table := schemas.Get(schemas.ID(i))
		for j, r := range rows {
			fmt.Fprintf(&b, "%s %d\n", table.Name, j)
			for _, c := range table.Columns {
				fmt.Fprintf(&b, "    %-24s %s\n", c.Name, r[c.Name])
			}
		}
	}
	return b.String()
}

// feedOf projects one feed of client 123.
func feedOf(t testing.TB, feed string) tables {
	t.Helper()
	out, _ := projectFeed(t, transform.Options{}, feed)
	return out
}

func projectFeed(t testing.TB, o transform.Options, feed string) (tables, transform.Batches) {
	t.Helper()
	b, err := newProjector(t, o).Clients([]schemas.Client{{ID: 123, Feed: []byte(feed)}})
	return projected(t, b, err)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}
