package untrusted

import (
	"bytes"
	"html"
	"unicode/utf16"
	"unicode/utf8"
)

// fold gives a byte in the spelling in which equal ones are equal: lower case;
// one alphabet of base64; the blank as URLs write it.
func fold(b byte) byte {
	switch {
	case b >= 'A' && b <= 'Z':
		return b + 'a' - 'A'
	case b == '-' || b == ' ':
		return '+'
	case b == '_':
		return '/'
	}
	return b
}

func folded(text []byte) []byte {
	out := make([]byte, len(text))
	for i, b := range text {
		out[i] = fold(b)
	}
	return out
}

// span is where in a text a decoded byte comes from.
type span struct{ begin, end int }

// resolver appends what the escape means that a text begins with, and tells its
// length; 0: it is none.
type resolver func(dst, text []byte) (out []byte, size int)

// decode appends a text to dst with its escapes resolved once. It reports whether
// there were any. If spans is not nil, it gets the place of each byte of the result.
func decode(dst, text []byte, resolve resolver, spans *[]span) (out []byte, changed bool) {
	for i := 0; i < len(text); {
		before, size := len(dst), 0
		if beginsEscape(text[i]) {
			dst, size = resolve(dst, text[i:])
		}
		if size > 0 {
			changed = true
		} else {
			dst, size = append(dst, text[i]), 1
		}
		if spans != nil {
			for range len(dst) - before {
				*spans = append(*spans, span{i, i + size})
			}
		}
		i += size
	}
	return dst, changed
}

func beginsEscape(c byte) bool { return c == '\\' || c == '%' || c == '&' }

// appendJSON resolves the escapes of JSON, as they are meant.
func appendJSON(dst, text []byte) (out []byte, size int) {
	switch {
	case text[0] != '\\' || len(text) < 2:
		return dst, 0
	case text[1] != '\\':
		return appendBackslashed(dst, text)
	}
	return append(dst, '\\'), 2
}

// appendEscaped resolves the escapes of URLs, of HTML, and those of JSON, however
// many backslashes precede them.
func appendEscaped(dst, text []byte) (out []byte, size int) {
	switch text[0] {
	case '\\':
		return appendBackslashed(dst, text)
	case '%':
		if len(text) > 2 {
			if v, ok := number(text[1:3], 16); ok {
				return append(dst, byte(v)), 3
			}
		}
	case '&':
		return appendEntity(dst, text)
	}
	return dst, 0
}

// appendBackslashed appends what any number of backslashes make of the letter behind them.
func appendBackslashed(dst, text []byte) (out []byte, size int) {
	n := 1
	for n < len(text) && text[n] == '\\' {
		n++
	}
	rest := text[n:]
	if len(rest) == 0 || rest[0] == '%' || rest[0] == '&' { // these begin an escape of their own
		return dst, n
	}
	digits := 0
	switch rest[0] {
	case 'u':
		digits = 4
	case 'x':
		digits = 2
	case 'n', 'r', 't', 'b', 'f':
		return append(dst, '\n'), n + 1
	}
	if digits > 0 && len(rest) > digits {
		if v, ok := number(rest[1:1+digits], 16); ok {
			r, more := joinSurrogates(rune(v), rest[1+digits:])
			return utf8.AppendRune(dst, r), n + 1 + digits + more
		}
	}
	return append(dst, rest[0]), n + 1
}

// joinSurrogates joins the half of a character with the other half, if that follows.
func joinSurrogates(r rune, rest []byte) (both rune, size int) {
	if !utf16.IsSurrogate(r) {
		return r, 0
	}
	n := 0
	for n < len(rest) && rest[n] == '\\' {
		n++
	}
	if n > 0 && len(rest) > n+4 && rest[n] == 'u' {
		if v, ok := number(rest[n+1:n+5], 16); ok {
			if both := utf16.DecodeRune(r, rune(v)); both != utf8.RuneError {
				return both, n + 5
			}
		}
	}
	return r, 0
}

// maxEntity is the length of the longest name of a character in HTML.
const maxEntity = 34

// appendEntity appends a character of HTML, which is given by its number, also
// without the semicolon, or by its name.
func appendEntity(dst, text []byte) (out []byte, size int) {
	rest, base := text[1:], 10
	if len(rest) == 0 || rest[0] != '#' {
		return appendNamed(dst, text)
	}
	if rest = rest[1:]; len(rest) > 0 && (rest[0] == 'x' || rest[0] == 'X') {
		rest, base = rest[1:], 16
	}
	end := 0
	for end < len(rest) && end < maxEntity && digit(rest[end]) < base {
		end++
	}
	v, ok := number(rest[:end], base)
	if !ok {
		return dst, 0
	}
	if end < len(rest) && rest[end] == ';' {
		end++
	}
	return utf8.AppendRune(dst, rune(v)), len(text) - len(rest) + end
}

func appendNamed(dst, text []byte) (out []byte, size int) {
	if bytes.HasPrefix(text, []byte("&amp;")) { // the one that texts are full of
		return append(dst, '&'), len("&amp;")
	}
	end := 1
	for end < len(text) && end < maxEntity && isAlphanumeric(text[end]) {
		end++
	}
	if end == 1 || end == len(text) || text[end] != ';' {
		return dst, 0
	}
	name := string(text[:end+1])
	if plain := html.UnescapeString(name); plain != name {
		return append(dst, plain...), len(name)
	}
	return dst, 0
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// number reads digits; of a number beyond all characters the first ones count.
func number(digits []byte, base int) (n int, ok bool) {
	for _, d := range digits {
		v := digit(d)
		if v >= base {
			return 0, false
		}
		n = min(n*base+v, utf8.MaxRune+1)
	}
	return n, len(digits) > 0
}

// digit is the value of a digit; of any other byte more than all bases have.
func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return 99
}
