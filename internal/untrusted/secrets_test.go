package untrusted

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// keys are of the kinds that people have: letters and digits, hex, base64, and
// one full of what JSON, URLs and HTML escape.
var keys = []string{
	"Sekret4711KeyOfTests", "0123456789abcdef0123456789abcdef", "aGVsbG8/d29y+bGQ==", "seven77",
	`c4n4ry-k"e\y/<7>&f+e=d%2C?b#9~a'8.*(5)[1]|6$$^{3}`, "with blanks in it", `p&amp;q\u0041rst`, "ключ-Ёлка",
}

// each writes every byte, or rune, in another way.
func each(text string, write func(r rune) string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteString(write(r))
	}
	return b.String()
}

func percent(r rune) string {
	var s string
	for _, b := range []byte(string(r)) {
		s += fmt.Sprintf("%%%02x", b)
	}
	return s
}

func unicodeEscape(r rune) string { return fmt.Sprintf(`\u%04x`, r) }

// encodings are the ways in which a text may be echoed.
func encodings() map[string]func(string) string {
	b64 := func(e *base64.Encoding, before string) func(string) string {
		return func(s string) string { return e.EncodeToString([]byte(before + s + "~~")) }
	}
	return map[string]func(string) string{
		"plain": func(s string) string { return s }, "upper": strings.ToUpper, "lower": strings.ToLower,
		"json": func(s string) string { b, _ := json.Marshal(s); return string(b[1 : len(b)-1]) },
		"json slashes": func(s string) string {
			b, _ := json.Marshal(s)
			return strings.ReplaceAll(string(b[1:len(b)-1]), "/", `\/`)
		},
		"json letters": func(s string) string { return each(s, unicodeEscape) },
		"JSON LETTERS": func(s string) string { return each(s, func(r rune) string { return fmt.Sprintf(`\u%04X`, r) }) },
		"query":        url.QueryEscape, "path": url.PathEscape, "percent": func(s string) string { return each(s, percent) },
		"html": html.EscapeString, "decimal": func(s string) string { return each(s, func(r rune) string { return fmt.Sprintf("&#%d;", r) }) },
		"decimal bare": func(s string) string { return each(s, func(r rune) string { return fmt.Sprintf("&#%04d", r) }) },
		"hexadecimal":  func(s string) string { return each(s, func(r rune) string { return fmt.Sprintf("&#x%X;", r) }) },
		"named": func(s string) string {
			return strings.NewReplacer("/", "&sol;", "+", "&plus;", "=", "&equals;", "-", "&#45;").Replace(html.EscapeString(s))
		},
		"hex":         func(s string) string { return hex.EncodeToString([]byte(s)) },
		"HEX":         func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"base64":      func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"raw base64":  func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"base64 at 1": b64(base64.StdEncoding, "x"), "base64 at 2": b64(base64.URLEncoding, "xy"), "base64 at 3": b64(base64.StdEncoding, "xyz"),
		"go": func(s string) string { return strings.Trim(fmt.Sprintf("%+q", s), `"`) },
	}
}

// withoutEdges are the letters of an encoding that say something of the text
// alone: of base64 the first and the last may be mixed with others.
func withoutEdges(name, encoded string) string {
	if strings.Contains(name, "base64") {
		return strings.TrimRight(encoded, "=")[4 : len(strings.TrimRight(encoded, "="))-4]
	}
	return encoded
}

func TestSecretsAreFoundInEverySpelling(t *testing.T) {
	for _, key := range keys {
		s := NewSecrets(key)
		for name, encode := range encodings() {
			for outer, again := range encodings() {
				if strings.Contains(outer, "base64") || strings.EqualFold(outer, "hex") {
					continue // of the outside these hide all letters: once only
				}
				text := again(encode(key))
				if strings.EqualFold(outer, "upper") || outer == "lower" {
					text = encode(again(key))
				}
				checkHidden(t, s, key, name+" in "+outer, text, `{"a":"before `+text+` after"}`)
				if outer == "plain" { // across the border of two pieces
					checkHidden(t, s, key, name, text, strings.Repeat(".", pieceSize-len(text)/2)+text+" end")
				}
			}
		}
	}
}

func checkHidden(t *testing.T, s *Secrets, key, name, text, document string) {
	t.Helper()
	got := string(s.Strip([]byte(document)))
	if !strings.Contains(got, Mask) || strings.Contains(got, withoutEdges(name, text)) {
		t.Errorf("%q as %s is kept: %.300q", key, name, got)
	}
	if shown := s.Hide(document); shown != got {
		t.Errorf("%q as %s: what is shown isn't what is kept: %.200q", key, name, shown)
	}
}

func TestOtherTextsStay(t *testing.T) {
	s := NewSecrets("Sekret4711KeyOfTests", "12345678", "short", "")
	for _, text := range []string{
		"", "Sekret4711KeyOfTest", "ekret4711KeyOfTests", `\u0053`, "%", "%5", `\`, `\u`, `\u00`, "&", "&#", "&#;", "&#x;", "&;", "&amp;", "100%", `C:\\Users\\Sekret`,
		"12345678", "a short text", strings.Repeat(`\u043f\u0440`, 30_000), strings.Repeat("%25", 30_000), "&#99999999999999999999;", `\ud83d\ude00`, `\ud83d`,
	} {
		if got := s.Strip([]byte(text)); string(got) != text {
			t.Errorf("%.100q becomes %.100q", text, got)
		}
	}
	if got := s.Hide("12345678, short, SHORT"); got != "***, ***, ***" {
		t.Errorf("error texts keep %q", got)
	}
	if got := (*Secrets)(nil).Line("a\nb", 0); got != "a b" {
		t.Errorf("without secrets: %q", got)
	}
}

// A document stays one that JSON can read, whatever the key is made of.
func TestStripKeepsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[A-Za-z0-9/+=._~%&;#\\ -]{7,40}`).Draw(t, "key")
		value := rapid.SampledFrom([]string{"", "x", "/", "C:\\dir\\", "a%", "\t"}).Draw(t, "before") + key + rapid.SampledFrom([]string{"", "y", "\\", "n", "\""}).Draw(t, "after")
		document, _ := json.Marshal(map[string]string{"a": value})
		if rapid.Bool().Draw(t, "slashes") {
			document = []byte(strings.ReplaceAll(string(document), "/", `\/`))
		}
		got := NewSecrets(key).Strip(document)
		var read map[string]string
		if err := json.Unmarshal(got, &read); err != nil {
			t.Fatalf("%q becomes %q: %v", document, got, err)
		}
		if strings.Trim(key, "0123456789") != "" && strings.Contains(read["a"], key) {
			t.Fatalf("%q keeps the key", got)
		}
	})
}

func TestLineHidesWhatIsCut(t *testing.T) {
	s := NewSecrets("Sekret4711KeyOfTests")
	for n := range 40 {
		got := s.Line(strings.Repeat(" ", 2*maxRead-n)+"Sekret4711KeyOfTests", 0)
		if strings.Contains(got, "S") {
			t.Fatalf("a secret that is cut is shown: %q", got)
		}
	}
}

func TestErrorIsTheSameErrorInOtherWords(t *testing.T) {
	s := NewSecrets("Sekret4711KeyOfTests")
	err := s.Error(fmt.Errorf("the server says\n\x1b[1mSEKRET4711keyoftests: %w", io.EOF))
	if !errors.Is(err, io.EOF) || err.Error() != "the server says \ufffd[1m***: EOF" {
		t.Errorf("%q", err)
	}
	if s.Error(nil) != nil || s.Error(io.EOF) != io.EOF { //nolint:errorlint // the very same
		t.Error("an error without fault is another one")
	}
}

func BenchmarkStrip(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	words := []string{`{"id":"12345","name":"`, `Телефон`, `\u0417\u0430\u044f\u0432\u043a\u0430`, `http:\/\/example.com\/?utm_source=yandex&utm_term=%D0%BE%D0%BA%D0%BD%D0%B0`, `","date":"2026-01-01T00:00:00+0300",`, ` visit`, `false`}
	for name, n := range map[string]int{"latin": 2, "php": len(words)} {
		var text strings.Builder
		for text.Len() < 16<<10 {
			w := words[rng.IntN(n)]
			if n == 2 {
				w = strings.ReplaceAll(w, "Телефон", "telephone number")
			}
			text.WriteString(w)
		}
		for _, key := range []string{"seven77", "0123456789abcdef0123456789abcdef"} {
			b.Run(fmt.Sprintf("%s/%d", name, len(key)), func(b *testing.B) {
				s, document := NewSecrets(key), []byte(text.String())
				b.SetBytes(int64(len(document)))
				b.ReportAllocs()
				for range b.N {
					s.Strip(document)
				}
			})
		}
	}
}
