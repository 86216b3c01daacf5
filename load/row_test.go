package load_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// record makes a batch from JSON rows.
func record(t *testing.T, mem memory.Allocator, id schemas.ID, rows string) arrow.Record {
	t.Helper()
	rec, _, err := array.RecordFromJSON(mem, schemas.Get(id).Arrow(), strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// The bytes are a contract with databases that compute digests by themselves:
// they are written out here, not computed.
func TestDigestOfKnownRows(t *testing.T) {
	text := func(s string) string {
		return hex.EncodeToString([]byte{byte(len(s)), 0, 0, 0}) + hex.EncodeToString([]byte(s))
	}
	cases := []struct {
		name string
		id   schemas.ID
		json string
		want string // hexadecimal
	}{
		{
			"reject", schemas.Rejects,
			`[{"project":"1","source":"feed","client_id":-2,"ordinal":258,"type":null,"field":"","reason":"no_id","raw":"ж"}]`,
			text("1") + text("feed") + "01feffffffffffffff" + "0201000000000000" + "00" + "01" + text("") + text("no_id") + "01" + text("ж"),
		},
		{
			"lead", schemas.LeadHunterLeads,
			`[{"project":"1","client_id":1,"event_id":"e","occurred_at":"2025-01-01T00:00:00.001Z","page":null,"name":null,"phone":null,"status":"1","is_sent":true,"extra":null}]`,
			text("1") + "0100000000000000" + text("e") + "017c291f94010000" + "000000" + "01" + text("1") + "0101" + "00",
		},
		{
			"cost", schemas.OrderCostChanges,
			`[{"project":"1","client_id":1,"event_id":"e","occurred_at":"1970-01-01T00:00:00Z","order_id":null,"order_title":null,"cost":"-1.50","formatted_cost":null,"extra":null}]`,
			text("1") + "0100000000000000" + text("e") + "0000000000000000" + "0000" + "016affffffffffffff" + "0000",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			rec := record(t, mem, c.id, c.json)
			defer rec.Release()
			want, err := hex.DecodeString(c.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := onlyDigest(t, c.id, rec); got != digestOf(want) {
				t.Errorf("digest %s, want %s", got, digestOf(want))
			}
		})
	}
}

func TestDigestOfAMap(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	rec := record(t, mem, schemas.Orders, order(`[{"key":"a","value":"1"},{"key":"b","value":""}]`))
	defer rec.Release()
	want := "0100000031" + "0100000000000000" + "0100000065" + "0000000000000000" + "0100000069" + // to order_id
		strings.Repeat("00", 4) + strings.Repeat("00", 5) + // name, statuses; amounts, formatted, updated_at
		"02000000" + "0100000061" + "0100000031" + "0100000062" + "00000000" +
		"0000000000000000" + strings.Repeat("00", 9) // visits_before, attribution and extra
	b, err := hex.DecodeString(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := onlyDigest(t, schemas.Orders, rec); got != digestOf(b) {
		t.Errorf("digest %s, want %s", got, digestOf(b))
	}
}

func order(fields string) string {
	return `[{"project":"1","client_id":1,"event_id":"e","occurred_at":"1970-01-01T00:00:00Z","order_id":"i","visits_before":0,"fields":` + fields + `}]`
}

// digestOf computes the digest of one row another way.
func digestOf(row []byte) (d load.Digest) {
	for i := range 8 {
		d[i] = byte(xxhash.Sum64(row) >> (56 - 8*i))
		d[8+i] = byte(xxh3.Hash(row) >> (56 - 8*i))
	}
	return d
}

// onlyDigest returns the digest of the only partition that has rows.
func onlyDigest(t *testing.T, id schemas.ID, rec arrow.Record) (d load.Digest) {
	t.Helper()
	s, n := spill(t, t.TempDir(), id, rec)
	defer s.Close()
	for _, p := range n.Partitions() {
		if p.Rows > 0 {
			d = p.Digest
		}
	}
	return d
}

func TestEncodeRefuses(t *testing.T) {
	cases := map[string]struct {
		id         schemas.ID
		json, want string
	}{
		"a null where there is none": {schemas.CampaignContacts, `[{"project":"1","campaign_id":1,"contact":null,"metric":"m","emails":1}]`, "campaign_contacts.contact: the column is never null"},
		"map keys out of order":      {schemas.Orders, order(`[{"key":"b","value":"1"},{"key":"a","value":"1"}]`), "orders.fields, row 0: the keys of the map are not in ascending order"},
		"a map key twice":            {schemas.Orders, order(`[{"key":"b","value":"1"},{"key":"b","value":"1"}]`), "not in ascending order"},
		"a null in a map":            {schemas.Orders, order(`[{"key":"b","value":null}]`), "a key or value of the map is null"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
			defer mem.AssertSize(t, 0)
			rec := record(t, mem, c.id, c.json)
			defer rec.Release()
			refuses(t, c.id, rec, c.want)
		})
	}
}

func TestEncodeRefusesAnotherTable(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	rec := record(t, mem, schemas.CampaignContacts, `[]`)
	defer rec.Release()
	refuses(t, schemas.Visits, rec, "visits: the batch has another schema")
}

// decimal128 holds more digits than the column.
func TestEncodeRefusesAmountsOfManyDigits(t *testing.T) {
	for _, amount := range []string{"10000000000000000.00", "-10000000000000000.00", "100000000000000000000000000000000000.00"} {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		b := array.NewRecordBuilder(mem, schemas.Get(schemas.OrderCostChanges).Arrow())
		row := `{"project":"1","client_id":1,"event_id":"e","occurred_at":"1970-01-01T00:00:00Z","cost":"1.00"}`
		if err := b.UnmarshalJSON([]byte(row)); err != nil {
			t.Fatal(err)
		}
		rec := b.NewRecord()
		b.Release()
		cost := wideDecimal(t, mem, amount)
		cols := append([]arrow.Array{}, rec.Columns()...)
		cols[6] = cost
		wide := array.NewRecord(rec.Schema(), cols, 1)
		refuses(t, schemas.OrderCostChanges, wide, "more than 18 digits")
		wide.Release()
		cost.Release()
		rec.Release()
		mem.AssertSize(t, 0)
	}
}

func refuses(t *testing.T, id schemas.ID, rec arrow.Record, want string) {
	t.Helper()
	s := must[*load.Spool](t)(load.NewSpool(t.TempDir()))
	defer s.Close()
	_, err := s.Encode(id, rec)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want %q", err, want)
	}
}

func wideDecimal(t *testing.T, mem memory.Allocator, text string) arrow.Array {
	t.Helper()
	wide, _, err := array.FromJSON(mem, &arrow.Decimal128Type{Precision: 38, Scale: 2}, strings.NewReader(`["`+text+`"]`))
	if err != nil {
		t.Fatal(err)
	}
	defer wide.Release()
	data := array.NewData(&arrow.Decimal128Type{Precision: 18, Scale: 2}, 1, wide.Data().Buffers(), nil, 0, 0)
	defer data.Release()
	return array.NewDecimal128Data(data)
}

func TestSlicedBatchesEncodeAlike(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	one := record(t, mem, schemas.Orders, order(`[{"key":"a","value":"1"},{"key":"b","value":""}]`))
	defer one.Release()
	other := strings.TrimSuffix(order(`[{"key":"x","value":"y"}]`), "]")
	two := record(t, mem, schemas.Orders, other+","+order(`[{"key":"a","value":"1"},{"key":"b","value":""}]`)[1:])
	defer two.Release()
	second := two.NewSlice(1, 2)
	defer second.Release()
	if a, b := onlyDigest(t, schemas.Orders, one), onlyDigest(t, schemas.Orders, second); a != b {
		t.Errorf("%s, but as a slice %s", a, b)
	}
}
