package transform_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/schemas"
	"roistat-etl/transform"
)

// realistic makes the feeds of some clients as the API writes them: about 19
// items of 300 bytes each, in no order of time, the type mostly last in changes
// of orders, Cyrillic texts, a few unknown keys.
func realistic(clients int) []schemas.Client {
	r := rand.New(rand.NewPCG(1, 2))
	list := make([]schemas.Client, clients)
	for i := range list {
		var b strings.Builder
		b.WriteByte('[')
		for n := range 1 + r.IntN(37) {
			if n > 0 {
				b.WriteByte(',')
			}
			writeItem(&b, r, n)
		}
		b.WriteByte(']')
		list[i] = schemas.Client{ID: int64(1000 + i), Feed: []byte(b.String()), Row: fmt.Appendf(nil,
			`{"id":%d,"first_visit_date":"2024-03-01T10:00:00+0300","external_id":"%d","name":"Клиент %d","phone":"7988000%04d","email":"c%d@mail.ru","first_order_date":null,"last_order_date":null,"order_count":2,"revenue":"1500.50","profit":300,"birth_date":null,"company":"","comment":null,"client_url":"http://crm/%d","first_visit_marker":"direct1","first_visit_marker_alias":"Яндекс.Директ","first_visit_marker_icon":"https://cloud.roistat.com/img/direct.png","first_visit_marker_alias_level_1":"Директ"}`,
			1000+i, i, i, i, i, i)}
	}
	return list
}

func writeItem(b *strings.Builder, r *rand.Rand, n int) {
	at := fmt.Sprintf("202%d-%02d-%02dT%02d:%02d:%02d+0300", 2+r.IntN(3), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
	switch k := r.IntN(100); {
	case k < 40:
		fmt.Fprintf(b, `{"type":"visit","visitId":"%d","creationDate":"%s","sourceId":"direct%d","device":{"os":"Windows 10","os_icon":"https://cloud.roistat.com/img/os/windows.png","agent":"Chrome 90.0 browser Blink","agent_icon":"https://cloud.roistat.com/img/browsers/chrome.png","is_mobile":%t},"sourceTitle":"Яндекс.Директ → поиск %d","sourceIcon":"https://cloud.roistat.com/img/direct.png"}`,
			1000*n+r.IntN(1000), at, r.IntN(30), k < 20, r.IntN(30))
	case k < 50:
		fmt.Fprintf(b, `{"type":"order","id":"order_%d","name":"Заказ %d","status":"%d","statusType":"progress","statusTitle":"Новый","revenue":%d.5,"formattedRevenue":"%d ₽","cost":%d,"formattedCost":"%d ₽","fields":{"status_name":"Ожидает оплаты","Менеджер":"Анна Смирнова","roistat":%d,"Город":"\u041c\u043e\u0441\u043a\u0432\u0430"},"creationDate":"%s","updateDate":null}`,
			1000*n+r.IntN(1000), n, r.IntN(9), r.IntN(90000), n, r.IntN(900), n, r.IntN(100000), at)
	case k < 75:
		fmt.Fprintf(b, `{"type":"event","metaId":"%d","creationDate":"%s","name":"Открытие страницы корзины"}`, r.IntN(20), at)
	case k < 90:
		fmt.Fprintf(b, `{"order_id":"order_%d","order_title":"Заказ %d","type":"orderStatusChange","status":"%d","statusType":"progress","statusTitle":"В работе","date":"%s"}`,
			n, n, r.IntN(9), at)
	case k < 97:
		fmt.Fprintf(b, `{"callee":"78001234567","caller":"7988%07d","duration":"%d","status":"ANSWER","file_url":"https://cloud.roistat.com/call/%d.mp3","date":"%s","type":"call"}`,
			r.IntN(10000000), r.IntN(900), n, at)
	default:
		fmt.Fprintf(b, `{"date":"%s","page":"shop.ru/catalog","utm":{"b":1,"a":"x"},"type":"lead_hunter_appearance"}`, at)
	}
}

// BenchmarkProject is the whole of the work: from JSON as received to record batches, released.
func BenchmarkProject(b *testing.B) { benchmarkProject(b, nil) }

// BenchmarkProjectProtected is the same under a strict set of privacy rules.
func BenchmarkProjectProtected(b *testing.B) {
	benchmarkProject(b, schemas.Rules{
		"clients.name": schemas.DropValue, "clients.phone": schemas.HashValue, "clients.email": schemas.HashValue, "orders.name": schemas.DropValue,
		"calls.caller": schemas.HashValue, "lead_hunter_leads.phone": schemas.HashValue, "lead_hunter_leads.page": schemas.DropValue, "orders.fields.Город": schemas.MaskValue,
	})
}

func benchmarkProject(b *testing.B, rules schemas.Rules) {
	block := realistic(256)
	bytes := 0
	for _, c := range block {
		bytes += len(c.Feed) + len(c.Row)
	}
	p := transform.New(memory.NewGoAllocator(), transform.Options{Project: "12345", Rules: rules, Salt: []byte(salt)})
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	var events int64
	for b.Loop() {
		batches, err := p.Clients(block)
		if err != nil {
			b.Fatal(err)
		}
		events = batches.Events
		batches.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
	b.ReportMetric(float64(bytes)/float64(events), "B/event-in")
}
