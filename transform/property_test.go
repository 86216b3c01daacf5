package transform_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"pgregory.net/rapid"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// scalars are values of every kind, good and bad, as an API might put them anywhere.
var scalars = []string{
	`null`, `""`, `"a"`, `"1"`, `1`, `0`, `1.0`, `true`, `false`, `"x\ud800"`, `"\u0444"`, `"ф"`, `[]`, `{}`, `[1]`, `{"a":1}`, `{"b":[{}],"a":null}`,
	`"12.50"`, `0.30000000000000004`, `1.005`, `1e3`, `"1e19"`, `9999999999999999.99`, `"2021-11-10T14:05:12Z"`, `"2021-11-10"`, `"0000-00-00"`, `"soon"`, `-5`, `"\"\u001f"`,
}

// hostileItem draws an item that may be anything, made of few values, so that keys collide often.
func hostileItem(t *rapid.T) string {
	if rapid.IntRange(0, 19).Draw(t, "odd") == 0 {
		return rapid.SampledFrom(append(scalars, "\"\xff\"", deep(600))).Draw(t, "item")
	}
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var members []string
	add := func(key, value string) { members = append(members, key+":"+value) }
	add(`"type"`, pick("type", `"visit"`, `"order"`, `"event"`, `"call"`, `"orderStatusChange"`, `"orderCostChange"`, `"lead_hunter_caught"`, `"survey"`, `"order"`, `"visit"`, `null`, `5`))
	add(pick("time", `"date"`, `"creationDate"`), pick("at", `"2021-11-10T14:05:12Z"`, `"2021-11-10 14:05:12"`, `"2021-11-10T17:05:12+0300"`, `"2021-12-01"`, `"x"`, `""`))
	add(`"visitId"`, pick("visitId", `"1"`, `1`, `2`, `"2"`, `null`))
	add(`"id"`, pick("id", `"1"`, `1`, `"\u0031"`, `2`, `{}`))
	for range rapid.IntRange(0, 6).Draw(t, "members") {
		key := pick("key", `"updateDate"`, `"order_id"`, `"status"`, `"cost"`, `"revenue"`, `"metaId"`, `"device"`, `"fields"`, `"name"`, `"caller"`, `"duration"`, `"x"`, `"\u0078"`, `"type"`, `"date"`, "\"\xff\"")
		add(key, hostileValue(t, key))
	}
	members = rapid.Permutation(members).Draw(t, "order")
	return "{" + strings.Join(members, pick("comma", ",", " ,\n")) + "}"
}

func hostileValue(t *rapid.T, key string) string {
	value := rapid.SampledFrom(scalars).Draw(t, "value")
	if (key == `"device"` || key == `"fields"`) && rapid.Bool().Draw(t, "object") {
		inner := rapid.SampledFrom([]string{`"os"`, `"is_mobile"`, `"a"`, `"\u0061"`, `"b\ud800"`}).Draw(t, "inner")
		return fmt.Sprintf(`{%s:%s,"os":%s}`, inner, value, rapid.SampledFrom(scalars).Draw(t, "os"))
	}
	return value
}

// projectRapid is projectFeed for properties: the projector is used again and again, like a worker's.
func projectRapid(t *rapid.T, p *transform.Projector, mem *memory.CheckedAllocator, feed string) tables {
	b, err := p.Clients([]schemas.Client{{ID: 123, Feed: []byte(feed)}})
	if err != nil {
		t.Fatalf("%q: %v", feed, err)
	}
	ts, _ := projected(t, b, nil)
	if left := mem.CurrentAlloc(); left != 0 {
		t.Fatalf("%d bytes were not released", left)
	}
	return ts
}

// withoutOrdinals lists all rows; of rejects, which item has which, but not where it stood.
func withoutOrdinals(ts tables) string {
	var b strings.Builder
	b.WriteString(rowsBefore(ts, schemas.Rejects))
	lines := map[string]int{}
	for _, r := range ts[schemas.Rejects] {
		lines[r["client_id"]+"|"+r["type"]+"|"+r["field"]+"|"+r["reason"]+"|"+r["raw"]]++
	}
	fmt.Fprintln(&b, lines) // maps are printed in order of their keys
	return b.String()
}

func rowsBefore(ts tables, id schemas.ID) string {
	for i := int(id); i < schemas.NumTables; i++ {
		ts[i] = nil
	}
	return ts.String()
}

func TestTheOrderOfAFeedSaysNothing(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	p := transform.New(mem, transform.Options{Project: "1"})
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.Custom(hostileItem), 0, 12).Draw(t, "items")
		shuffled := rapid.Permutation(items).Draw(t, "shuffled")
		a := projectRapid(t, p, mem, "["+strings.Join(items, ",")+"]")
		b := projectRapid(t, p, mem, " [ "+strings.Join(shuffled, "\n,")+"\t]")
		if x, y := withoutOrdinals(a), withoutOrdinals(b); x != y {
			t.Fatalf("%s\ngives\n%s\n%s\ngives\n%s", items, x, shuffled, y)
		}
	})
}

func TestNoItemIsLostOrDoubled(t *testing.T) { // projected holds the batches to the law
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	p := transform.New(mem, transform.Options{Project: "1"})
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.Custom(hostileItem), 0, 30).Draw(t, "items")
		ts := projectRapid(t, p, mem, "["+strings.Join(items, ",")+"]")
		ids := map[string]bool{}
		rows, whole := 0, 0
		for id := range schemas.NumEvents {
			for _, r := range ts[id] {
				rows++
				ids[schemas.ID(id).String()+r["event_id"]] = true
				if extra, ok := r["extra"]; ok && extra != null && !json.Valid([]byte(extra)) {
					t.Fatalf("extra is %q", extra)
				}
			}
		}
		for _, r := range ts[schemas.Rejects] {
			if r["field"] == null {
				whole++
			}
		}
		if rows+whole != len(items) || len(ids) != rows {
			t.Fatalf("%d items, %d rows, %d ids, %d rejects: %q", len(items), rows, len(ids), whole, items)
		}
	})
}

func TestBlocksSayNothing(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	rapid.Check(t, func(t *rapid.T) {
		var block []schemas.Client
		for i := range rapid.IntRange(1, 5).Draw(t, "clients") {
			items := rapid.SliceOfN(rapid.Custom(hostileItem), 0, 4).Draw(t, "items")
			block = append(block, schemas.Client{ID: int64(i), Row: []byte(hostileItem(t)), Feed: []byte("[" + strings.Join(items, ",") + "]")})
		}
		whole := transform.New(mem, transform.Options{})
		b, err := whole.Clients(block)
		together, _ := projected(t, b, err)
		single := transform.New(mem, transform.Options{})
		var apart tables
		for i := range block {
			b, err := single.Clients(block[i : i+1])
			one, _ := projected(t, b, err)
			for id := range one {
				apart[id] = append(apart[id], one[id]...)
			}
		}
		if together.String() != apart.String() {
			t.Fatalf("together\n%s\napart\n%s", together, apart)
		}
	})
	mem.AssertSize(t, 0)
}
