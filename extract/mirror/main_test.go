package mirror

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open makes a mirror in a folder of the test's own.
func open(t testing.TB) *Mirror {
	t.Helper()
	m, err := Open(t.Context(), filepath.Join(t.TempDir(), "data", "mirror.db"), Options{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

// sqlFile makes a database by statements.
func sqlFile(t testing.TB, statements string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "m.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// all reads a sequence to its end, or to its error.
func all[T any](seq iter.Seq2[T, error]) (list []T, err error) {
	for one, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, one)
	}
	return list, nil
}

// whole is all of a sequence of blocks.
func whole[T any](seq iter.Seq2[[]T, error]) ([]T, error) {
	blocks, err := all(seq)
	return slices.Concat(blocks...), err
}

// list shows the mirror a whole list with these ids.
func list(t testing.TB, m *Mirror, complete bool, ids ...int64) (Listed, int64) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := m.BeginList(ctx); err != nil {
		t.Fatal(err)
	}
	p := Page{At: time.UnixMilli(1_700_000_000_000), State: "x"}
	for i, id := range ids {
		p.Rows = append(p.Rows, Row{ID: id, Ordinal: int64(i), Raw: fmt.Appendf(nil, `{"id":%d}`, id)})
	}
	l, err := m.AddPage(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := m.FinishList(ctx, complete, "", p.At)
	if err != nil {
		t.Fatal(err)
	}
	return l, gone
}

func feedText(client int64, items int) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"visit","visitId":"%d","creationDate":"2021-11-%02dT14:%02d:12+0000","sourceId":"instagram_stories_%d","device":{"os":"Mac 10.15 ","os_icon":"https://cloud.roistat.com/img/os/macosx.png","agent":"Chrome 90.0 browser Blink","is_mobile":false},"sourceTitle":"instagram → stories"}`,
			client*1000+int64(i), i%28+1, int(client*7+int64(i))%60, i)
	}
	b.WriteByte(']')
	return b.Bytes()
}

func answer(t testing.TB, p *Packer, client int64, body []byte, items int64, at time.Time) *Answer {
	t.Helper()
	a := &Answer{Client: client, At: at, Items: items}
	if err := p.Pack(a, body); err != nil {
		t.Fatal(err)
	}
	return a
}
