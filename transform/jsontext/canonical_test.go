package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func canonical(text string) string {
	var c Canonicalizer
	return string(c.Append(nil, []byte(text)))
}

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"spaces", " { \"a\" : [ 1 , 2 ] }\n", `{"a":[1,2]}`},
		{"keys by bytes", `{"b":1,"a":2,"B":3,"":4,"я":5,"é":6}`, `{"":4,"B":3,"a":2,"b":1,"é":6,"я":5}`},
		{"keys at every level", `{"b":{"d":1,"c":[{"f":1,"e":2}]},"a":1}`, `{"a":1,"b":{"c":[{"e":2,"f":1}],"d":1}}`},
		{"keys by their text, not by their escapes", `{"\u0062":1,"a":2,"\/":3}`, `{"/":3,"a":2,"b":1}`},
		{"the last of equal keys", `{"a":1,"b":2,"\u0061":{"c":1,"c":2},"a":3}`, `{"a":3,"b":2}`},
		{"equal keys in order", `{"a":1,"a":2}`, `{"a":2}`},
		{"equal keys inside", `[{"x":{"c":1,"c":2}}]`, `[{"x":{"c":2}}]`},
		{"numbers as received", `[1.0,1E5,-0,10e-1,123456789012345678901234567890]`, `[1.0,1E5,-0,10e-1,123456789012345678901234567890]`},
		{"letters unescaped", `"\u0444\u20ac\/\ud83d\ude00"`, `"ф€/😀"`},
		{"control characters as Python writes them", `"\u0000\u0008\u0009\u000a\u000c\u000d\u001F\u007f\u2028\"\\"`,
			"\"\\u0000\\b\\t\\n\\f\\r\\u001f\x7f\u2028\\\"\\\\\""},
		{"escaped quote and backslash", `"\u0022\u005c"`, `"\"\\"`},
		{"half a surrogate pair as received", `["\uD83d","\uDE00\ud83D","\ud83dx\uDE00","\ud83d\u0041"]`, `["\uD83d","\uDE00\ud83D","\ud83dx\uDE00","\ud83dA"]`},
		{"halves before a pair", `"\ud83d\ud83d\ude00"`, `"\ud83d😀"`},
		{"keys with halves", `{"\uD800":1,"\ud800":2,"a":3}`, `{"a":3,"\ud800":2}`},
		{"words", `[null,true,false,{},[]]`, `[null,true,false,{},[]]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := canonical(c.text); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got := canonical(c.want); got != c.want {
				t.Errorf("of itself it is %s", got)
			}
		})
	}
}

func TestCompactKeepsTheOrderOfKeys(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{` { "b" : 1.0 , "a" : [ "\u0444" , { } , "x  y" ] , "b" : "\n\u0001" } `, `{"b":1.0,"a":["ф",{},"x  y"],"b":"\n\u0001"}`},
		{`["\ud800"]`, `["\ud800"]`},
		{`[]`, `[]`},
	} {
		if got := string(AppendCompact(nil, []byte(c.text))); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestAppendObject(t *testing.T) {
	text := []byte(`{"z":{"q":1},"d":{"y":2,"x":3},"a":"\u0444"}`)
	var r Reader
	r.Reset(text)
	r.Enter('{')
	var members []Member
	for first := true; ; first = false {
		key, val, err := r.Member(first)
		if err != nil {
			t.Fatal(err)
		}
		if key.Kind == Absent {
			break
		}
		members = append(members, Member{Key: key, Val: val})
	}
	r.ResetTo(text, members[1].Val)
	r.Enter('{')
	key, val, err := r.Member(true)
	if err != nil {
		t.Fatal(err)
	}
	group := Group{Key: members[1].Key, Members: []Member{{Key: key, Val: val}}}
	members = append(members[:1], members[2:]...)
	var c Canonicalizer
	if got, want := string(c.AppendObject([]byte("x"), text, members, group)), `x{"a":"ф","d":{"y":2},"z":{"q":1}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAppendTextIsThatOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		quoted := respell(t, text)
		var want string
		if err := json.Unmarshal([]byte(quoted), &want); err != nil {
			t.Fatal(err)
		}
		got, valid := AppendText(nil, []byte(quoted[1:len(quoted)-1]))
		if string(got) != want || !valid {
			t.Fatalf("%s: %q (%t), want %q", quoted, got, valid, want)
		}
	})
}

func TestLoneHalvesAreNoText(t *testing.T) {
	for _, inner := range []string{`\ud800`, `a\uDFFF`, `\ud800\ud800`, `\ud800\u0041`, `\udc00\ud800`, `\ud800\\udc00`} {
		if got, valid := AppendText(nil, []byte(inner)); valid || utf8.Valid(got) {
			t.Errorf("%s is %q", inner, got)
		}
	}
}

// tree is a JSON value that can be spelled in many ways. Its object keys are distinct.
type tree struct {
	plain  string // of what is no container and no string
	text   *string
	items  []tree
	object map[string]tree
}

func drawTree(t *rapid.T, depth int) tree {
	kinds := 5
	if depth == 0 {
		kinds = 3
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return tree{plain: rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word")}
	case 1:
		return tree{plain: rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number")}
	case 2:
		s := rapid.String().Draw(t, "text")
		return tree{text: &s}
	case 3:
		v := tree{items: []tree{}}
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			v.items = append(v.items, drawTree(t, depth-1))
		}
		return v
	}
	v := tree{object: map[string]tree{}}
	for range rapid.IntRange(0, 5).Draw(t, "size") {
		v.object[rapid.String().Draw(t, "key")] = drawTree(t, depth-1)
	}
	return v
}

// spell writes the value with spaces, escapes and an order of keys by chance,
// and some keys twice, of which the first is not the value's.
func (v tree) spell(t *rapid.T, b *strings.Builder) {
	space := func() { b.WriteString(rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r"}).Draw(t, "space")) }
	space()
	defer space()
	switch {
	case v.text != nil:
		b.WriteString(respell(t, *v.text))
	case v.items != nil:
		b.WriteByte('[')
		for i, item := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.spell(t, b)
		}
		space()
		b.WriteByte(']')
	case v.object != nil:
		v.spellObject(t, b, space)
	default:
		b.WriteString(v.plain)
	}
}

func (v tree) spellObject(t *rapid.T, b *strings.Builder, space func()) {
	b.WriteByte('{')
	keys := rapid.Permutation(sortedKeys(v.object)).Draw(t, "order")
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if rapid.IntRange(0, 9).Draw(t, "twice") == 0 {
			fmt.Fprintf(b, "%s:[0],", respell(t, key))
		}
		space()
		b.WriteString(respell(t, key))
		space()
		b.WriteByte(':')
		v.object[key].spell(t, b)
	}
	space()
	b.WriteByte('}')
}

// canonical writes the canonical form by the book, slowly.
func (v tree) canonical(b *strings.Builder) {
	switch {
	case v.text != nil:
		b.WriteString(python(*v.text))
	case v.items != nil:
		for i, item := range v.items {
			b.WriteByte("[,"[min(i, 1)])
			item.canonical(b)
		}
		if len(v.items) == 0 {
			b.WriteByte('[')
		}
		b.WriteByte(']')
	case v.object != nil:
		for i, key := range sortedKeys(v.object) {
			b.WriteByte("{,"[min(i, 1)])
			b.WriteString(python(key) + ":")
			v.object[key].canonical(b)
		}
		if len(v.object) == 0 {
			b.WriteByte('{')
		}
		b.WriteByte('}')
	default:
		b.WriteString(v.plain)
	}
}

func sortedKeys(m map[string]tree) []string {
	keys := []string{}
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// python quotes as json.dumps(ensure_ascii=False) does.
func python(s string) string {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case short[r] != "":
			b.WriteString(short[r])
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// respell quotes a text with escapes by chance.
func respell(t *rapid.T, s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch must := r < 0x20 || r == '"' || r == '\\'; {
		case r == '/' && rapid.Bool().Draw(t, "slash"):
			b.WriteString(`\/`)
		case must || rapid.IntRange(0, 3).Draw(t, "escape") == 0:
			for _, unit := range utf16.Encode([]rune{r}) {
				format := rapid.SampledFrom([]string{`\u%04x`, `\u%04X`}).Draw(t, "case")
				fmt.Fprintf(&b, format, unit)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func TestEverySpellingHasOneCanonicalForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawTree(t, 3)
		var spelled, want strings.Builder
		v.spell(t, &spelled)
		v.canonical(&want)
		if got := canonical(spelled.String()); got != want.String() {
			t.Fatalf("%s\n got %s\nwant %s", spelled.String(), got, want.String())
		}
		if got := canonical(want.String()); got != want.String() {
			t.Fatalf("not idempotent: %s", got)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, text := range grammarTable {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"a":{"b":1,"a":2},"A":"\ud800\u0061"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Canonicalizer
		got := c.Append(nil, text) // no panic, whatever it is
		AppendCompact(nil, text)
		if !json.Valid(text) {
			return
		}
		if !json.Valid(got) || bytes.ContainsAny(got, "\n\r\t") {
			t.Fatalf("%q became %q", text, got)
		}
		if again := c.Append(nil, got); !bytes.Equal(got, again) {
			t.Fatalf("%q became %q", got, again)
		}
		if !utf8.Valid(text) || bytes.Contains(bytes.ToLower(text), []byte(`\\ud`)) {
			return // encoding/json takes all halves of pairs for one letter
		}
		if want, have := decoded(t, text), decoded(t, got); want != have {
			t.Fatalf("%q means %s, %q means %s", text, want, got, have)
		}
	})
}

// decoded says what encoding/json understands, numbers by their text.
func decoded(t *testing.T, text []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Quote(string(out))
}
