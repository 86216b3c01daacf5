package world

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMoneyIsSpeltTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(1, 1e11).Draw(t, "cents")
		form := rapid.SampledFrom([]Form{Plain, Quoted, QuotedTwo, TwoPlaces, NoiseUp, NoiseDown}).Draw(t, "form")
		text := string(appendMoney(nil, cents, form))
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s is no JSON", text)
		}
		x, ok := new(big.Rat).SetString(strings.Trim(text, `"`))
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		off := x.Sub(x, big.NewRat(cents, 100))
		if off.Abs(off).Cmp(big.NewRat(1, 1_000_000)) >= 0 {
			t.Fatalf("%d cents spelt %s", cents, text)
		}
		if noisy := form == NoiseUp || form == NoiseDown; noisy == (off.Sign() == 0) {
			t.Fatalf("%s of form %d is off by %v", text, form, off)
		}
	})
}

func TestMoneyForms(t *testing.T) {
	for _, c := range []struct {
		cents int64
		form  Form
		want  string
	}{
		{1250, Plain, `12.5`}, {1200, Plain, `12`}, {0, Plain, `0`}, {10, Plain, `0.1`}, {-15050, Plain, `-150.5`},
		{1250, Quoted, `"12.5"`}, {1250, QuotedTwo, `"12.50"`}, {1200, TwoPlaces, `12.00`}, {-5, TwoPlaces, `-0.05`},
		{30, NoiseUp, `0.30000000000000004`}, {199999, NoiseDown, `1999.9899999999998`},
	} {
		if got := string(appendMoney(nil, c.cents, c.form)); got != c.want {
			t.Errorf("%d cents in form %d: %s, want %s", c.cents, c.form, got, c.want)
		}
	}
}

func TestTimeForms(t *testing.T) {
	at := time.Date(2021, 11, 10, 22, 5, 12, 45e6, time.UTC).UnixMilli()
	for form, want := range map[Form]string{
		Plain: "2021-11-10T22:05:12+0000", Moscow: "2021-11-11T01:05:12+0300", MoscowISO: "2021-11-11T01:05:12+03:00",
		West: "2021-11-10T17:05:12-0500", Zoneless: "2021-11-10 22:05:12", Zulu: "2021-11-10T22:05:12Z",
		Millis: "2021-11-10T22:05:12.045+0000", Micros: "2021-11-10T22:05:12.045789Z", DateOnly: "2021-11-10",
	} {
		if got := string(appendTime(nil, at, form)); got != want {
			t.Errorf("form %d: %s, want %s", form, got, want)
		}
	}
}

func TestEscapedTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := strings.ToValidUTF8(rapid.String().Draw(t, "text"), "?")
		for _, s := range []style{asIs, escaped, canonical} {
			var got string
			raw := s.text(nil, want)
			if err := json.Unmarshal(raw, &got); err != nil || got != want {
				t.Fatalf("%s reads %q (%v), want %q", raw, got, err, want)
			}
			if s == escaped && strings.ContainsFunc(string(raw), func(r rune) bool { return r > 0x7f }) {
				t.Fatalf("%s is not escaped", raw)
			}
		}
	})
}

func TestRubles(t *testing.T) {
	for cents, want := range map[int64]string{
		0: "0\u00a0₽", 100_000: "1\u00a0000\u00a0₽", 123_456_789: "1\u00a0234\u00a0567,89\u00a0₽", 5: "0,05\u00a0₽",
	} {
		if got := rubles(cents); got != want {
			t.Errorf("%s: %q, want %q", strconv.FormatInt(cents, 10), got, want)
		}
	}
}
