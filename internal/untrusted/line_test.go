package untrusted

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is what no output may hold: each moves a cursor, forges a line, turns
// or hides what is read.
var hostile = []string{
	"\x00", "\a", "\b", "\v", "\f", "\r", "\n", "\x1b[31m", "\x1b]0;title\a", "\x7f", "\u0080", "\u0085", "\u009b2J", "\u009d", "\u2028", "\u2029",
	"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u200f", "\u061c",
	"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u034f", "\u3164", "\U000e0041", "\ue000", "\xff", "\x9b", "\xc2", "\xed\xa0\x80",
}

// faultOf names what in a text is not fit for a terminal.
func faultOf(text string, allowed string) string {
	if !utf8.ValidString(text) {
		return "invalid UTF-8"
	}
	for _, r := range text {
		if strings.ContainsRune(allowed, r) {
			continue
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || r == '\u034f' || r == '\u3164' {
			return string(r)
		}
	}
	return ""
}

func TestLineIsOneHarmlessLine(t *testing.T) {
	for _, h := range hostile {
		got := Line("before"+h+"after", 0)
		if f := faultOf(got, ""); f != "" {
			t.Errorf("Line of %q is %q: holds %q", h, got, f)
		}
		if !strings.HasPrefix(got, "before") || !strings.HasSuffix(got, "after") {
			t.Errorf("Line of %q is %q: its letters are lost", h, got)
		}
	}
	for in, want := range map[string]string{
		" a\r\n b\t\u2028c ": "a b c", "": "", "Анна 👩‍💻 ok": "Анна 👩‍💻 ok", "pa\u200dypal": "pa\ufffdypal", "x\u0085y": "x y", "e\u0301": "e\u0301",
	} {
		if got := Line(in, 0); got != want {
			t.Errorf("Line of %q is %q, want %q", in, got, want)
		}
	}
}

func TestLineIsBounded(t *testing.T) {
	for in, want := range map[string]string{"abcde": "abcde", "abcdef": "abcd…", "яяяяяя": "яяяя…", "ab  cd": "ab cd", "": ""} {
		if got := Line(in, 5); got != want {
			t.Errorf("Line of %q is %q, want %q", in, got, want)
		}
	}
	if got := Line(strings.Repeat(" ", 5<<20)+"x", 10); got != "…" {
		t.Errorf("a text of blanks is %q", got)
	}
	if got := Line(strings.Repeat("я", 5<<20), 0); utf8.RuneCountInString(got) != MaxLine || !strings.HasSuffix(got, "…") {
		t.Errorf("a long text has %d letters", utf8.RuneCountInString(got))
	}
}

func TestLinesKeepsLineFeedsAndTabsAlone(t *testing.T) {
	for _, h := range hostile {
		got := Lines("a\n\tb" + h + "c")
		if f := faultOf(got, "\n\t"); f != "" || !strings.HasPrefix(got, "a\n\tb") {
			t.Errorf("Lines of %q is %q: holds %q", h, got, f)
		}
	}
}

func TestJSONSaysTheSame(t *testing.T) {
	for _, h := range hostile {
		document, err := json.Marshal(map[string]string{"k": "я" + h + "z"})
		if err != nil {
			t.Fatal(err)
		}
		raw := []byte(`{"k":"я` + strings.Map(func(r rune) rune {
			if r < ' ' {
				return -1
			}
			return r
		}, h) + `z"}`)
		for _, d := range [][]byte{document, raw} {
			got := JSON(d)
			if f := faultOf(string(got), "\n\t\r"); f != "" {
				t.Errorf("JSON of %q is %q: holds %q", d, got, f)
			}
			var before, after any
			if json.Unmarshal(d, &before) != nil || json.Unmarshal(got, &after) != nil || before.(map[string]any)["k"] != after.(map[string]any)["k"] {
				t.Errorf("JSON of %q is %q, which says another thing", d, got)
			}
		}
	}
	if plain := []byte("{\"a\":\"b\"}\n"); &JSON(plain)[0] != &plain[0] {
		t.Error("a harmless document is copied")
	}
}

func TestWriterWritesHarmlessLines(t *testing.T) {
	for _, h := range hostile {
		text := "яб\n" + h + "\t👩‍💻."
		for _, step := range []int{1, 2, 3, 5, 1000} {
			var out strings.Builder
			w := NewWriter(&out)
			for part := text; part != ""; {
				n := min(step, len(part))
				if got, err := w.Write([]byte(part[:n])); got != n || err != nil {
					t.Fatal(got, err)
				}
				part = part[n:]
			}
			if f := faultOf(strings.ReplaceAll(out.String(), string(joiner), ""), "\n\t"); f != "" || !strings.HasPrefix(out.String(), "яб\n") || !strings.HasSuffix(out.String(), ".") {
				t.Errorf("%q in pieces of %d is %q: holds %q", text, step, out.String(), f)
			}
		}
	}
}
