package hostile

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

const mib = 1 << 20

// object is an item or a row whose members are given, with a text that makes it
// about so large.
func object(members string, size int) body {
	return join(text(`{`+members+`,"pad":"`), times(size, "x", ""), text(`"}`))
}

// keys are n members with different keys.
func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return b.String()
}

func visit(dst []byte, i int) []byte {
	return fmt.Appendf(dst, `{"type":"visit","creationDate":"2026-05-%02dT%02d:%02d:00+0300","visitId":"%d","sourceId":"google","sourceTitle":"Google %d","device":{"os":"Windows","agent":"Chrome %d","is_mobile":false},"u%d":"%d"}`,
		1+i%28, i%24, i/24%60, i, i%100, i%7, i%3, i)
}

// faulty is a visit of which no field can be used.
const faulty = `"type":"visit","date":"2026-05-01","visitId":"%d","sourceId":{},"sourceTitle":{},"sourceIcon":{},"device":{"os":[1],"is_mobile":"x"}`

func pageOf(field, total string, n int, rows body) body {
	return join(text(`{"`+field+`":[`), rows, text(fmt.Sprintf(`],"%s":%d,"status":"success"}`, total, n)))
}

// TestMemoryWhateverTheAnswers gives the real program answers that are as large
// as they can be, to all clients at once.
func TestMemoryWhateverTheAnswers(t *testing.T) {
	zeros, err := packed(feed(times(1<<30, "0", "")))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := packed(feed(numbered(30_000, visit)))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		api   *api
		code  int
		fails string // the code of the clients that fail; "": none
		table string // with rows
		rows  int64
	}{
		"a gigabyte":                  {&api{feed: times(1<<30, " ", "")}, 3, "too_large", "", 0},
		"a gigabyte that is promised": {&api{feed: times(1<<30, " ", ""), length: 1 << 30}, 3, "too_large", "", 0},
		"a gigabyte of zeros, packed": {&api{feed: zeros, gzip: true}, 3, "too_large", "", 0},
		"a text of 60 MiB":            {&api{feed: feed(object(`"type":"visit"`, 60*mib))}, 3, "too_large", "", 0},
		"10 million empty items":      {&api{feed: feed(times(10_000_000, "{}", ","))}, 3, "too_large", "", 0},
		"50 MiB of brackets":          {&api{feed: feed(times(50*mib, "[", ""))}, 3, "bad_json", "", 0},
		"objects nested too deep":     {&api{feed: feed(times(8*mib, `{"a":`, ""))}, 3, "bad_json", "", 0},
		"60 MiB of spaces":            {&api{feed: feed(times(60*mib, " ", ""))}, 0, "", "visits", 0},
		"many ordinary items":         {&api{feed: feed(numbered(150_000, visit))}, 0, "", "visits", clients * 150_000},
		"many ordinary items, packed": {&api{feed: whole, gzip: true}, 0, "", "visits", clients * 30_000},
		"noise":                       {&api{feed: feed(each(9, noisy(1)))}, 3, "too_large", "", 0},
		"the most noise that is kept": {&api{feed: feed(join(each(7, noisy(1)), text(","), several(8, object(`"type":"call","date":"2026-05-01"`, 4*mib-100), ",")))}, 0, "", "calls", clients * 15},
		"items of many keys":          {&api{clients: 3, feed: feed(several(3, text(`{"type":"call","date":"2026-05-01"`+keys(300_000)+`}`), ","))}, 0, "", "calls", 3 * 3},
		"one id again and again":      {&api{clients: 3, feed: feed(times(200_000, `{"type":"visit","date":"2026-05-01","visitId":"1"}`, ","))}, 0, "", "visits", 3},
		"ids of megabytes":            {&api{clients: 3, feed: feed(several(15, join(text(`{"type":"visit","date":"2026-05-01","visitId":"`), times(4*mib-100, "a", ""), text(`"}`)), ","))}, 0, "", "visits", 3},
		"items with all at fault":     {&api{feed: feed(numbered(30_000, func(dst []byte, i int) []byte { return fmt.Appendf(dst, `{`+faulty+`}`, i) }))}, 0, "", "visits", clients * 30_000},
		"large items, all at fault":   {&api{feed: feed(several(200, object(fmt.Sprintf(faulty, 1), 64<<10), ","))}, 0, "", "visits", clients},
		"a page of many rows": {&api{list: some(pageOf("clients", "total", 2000, numbered(2000, func(dst []byte, i int) []byte {
			return fmt.Appendf(dst, `{"id":%d,"pad":"%s"}`, i+1, strings.Repeat("x", 30_000))
		})))}, 0, "", "clients", 2000},
		"a page of many texts":       {&api{list: some(pageOf("clients", "total", 200_000, times(200_000, `"`+strings.Repeat("z", 250)+`"`, ",")))}, 0, "", "rejects", 200_000},
		"pages of rows without ids":  {&api{list: nameless}, 0, "", "rejects", 90},
		"a list of a gigabyte":       {&api{list: some(times(1<<30, " ", ""))}, 1, "", "", 0},
		"contacts of a gigabyte":     {&api{contacts: some(times(1<<30, " ", ""))}, 3, "", "", 0},
		"contacts without an end":    {&api{contacts: endless}, 3, "", "", 0},
		"contacts of great length":   {&api{contacts: some(pageOf("data", "total_count", 23, each(23, long)))}, 0, "", "campaign_contacts", 23},
		"contacts with many numbers": {&api{contacts: some(pageOf("data", "total_count", 4, several(4, text(`{"contact":"c","metrics":{"sent":1`+keys(240_000)+`}}`), ",")))}, 0, "", "campaign_contacts", 240_001},
		"many contacts": {&api{contacts: some(pageOf("data", "total_count", 200_000, numbered(200_000, func(dst []byte, i int) []byte {
			return fmt.Appendf(dst, `{"contact":"c%d","metrics":{"sent":1,"opened":1},"pad":"%040d"}`, i, i)
		})))}, 0, "", "campaign_contacts", 400_000},
	} {
		t.Run(name, func(t *testing.T) {
			o := run(t, night(t, c.api))
			t.Logf("peak %3d MB, exit code %d: %s", o.rss/mib, o.code, name)
			if o.rss > limit {
				t.Errorf("it took %d MB of memory", o.rss/mib)
			}
			if o.code != c.code || (o.report.Error != "") != (c.code == 1) {
				t.Fatalf("exit code %d, want %d: %s %v", o.code, c.code, o.report.Error, o.report.Reasons)
			}
			if got := o.report.Tables[c.table].Rows; got != c.rows {
				t.Errorf("%s has %d rows, not %d", c.table, got, c.rows)
			}
			if c.fails != "" && (o.report.Feeds.Failed != clients || o.report.Failed[0].Code != c.fails) {
				t.Errorf("%+v failed: %+v", o.report.Feeds, o.report.Failed)
			}
			if c.fails == "" && o.report.Feeds.Failed != 0 {
				t.Errorf("%+v failed: %+v", o.report.Feeds, o.report.Failed)
			}
		})
	}
	wasMeasured(t)
}

// TestMemoryOfASecondNight replaces large feeds by other large ones: the mirror
// keeps both until the gates have passed.
func TestMemoryOfASecondNight(t *testing.T) {
	a := &api{clients: 3, feed: feed(each(7, noisy(1)))}
	dir := night(t, a)
	if o := run(t, dir); o.code != 0 || o.rss > limit {
		t.Fatalf("exit code %d, %d MB: %s", o.code, o.rss/mib, o.stderr)
	}
	a.next(feed(each(7, noisy(100))))
	o := run(t, dir, "--full")
	t.Logf("peak %d MB", o.rss/mib)
	if o.code != 0 || o.report.Feeds.Fetched != 3 || o.rss > limit {
		t.Errorf("exit code %d, %d MB, %+v: %s", o.code, o.rss/mib, o.report.Feeds, o.stderr)
	}
	wasMeasured(t)
}

// wasMeasured fails if this process was too large: the kernel gives a program the
// peak of the one that started it for a start.
func wasMeasured(t *testing.T) {
	t.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil || own.Maxrss*1024 > limit {
		t.Errorf("the test itself took %d MB: nothing was measured (%v)", own.Maxrss/1024, err)
	}
}

// noisy makes calls of almost 4 MiB that hardly compress.
func noisy(seed int) func(i int) body {
	return func(i int) body {
		return join(text(`{"type":"call","date":"2026-05-01","pad":"`), noise(4*mib-100, uint64(seed+i)), text(`"}`))
	}
}

// nameless is a list of 90 rows of almost 4 MiB that name no client.
func nameless(offset int64) body {
	n := max(0, min(15, 90-int(offset)))
	return pageOf("clients", "total", 90, each(n, func(i int) body {
		return object(fmt.Sprintf(`"name":"%d"`, int(offset)+i), 4*mib-100)
	}))
}

// endless is pages of 20 MiB, one after the other.
func endless(offset int64) body {
	return pageOf("data", "total_count", 1_000_000_000, numbered(1000, func(dst []byte, i int) []byte {
		return fmt.Appendf(dst, `{"contact":"c%d","metrics":{"sent":1},"pad":"%020000d"}`, int(offset)+i, i)
	}))
}

// long is a contact of a MiB.
func long(i int) body {
	return join(text(`{"metrics":{"sent":1},"contact":"`), noise(mib-100, uint64(i)), text(`"}`))
}
