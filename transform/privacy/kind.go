package privacy

import (
	"bytes"
	"unicode"

	"roistat-etl/internal/contact"
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

// appendNormal appends a value as it is hashed.
func appendNormal(dst, value []byte, holds schemas.Holds) []byte {
	switch actual(value, holds) {
	case schemas.Phone:
		return contact.AppendPhone(dst, value)
	case schemas.Email:
		return contact.AppendEmail(dst, value)
	}
	return append(dst, value...)
}
