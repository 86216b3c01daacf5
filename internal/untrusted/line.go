package untrusted

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxLine is the most characters of a line that nobody bounds otherwise.
	MaxLine = 500
	// cutMark ends a text that was cut.
	cutMark = "…"
	// maxRead is how many bytes of a text are looked at; more can't matter.
	maxRead = 64 << 10
)

// Line makes a text one line of at most maxRunes characters (0: MaxLine). Space of
// any kind becomes one blank; what is invisible or moves what is shown becomes
// U+FFFD; a text that was cut ends in "…".
func Line(text string, maxRunes int) string {
	if maxRunes <= 0 {
		maxRunes = MaxLine
	}
	whole := len(text) <= maxRead
	if !whole {
		text = text[:maxRead]
	}
	text = Lines(strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), isBreak), " "))
	return cut(text, maxRunes, whole)
}

// Lines makes a text harmless and leaves its line feeds and tabs: for texts of
// several lines that were put together of harmless parts, as a last guard.
func Lines(text string) string {
	if isPlain(text) {
		return text
	}
	var b strings.Builder
	before := ' '
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		after, _ := utf8.DecodeRuneInString(text[i+size:])
		if r != '\n' && r != '\t' && isHarmful(r) && (r != joiner || !isEmoji(before) || !isEmoji(after)) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
		before = r
	}
	return b.String()
}

// isPlain reports whether a text is of printable ASCII and line feeds alone, as most are.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' && c != '\n') || c > '~' {
			return false
		}
	}
	return true
}

// joiner is the zero-width joiner, which makes one picture of several.
const joiner = '\u200d'

func isEmoji(r rune) bool {
	return unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r) || r == '\ufe0f'
}

// isBreak reports whether a rune is space, or breaks a line somewhere.
func isBreak(r rune) bool {
	return unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' || (r >= 0x1c && r <= 0x1f)
}

// isHarmful reports whether a rune moves a cursor, breaks a line, turns the
// direction of reading, or can't be seen: controls (Cc), format characters (Cf:
// bidi, zero-width, tags), separators of lines and paragraphs, what belongs to
// nobody (Co), fillers that look like nothing.
func isHarmful(r rune) bool {
	switch r {
	case utf8.RuneError:
		return false
	case '\u2028', '\u2029', '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u3164', '\uffa0':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// cut bounds a text by characters, and marks that it did, or that it was cut before.
func cut(text string, maxRunes int, whole bool) string {
	n := 0
	for i := range text {
		if n == maxRunes-1 && (!whole || utf8.RuneCountInString(text[i:]) > 1) {
			return text[:i] + cutMark
		}
		n++
	}
	if !whole {
		return text + cutMark
	}
	return text
}

// JSON writes the harmful characters of a JSON document as escapes, which say
// the same to a program; bytes that are no text become U+FFFD. It returns the
// document itself if there are none.
func JSON(document []byte) []byte {
	var out []byte
	from := 0
	for i := 0; i < len(document); {
		if c := document[i]; c >= ' ' && c < 0x7f || c == '\n' || c == '\t' || c == '\r' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(document[i:])
		if invalid := r == utf8.RuneError && size == 1; invalid || isHarmful(r) {
			out = append(out, document[from:i]...)
			out = appendEscape(out, r)
			from = i + size
		}
		i += size
	}
	if from == 0 {
		return document
	}
	return append(out, document[from:]...)
}

const hexDigits = "0123456789abcdef"

// appendEscape writes a rune as JSON escapes.
func appendEscape(out []byte, r rune) []byte {
	units := []rune{r}
	if r > 0xffff {
		units = []rune{0xd800 + (r-0x10000)>>10, 0xdc00 + (r-0x10000)&0x3ff}
	}
	for _, u := range units {
		out = append(out, '\\', 'u', hexDigits[u>>12&15], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
	}
	return out
}
