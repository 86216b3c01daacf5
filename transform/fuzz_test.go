package transform_test

import (
	"encoding/json"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// seed adds a sample of the documentation, whole or by rows, and some hostile texts.
func seed(f *testing.F, name string, whole bool) {
	all, rows := sample(f, name)
	if whole {
		f.Add(all)
	}
	for _, r := range rows {
		f.Add(r)
		f.Add([]byte("[" + string(r) + "," + string(r) + "]"))
	}
	for _, s := range scalars {
		f.Add([]byte(s))
	}
}

// check holds batches to the law and to the memory they came from.
func check(t *testing.T, mem *memory.CheckedAllocator, b *transform.Batches, err error) tables {
	t.Helper()
	var ts tables
	if err == nil {
		ts, _ = projected(t, b, nil)
	}
	mem.AssertSize(t, 0)
	return ts
}

func FuzzFeed(f *testing.F) {
	seed(f, "feed.json", true)
	f.Add([]byte(`[{"type":"visit","visitId":1,"date":"2021-11-10","device":{"is_mobile":"x","z":1}},{"type":"visit","visitId":"1","date":"2021-11-10","updateDate":"2022-01-01"}]`))
	f.Add([]byte("[{\"type\":\"call\",\"date\":\"2021-11-10\",\"x\":\"\xff\"},{\"type\":\"order\",\"id\":1,\"date\":\"2021-11-10\",\"fields\":{\"a\":\"\\ud800\"}}]"))
	f.Fuzz(func(t *testing.T, feed []byte) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		p := transform.New(mem, transform.Options{Project: "1"})
		b, err := p.Clients([]schemas.Client{{ID: 1, Feed: feed}})
		var items []json.RawMessage
		if json.Unmarshal(feed, &items) == nil && items != nil {
			if err != nil || b.Items != int64(len(items)) {
				t.Fatalf("%q: %v", feed, err)
			}
		} else if err == nil && json.Valid(feed) {
			t.Fatalf("%q was taken for an array", feed)
		}
		check(t, mem, b, err)
	})
}

func FuzzClientRow(f *testing.F) {
	seed(f, "clients.json", false)
	f.Fuzz(func(t *testing.T, raw []byte) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		p := transform.New(mem, transform.Options{Project: "1"})
		b, err := p.Clients([]schemas.Client{{ID: 1, Row: raw}})
		ts := check(t, mem, b, err)
		if err != nil || raw != nil && len(ts[schemas.Clients]) == 0 && len(ts[schemas.Rejects]) != 1 {
			t.Fatalf("%q: %v, %s", raw, err, ts)
		}
		b, err = p.Unlisted([]schemas.Unlisted{{Raw: raw}})
		if ts := check(t, mem, b, err); len(ts[schemas.Rejects]) != 1 {
			t.Fatalf("%q: %v, %s", raw, err, ts)
		}
	})
}

func FuzzCampaignRow(f *testing.F) {
	seed(f, "contacts.json", false)
	f.Add([]byte(`{"contact":"a","metrics":{"sent":"1","click":-1,"sent":2}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		p := transform.New(mem, transform.Options{Project: "1"})
		b, err := p.Campaigns([]schemas.Campaign{{ID: 1, Rows: [][]byte{raw, raw}}})
		if ts := check(t, mem, b, err); err != nil || len(ts[schemas.Rejects])%2 != 0 && len(ts[schemas.CampaignContacts]) == 0 {
			t.Fatalf("%q: %v, %s", raw, err, ts)
		}
	})
}
