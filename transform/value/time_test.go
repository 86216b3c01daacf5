package value

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const layout = "2006-01-02T15:04:05.000Z"

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestTime(t *testing.T) {
	moscow := location(t, "Europe/Moscow")
	for text, want := range map[string]string{
		"2021-11-10T14:05:12+0000":        "2021-11-10T14:05:12.000Z",
		"2021-11-10T14:05:12+0300":        "2021-11-10T11:05:12.000Z",
		"2021-11-10T14:05:12+03:00":       "2021-11-10T11:05:12.000Z",
		"2021-11-10T14:05:12-05:30":       "2021-11-10T19:35:12.000Z",
		"2021-11-10T14:05:12+03":          "2021-11-10T11:05:12.000Z",
		"2021-11-10T14:05:12-0000":        "2021-11-10T14:05:12.000Z",
		"2021-11-10 14:05:12 +0300":       "2021-11-10T11:05:12.000Z",
		"2021-11-10T14:05:12Z":            "2021-11-10T14:05:12.000Z",
		"2021-11-10 14:05:12 Z":           "2021-11-10T14:05:12.000Z",
		"2021-11-10T14:05:12.5Z":          "2021-11-10T14:05:12.500Z",
		"2021-11-10T14:05:12.9999999999Z": "2021-11-10T14:05:12.999Z",
		"2021-11-10T14:05:12.000001+0300": "2021-11-10T11:05:12.000Z",
		"2021-11-10 14:05:12":             "2021-11-10T11:05:12.000Z",
		"2021-11-10T14:05:12.123456":      "2021-11-10T11:05:12.123Z",
		"2021-11-10":                      "2021-11-09T21:00:00.000Z",
		"2012-06-01":                      "2012-05-31T20:00:00.000Z", // then Moscow was four hours ahead
		"2020-02-29T00:00:00Z":            "2020-02-29T00:00:00.000Z",
		"2000-02-29T00:00:00Z":            "2000-02-29T00:00:00.000Z",
		"1970-01-01T00:00:00Z":            "1970-01-01T00:00:00.000Z",
		"1969-12-31T23:59:59-0100":        "1970-01-01T00:59:59.000Z",
		"2099-12-31T23:59:59.999Z":        "2099-12-31T23:59:59.999Z",
		"2100-01-01T00:00:00+0300":        "2099-12-31T21:00:00.000Z",
		"2021-11-10T14:05:12+2359":        "2021-11-09T14:06:12.000Z",
	} {
		ms, state := Time([]byte(text), moscow)
		if got := time.UnixMilli(ms).UTC().Format(layout); state != OK || got != want {
			t.Errorf("%s is %s (%d), want %s", text, got, state, want)
		}
	}
}

func TestNever(t *testing.T) {
	for _, text := range []string{
		"", "0000-00-00", "0000-00-00 00:00:00", "0000-00-00T00:00:00+0300", "0000-01-01", "0000-12-31T23:59:59Z",
		"-0001-11-30T00:00:00+00:00", "-0001-11-30", "-9999-01-01 00:00:00",
	} {
		if _, state := Time([]byte(text), time.UTC); state != Empty {
			t.Errorf("time %q: %d", text, state)
		}
		if _, state := Date([]byte(text)); state != Empty {
			t.Errorf("date %q: %d", text, state)
		}
	}
}

var badTable = []string{
	" ", "now", "2021", "2021-11", "2021-11-1", "21-11-10", "2021/11/10", "2021-13-01", "2021-00-10", "2021-11-00", "2021-11-31",
	"2021-02-29", "2100-02-29", "1900-02-29", "2021-02-30", "2021-11-10T", "2021-11-10T14", "2021-11-10T14:05", "2021-11-10T14:05:1",
	"2021-11-10T24:00:00", "2021-11-10T14:60:00", "2021-11-10T14:05:60", "2021-11-10t14:05:12", "2021-11-10T14:05:12z",
	"2021-11-10  14:05:12", "2021-11-10T14:05:12.", "2021-11-10T14:05:12.Z", "2021-11-10T14:05:12,5", "2021-11-10T14:05:12  +0300",
	"2021-11-10T14:05:12 ", "2021-11-10T14:05:12+", "2021-11-10T14:05:12+3", "2021-11-10T14:05:12+030", "2021-11-10T14:05:12+03:0",
	"2021-11-10T14:05:12+03:00:00", "2021-11-10T14:05:12+2400", "2021-11-10T14:05:12+0060", "2021-11-10T14:05:12+03-00",
	"2021-11-10T14:05:12UTC", "2021-11-10Z", "2021-11-10+0300", " 2021-11-10", "2021-11-10 ", "2021-11-10T14:05:12Z ",
	"--2021-11-10", "-", "+2021-11-10", "-001-11-30", "-00001-11-30", "10000-01-01", "202a-11-10", "2021-11-10T1a:05:12",
	"0000-00-00x", "-0001-11-30T", "0000", "1636553112", "２021-11-10",
}

func TestBadTimes(t *testing.T) {
	for _, text := range badTable {
		if ms, state := Time([]byte(text), time.UTC); state != Bad {
			t.Errorf("time %q is %d (%d)", text, ms, state)
		}
		if days, state := Date([]byte(text)); state != Bad {
			t.Errorf("date %q is %d (%d)", text, days, state)
		}
	}
	for _, text := range []string{
		"1969-12-31T23:59:59Z", "1970-01-01T00:00:00+0300", "1969-12-31", "2100-01-01T00:00:00Z", "2099-12-31T23:59:59-0100", "9999-12-31", "0001-01-01",
	} {
		if ms, state := Time([]byte(text), time.UTC); state != Bad {
			t.Errorf("time %q is %d (%d)", text, ms, state)
		}
	}
}

func TestDate(t *testing.T) {
	for text, want := range map[string]string{
		"1980-01-31": "1980-01-31", "1900-01-01": "1900-01-01", "2299-12-31": "2299-12-31", "1980-01-31T00:00:00+0300": "1980-01-31",
		"1980-01-31 00:00:00": "1980-01-31", "1980-01-31T00:00:00.000-1100": "1980-01-31", "1968-02-29T00:00:00Z": "1968-02-29",
		"1980-01-31T00:00:00.0009Z": "1980-01-31",
	} {
		days, state := Date([]byte(text))
		if got := time.Unix(int64(days)*86400, 0).UTC().Format(time.DateOnly); state != OK || got != want {
			t.Errorf("%s is %s (%d), want %s", text, got, state, want)
		}
	}
	for _, text := range []string{"1899-12-31", "2300-01-01", "1980-01-31T00:00:01", "1980-01-31T21:00:00+0300", "1980-01-31T00:00:00.5Z"} {
		if days, state := Date([]byte(text)); state != Bad {
			t.Errorf("%s is %d (%d)", text, days, state)
		}
	}
}

func TestEveryDayOfTheCalendar(t *testing.T) {
	for day := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2300; day = day.AddDate(0, 0, 1) {
		text := day.Format(time.DateOnly)
		days, state := Date([]byte(text))
		if state != OK || int64(days) != day.Unix()/86400 {
			t.Fatalf("%s is %d (%d), want %d", text, days, state, day.Unix()/86400)
		}
		ms, state := Time([]byte(text), time.UTC)
		if in := day.Year() >= 1970 && day.Year() < 2100; in != (state == OK) || in && ms != day.UnixMilli() {
			t.Fatalf("%s is %d (%d), want %d", text, ms, state, day.UnixMilli())
		}
	}
}

func TestTimesComeBack(t *testing.T) {
	zones := []*time.Location{time.UTC, location(t, "Europe/Moscow"), location(t, "America/New_York"), location(t, "Asia/Kathmandu")}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Range(minTime, maxTime).Draw(t, "ms")
		if got := string(AppendTime(nil, want)); got != time.UnixMilli(want).UTC().Format(layout) {
			t.Fatalf("%d is written %s", want, got)
		}
		at := time.UnixMilli(want).In(rapid.SampledFrom(zones).Draw(t, "zone"))
		_, offset := at.Zone()
		if offset%60 != 0 {
			return // an offset by seconds has no spelling
		}
		format := rapid.SampledFrom([]string{
			"2006-01-02T15:04:05.000Z07:00", "2006-01-02 15:04:05.000000-0700", "2006-01-02T15:04:05.000 -07:00", layout[:19] + ".000-0700",
		}).Draw(t, "format")
		text := at.Format(format)
		if got, state := Time([]byte(text), time.UTC); state != OK || got != want {
			t.Fatalf("%s is %d (%d), want %d", text, got, state, want)
		}
	})
}

func TestTimesWithoutOffsetAreOfTheLocation(t *testing.T) {
	newYork := location(t, "America/New_York")
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(minTime+86400000, maxTime).Draw(t, "ms")
		at := time.UnixMilli(ms).In(newYork)
		want := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), newYork)
		text := at.Format("2006-01-02 15:04:05.000")
		if got, state := Time([]byte(text), newYork); state != OK || got != want.UnixMilli() {
			t.Fatalf("%s is %d (%d), want %d", text, got, state, want.UnixMilli())
		}
	})
}

func FuzzTime(f *testing.F) {
	for _, text := range append(badTable, "2021-11-10T14:05:12.123+0300", "2021-11-10 14:05:12", "0000-00-00", "-0001-11-30T00:00:00+00:00") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ms, state := Time([]byte(text), time.UTC)
		_, dateState := Date([]byte(text))
		if (state == Empty) != (dateState == Empty) {
			t.Fatalf("%q: as time %d, as date %d", text, state, dateState)
		}
		if state != OK {
			return
		}
		if ms < minTime || ms > maxTime {
			t.Fatalf("%q is %d", text, ms)
		}
		// The program's own reader must agree wherever it knows the layout.
		zulu := strings.Replace(strings.Replace(text, " ", "T", 1), " ", "", 1)
		for _, layout := range []string{"2006-01-02", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07"} {
			if want, err := time.Parse(layout, zulu); err == nil && want.UnixMilli() != ms {
				t.Fatalf("%q is %d, want %d", text, ms, want.UnixMilli())
			}
		}
	})
}

func TestReadingAllocatesNothing(t *testing.T) {
	at, amount := []byte("2021-11-10T14:05:12+0300"), []byte("1999.9899999999998")
	if n := testing.AllocsPerRun(100, func() {
		_, _ = Time(at, time.UTC)
		_, _ = Money(amount)
		_, _ = Int(amount)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
