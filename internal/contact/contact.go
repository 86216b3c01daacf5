// Package contact knows when two spellings name the same person: phones by their
// digits, emails without regard to case.
package contact

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Email is an email in the spelling in which equal ones are equal.
func Email(text string) string { return string(AppendEmail(nil, []byte(text))) }

// AppendEmail appends Email of a text: without the spaces around it and in lower
// case, letter by letter; bytes that are no letter of UTF-8 stay.
func AppendEmail(dst, text []byte) []byte {
	for text = bytes.TrimSpace(text); len(text) > 0; {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, text[0])
		} else {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
		text = text[size:]
	}
	return dst
}

// Phone is a phone in the spelling in which equal ones are equal: its digits, the
// 8 of eleven that begin with it, as Russians dial, as the 7 that it stands for.
func Phone(text string) string { return string(AppendPhone(nil, []byte(text))) }

// AppendPhone appends Phone of a text.
func AppendPhone(dst, text []byte) []byte {
	start := len(dst)
	for _, b := range text {
		if b >= '0' && b <= '9' {
			dst = append(dst, b)
		}
	}
	if len(dst)-start == 11 && dst[start] == '8' {
		dst[start] = '7'
	}
	return dst
}

// Any is a contact of either kind; "" is none.
func Any(text string) string {
	if strings.Contains(text, "@") {
		return Email(text)
	}
	return Phone(text)
}
