package transform_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"pgregory.net/rapid"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// streamed projects a block piece by piece and puts the pieces together.
func streamed(t tester, p *transform.Projector, block []schemas.Client) (all tables, pieces int) {
	t.Helper()
	err := p.Stream(block, func(b *transform.Batches) error {
		pieces++
		for id, record := range b.Records {
			if record != nil {
				all[id] = append(all[id], rowsOf(t, schemas.ID(id), record)...)
			}
		}
		b.Release()
		return nil
	})
	if err != nil {
		t.Errorf("%v", err)
	}
	return all, pieces
}

// varied is n items of all that a feed may hold, many with equal keys and ids.
func varied(n int, pad string) string {
	var items []string
	for i := range n {
		at := fmt.Sprintf(`"2021-11-%02dT14:05:12Z"`, 1+i%28)
		items = append(items,
			fmt.Sprintf(`{"type":"visit","date":%s,"visitId":%d,"sourceId":{},"sourceTitle":"s%d","x":"%s"}`, at, i*2/3, i%7, pad),
			fmt.Sprintf(`{"type":"order","creationDate":%s,"id":"%d","revenue":"x","updateDate":%s,"fields":{"b":1,"a":[%d]}}`, at, i%(1+n/2), at, i),
			fmt.Sprintf(`{"type":"event","date":%s,"creationDate":"","metaId":"%s","n":%d}`, at, strings.Repeat("m", 100*(i%4)), i%5),
			fmt.Sprintf(`{"type":"%s","date":%s}`, strings.Repeat("t", 200*(i%3)), at), `{"type":"visit"}`, `5`)
	}
	return strings.Join(items, ",")
}

func TestPiecesAreTheWhole(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	block := []schemas.Client{{ID: 1, Row: []byte(`{"id":1,"name":{}}`), Feed: []byte("[" + varied(900, strings.Repeat("p", 8000)) + "]")}, {ID: 2, Feed: []byte("[" + varied(5, "") + "]")}}
	p := transform.New(mem, transform.Options{})
	b, err := p.Clients(block)
	whole, _ := projected(t, b, err)
	all, pieces := streamed(t, p, block)
	if pieces < 4 || all.String() != whole.String() {
		t.Errorf("%d pieces; together they are another thing than the whole", pieces)
	}
	stop := errors.New("stop")
	if err := p.Stream(block, func(b *transform.Batches) error { b.Release(); return stop }); !errors.Is(err, stop) {
		t.Errorf("the receiver's error became %v", err)
	}
	b, err = p.Clients(block[1:]) // what came before the break is forgotten
	again, _ := projected(t, b, err)
	if one, _ := streamed(t, p, block[1:]); one.String() != again.String() {
		t.Error("after a break the pieces are not the whole")
	}
	mem.AssertSize(t, 0)
}

// TestTheSizeOfAFeedSaysNothing blows feeds up with spaces, so that their items
// are read twice instead of being kept.
func TestTheSizeOfAFeedSaysNothing(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	p := transform.New(mem, transform.Options{})
	blank := strings.Repeat(" ", 5<<20)
	same := func(t tester, items string) {
		small, _ := streamed(t, p, []schemas.Client{{ID: 1, Feed: []byte("[" + items + "]")}})
		large, _ := streamed(t, p, []schemas.Client{{ID: 1, Feed: []byte("[" + items + blank + "]")}})
		if small.String() != large.String() {
			t.Errorf("%s\nsmall\n%s\nlarge\n%s", items, small, large)
		}
	}
	same(t, varied(30, ""))
	for seed := range 12 {
		same(t, strings.Join(rapid.SliceOfN(rapid.Custom(hostileItem), 0, 40).Example(seed), ","))
	}
	mem.AssertSize(t, 0)
}

// TestFormsBeyondMemoryDecideAlike lets equal keys have more text than the forms
// that are kept.
func TestFormsBeyondMemoryDecideAlike(t *testing.T) {
	long := strings.Repeat("f", 1<<20)
	feed := func(order ...int) string {
		var items []string
		for _, i := range order {
			items = append(items,
				fmt.Sprintf(`{"type":"visit","date":"2021-11-01","visitId":"1","a":"%s","b":%d}`, long, i),
				fmt.Sprintf(`{"type":"event","date":"2021-11-01","a":"%s","b":%d}`, long, i))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	a, b := feedOf(t, feed(0, 1, 2, 3, 4, 5, 6)), feedOf(t, feed(6, 3, 0, 5, 1, 4, 2))
	if withoutOrdinals(a) != withoutOrdinals(b) {
		t.Error("the order of the feed decides")
	}
	visits := a[schemas.Visits]
	if len(visits) != 1 || !strings.HasSuffix(visits[0]["extra"], `"b":6}`) || len(a[schemas.SiteEvents]) != 7 {
		t.Errorf("%d visits, %d events", len(visits), len(a[schemas.SiteEvents]))
	}
}
