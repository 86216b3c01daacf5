package jsontext

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// goDepth is the depth at which encoding/json gives up; a Reader has no such limit.
const goDepth = 10000

var grammarTable = []string{
	``, ` `, `null`, ` true `, `false`, `nul`, `nulll`, `True`, `0`, `-0`, `00`, `01`, `-`, `+1`, `1.`, `.5`, `1.5`, `1e`,
	`1e+`, `1e+5`, `1E-05`, `1.5e10`, `-1.25E+3`, `0x1`, `1_0`, `Infinity`, `NaN`, `""`, `"a`, `"a\"`, `"\"`, `"\u12"`,
	`"\u12G4"`, `"\u00e9"`, `"\uD800"`, `"\x"`, `"\/\b\f\n\r\t\\\""`, "\"\x1f\"", "\"\x7f\"", "\"\t\"", `[]`, `[ ]`, `[1]`,
	`[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[`, `]`, `[}`, `{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`,
	`{"a":1 "b":2}`, `{"a":1,"a":2}`, `{"a":[{"b":[]}]}`, `{"a":[}]`, `[{]}`, `{"a":1]`, `[1}`, "\ufeff{}", "[1\v]",
	`{"a":1}x`, `[[[[[]]]]]`, `[{"a":{}},{"b":[[],{}]}]`, "\xff", "\"\xff\"", `'a'`, `{"a":tru}`, `[1]]`, `{,}`, `[[],]`,
}

func TestGrammarIsThatOfEncodingJSON(t *testing.T) {
	for _, text := range grammarTable {
		compareGrammar(t, []byte(text))
	}
}

func FuzzGrammar(f *testing.F) {
	for _, text := range grammarTable {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { compareGrammar(t, text) })
}

func compareGrammar(t *testing.T, text []byte) {
	t.Helper()
	var r Reader
	r.Reset(text)
	v, err := r.Scan()
	if err == nil {
		err = r.End()
	}
	if want := json.Valid(text); want != (err == nil) && r.Depth() <= goDepth {
		t.Errorf("%q: %v, encoding/json says %t", text, err, want)
	}
	var syntax *SyntaxError
	if err != nil && (!errors.As(err, &syntax) || syntax.Offset > len(text)) {
		t.Errorf("%q: %v", text, err)
	}
	if err == nil && string(v.Of(text)) != strings.Trim(string(text), " \t\r\n") {
		t.Errorf("%q: value is %q", text, v.Of(text))
	}
	walked := walk(&r, text)
	if (walked == nil) != (err == nil) {
		t.Errorf("%q: %v walked, %v scanned", text, walked, err)
	}
}

// walk reads a text by entering its outermost container.
func walk(r *Reader, text []byte) error {
	r.Reset(text)
	switch {
	case r.Enter('{'):
		for first := true; ; first = false {
			key, _, err := r.Member(first)
			if err != nil {
				return err
			}
			if key.Kind == Absent {
				return r.End()
			}
		}
	case r.Enter('['):
		for first := true; ; first = false {
			more, err := r.Element(first)
			if err != nil {
				return err
			}
			if !more {
				return r.End()
			}
			if _, err := r.Scan(); err != nil {
				return err
			}
		}
	}
	if _, err := r.Scan(); err != nil {
		return err
	}
	return r.End()
}

func TestKinds(t *testing.T) {
	want := map[string]Kind{
		`null`: Null, `true`: True, `false`: False, `-1.5`: Number, `"a"`: String, `"\u0061"`: Escaped, `{"a":"\n"}`: Object, `["\n"]`: Array,
	}
	for text, kind := range want {
		var r Reader
		r.Reset([]byte(text))
		if v, err := r.Scan(); err != nil || v.Kind != kind {
			t.Errorf("%s is of kind %d, want %d (%v)", text, v.Kind, kind, err)
		}
	}
}

func TestSpecialBytesAreFoundAtEveryPlace(t *testing.T) {
	for length := range 20 {
		for place := range length {
			for b := range 256 {
				text := []byte(strings.Repeat("\xff", length))
				text[place] = byte(b)
				want := length
				if b == '"' || b == '\\' || b < 0x20 {
					want = place
				}
				if got := special(text, 0); got != want {
					t.Fatalf("%q: found at %d, want %d", text, got, want)
				}
			}
		}
	}
}

func TestTheFirstSpecialByteIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.SampledFrom([]byte("\"\\\x00\x1f !#[]az\x7f\x80\xa2\xdc\xff"))).Draw(t, "text")
		want := 0
		for want < len(text) && text[want] != '"' && text[want] != '\\' && text[want] >= 0x20 {
			want++
		}
		if got := special(text, 0); got != want {
			t.Fatalf("%q: found at %d, want %d", text, got, want)
		}
	})
}

func TestDepth(t *testing.T) {
	for text, want := range map[string]int{
		`1`: 0, `[]`: 1, `{}`: 1, `[1,[2]]`: 2, `{"a":{"b":[]},"c":1}`: 3, `[[],[[]],[]]`: 3,
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000):          1000,
		strings.Repeat(`{"a":`, 300) + "[]" + strings.Repeat("}", 300): 301,
	} {
		var r Reader
		r.Reset([]byte(text))
		if _, err := r.Scan(); err != nil || r.Depth() != want {
			t.Errorf("scanned %.20s: depth %d, want %d (%v)", text, r.Depth(), want, err)
		}
		if err := walk(&r, []byte(text)); err != nil || r.Depth() != want {
			t.Errorf("walked %.20s: depth %d, want %d (%v)", text, r.Depth(), want, err)
		}
	}
}

func TestMarkDepthForgetsWhatWasBefore(t *testing.T) {
	var r Reader
	r.Reset([]byte(`[[[[1]]],[2]]`))
	r.Enter('[')
	for first, want := true, 4; want >= 2; first, want = false, want-2 {
		if more, err := r.Element(first); err != nil || !more {
			t.Fatal(more, err)
		}
		r.MarkDepth()
		if _, err := r.Scan(); err != nil || r.Depth() != want {
			t.Errorf("depth %d, want %d (%v)", r.Depth(), want, err)
		}
	}
}

func TestResetToReadsInTheMiddle(t *testing.T) {
	text := []byte(`{"a":{"b":1},"c":2}`)
	var r Reader
	r.Reset(text)
	r.Enter('{')
	_, v, err := r.Member(true)
	if err != nil {
		t.Fatal(err)
	}
	r.ResetTo(text, v)
	if !r.Enter('{') {
		t.Fatal("no object")
	}
	key, val, err := r.Member(true)
	if err != nil || string(key.Inner(text)) != "b" || string(val.Of(text)) != "1" {
		t.Errorf("%s: %s, %v", key.Of(text), val.Of(text), err)
	}
	if key, _, err = r.Member(false); err != nil || key.Kind != Absent || r.End() != nil {
		t.Errorf("behind the last member: %v, %v", key, err)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	text := []byte(`{"a":[1,2,{"b":"\u0444"}],"c":null,"d":"` + strings.Repeat("x", 100) + `"}`)
	var r Reader
	r.Reset(text)
	if _, err := r.Scan(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { r.Reset(text); _, _ = r.Scan() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
