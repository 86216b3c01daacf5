package privacy

import (
	"bytes"
	"unicode/utf8"

	"roistat-etl/internal/contact"
	"roistat-etl/schemas"
)

const (
	stars       = "***"
	shownDigits = 2 // of a phone
)

// AppendMask appends the mask of a value.
func AppendMask(dst, value []byte, holds schemas.Holds) []byte {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return dst
	}
	kind := actual(value, holds)
	switch {
	case kind == schemas.Phone:
		return maskPhone(dst, value)
	case kind == schemas.Email && isEmail(value):
		return append(maskText(dst, value), value[bytes.LastIndexByte(value, '@'):]...)
	}
	return maskText(dst, value)
}

// maskPhone shows the last digits of a number that has more.
func maskPhone(dst, value []byte) []byte {
	start := len(dst)
	dst = contact.AppendPhone(dst, value)
	hidden := len(dst) - start - shownDigits
	if hidden <= 0 {
		hidden = len(dst) - start
	}
	for i := range hidden {
		dst[start+i] = '*'
	}
	return dst
}

// maskText shows the first letter.
func maskText(dst, value []byte) []byte {
	_, size := utf8.DecodeRune(value)
	return append(append(dst, value[:size]...), stars...)
}
