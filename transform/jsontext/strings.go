package jsontext

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	surrogates    = 0xD800 // first code of a surrogate half
	surrogatesEnd = 0xE000
)

// AppendText appends the text that stands between the quotes of a string,
// escapes resolved. A lone half of a surrogate pair is no letter: it is appended
// as three bytes that no valid text has, and valid is false.
func AppendText(dst, inner []byte) (out []byte, valid bool) {
	valid = true
	for {
		i := bytes.IndexByte(inner, '\\')
		if i < 0 {
			return append(dst, inner...), valid
		}
		dst = append(dst, inner[:i]...)
		r, n := unescape(inner[i:])
		if n == 0 {
			return append(dst, inner[i:]...), false // not JSON
		}
		dst = appendRune(dst, r)
		valid = valid && !lone(r)
		inner = inner[i+n:]
	}
}

// AppendString appends the canonical form of a string, which is given with its
// quotes and escapes.
func AppendString(dst, quoted []byte) []byte {
	for {
		i := bytes.IndexByte(quoted, '\\')
		if i < 0 {
			return append(dst, quoted...)
		}
		dst = append(dst, quoted[:i]...)
		r, n := unescape(quoted[i:])
		switch {
		case n == 0: // not JSON
			return append(dst, quoted[i:]...)
		case lone(r):
			dst = append(dst, quoted[i:i+n]...)
		default:
			dst = appendEscaped(dst, r)
		}
		quoted = quoted[i+n:]
	}
}

// appendEscaped appends a letter that was escaped, with the escape only if it needs one.
func appendEscaped(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r < 0x20 {
		return append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// appendRune appends a letter; a surrogate half as UTF-8 would write its number.
func appendRune(dst []byte, r rune) []byte {
	if lone(r) {
		return append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}

func lone(r rune) bool { return r >= surrogates && r < surrogatesEnd }

// unescape reads the escape at the start of text, of a pair both halves, and
// returns its letter and length; length 0: no escape.
func unescape(text []byte) (rune, int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch c := text[1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := hex4(text)
	if !ok {
		return 0, 0
	}
	if !lone(r) {
		return r, 6
	}
	if low, ok := hex4(text[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return r, 6
}

// hex4 reads \uXXXX at the start of text.
func hex4(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range text[2:6] {
		switch {
		case c-'0' < 10:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
