package privacy

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"roistat-etl/schemas"
)

// The digits of a telephone number, by E.164 and as people shorten it.
const (
	fewestDigits = 10
	mostDigits   = 15
)

// Looks tells what a value is by its looks, for texts that nothing is declared of.
func Looks(value []byte) schemas.Holds {
	switch {
	case isEmail(value):
		return schemas.Email
	case isPhone(value):
		return schemas.Phone
	}
	return schemas.AnyText
}

// actual says what a value is, in a column that should hold what is declared.
func actual(value []byte, declared schemas.Holds) schemas.Holds {
	switch {
	case declared == schemas.Phone && isEmail(value):
		return schemas.Email
	case declared == schemas.Phone && digits(value) == 0:
		return schemas.AnyText
	}
	return declared
}

// isEmail tells whether a value, but for spaces around it, ends in an @ and a
// domain that nothing but a domain stands in.
func isEmail(value []byte) bool {
	value = bytes.TrimSpace(value)
	at := bytes.LastIndexByte(value, '@')
	if at <= 0 {
		return false
	}
	dots := 0
	for _, r := range string(value[at+1:]) {
		switch {
		case r == '.':
			dots++
		case r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
			return false
		}
	}
	return dots > 0
}

// isPhone tells whether a value is nothing but as many digits as a number has,
// and what people put between them.
func isPhone(value []byte) bool {
	n := digits(value)
	return n >= fewestDigits && n <= mostDigits && len(bytes.Trim(value, "+-(). \u00a00123456789")) == 0
}

func digits(value []byte) (n int) {
	for _, b := range value {
		if isDigit(b) {
			n++
		}
	}
	return n
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// appendDigits appends the digits of a phone; eleven that begin with 8, which is
// how a number is dialled inside Russia, begin with 7.
func appendDigits(dst, value []byte) []byte {
	start := len(dst)
	for _, b := range value {
		if isDigit(b) {
			dst = append(dst, b)
		}
	}
	if len(dst)-start == 11 && dst[start] == '8' {
		dst[start] = '7'
	}
	return dst
}

// appendNormal appends a value as it is hashed.
func appendNormal(dst, value []byte, holds schemas.Holds) []byte {
	switch actual(value, holds) {
	case schemas.Phone:
		return appendDigits(dst, value)
	case schemas.Email:
		return appendLower(dst, bytes.TrimSpace(value))
	}
	return append(dst, value...)
}

// appendLower appends the lower case of a text, letter by letter.
func appendLower(dst, text []byte) []byte {
	for len(text) > 0 {
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
