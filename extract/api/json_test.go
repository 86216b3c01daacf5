package api

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWhole(t *testing.T) {
	for raw, want := range map[string]int64{
		"5": 5, `"5"`: 5, "5.0": 5, `"5.0"`: 5, "50e-1": 5, "5e0": 5, "0.5e1": 5, "-7": -7, "-0": 0, "0.000": 0, "0e99999999999": 0,
		"1e18": 1e18, "9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63, "9223372036854775807.000": 1<<63 - 1, `"\u0035"`: 5, "5\n": 5, "1.50e1": 15,
	} {
		if got, ok := Whole([]byte(raw)); !ok || got != want {
			t.Errorf("%s: %d, %v", raw, got, ok)
		}
	}
	for _, raw := range []string{
		"", `""`, "null", "true", "{}", "[]", "5.5", `"5.5"`, "1e-1", "9223372036854775808", "1e19", "1e999999999999", `"abc"`, `"lead_5"`,
		`"007"`, `"+5"`, `" 5"`, `"5 "`, `"0x5"`, `"1_0"`, `"5`, `"NaN"`, "1e-400", `"null"`,
	} {
		if got, ok := Whole([]byte(raw)); ok {
			t.Errorf("%s: %d", raw, got)
		}
	}
}

func TestWholeAgreesWithExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?`).Draw(t, "number")
		exact, ok := new(big.Rat).SetString(raw)
		if !ok {
			t.Skip("too long an exponent")
		}
		want := exact.IsInt() && exact.Num().IsInt64()
		got, is := Whole([]byte(raw))
		if is != want || is && got != exact.Num().Int64() {
			t.Fatalf("%s: %d, %v", raw, got, is)
		}
	})
}

// TestParseAgreesWithEncodingJSON mutates documents and compares what is taken for JSON.
func TestParseAgreesWithEncodingJSON(t *testing.T) {
	const document = `{"status":"success","feed":[{"a":-1.5e+3,"b":"\u0441\n\"","c":[true,false,null,{}],"d":{"e":[]}} , "x" ],"total":5}`
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(document)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			b := rapid.SampledFrom([]byte("{}[]\",:\\ut01.-+eE \t\n\x00\x1f\xff")).Draw(t, "byte")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				text[at] = b
			case 1:
				text = append(text[:at:at], text[at+1:]...)
			default:
				text = append(text[:at:at], append([]byte{b}, text[at:]...)...)
			}
		}
		want := json.Valid(text) && strings.HasPrefix(strings.TrimSpace(string(text)), "{")
		f := fields{}
		if err := f.parse(text); (err == nil) != want {
			t.Fatalf("%s: %v, encoding/json says %v", text, err, want)
		}
	})
}
