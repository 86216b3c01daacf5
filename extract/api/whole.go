package api

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-faster/jx"
)

// Whole reads a JSON value that is a whole number, written as a number or as a
// text that holds one: 5, 5.0, 50e-1, "5". False if it is another value or
// doesn't fit into 64 bits.
func Whole(raw []byte) (int64, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == '"' {
		s, err := jx.DecodeBytes(raw).Str()
		if err != nil || s == "" || (s[0] != '-' && (s[0] < '0' || s[0] > '9')) || !jx.Valid([]byte(s)) {
			return 0, false
		}
		raw = []byte(s)
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, raw[0] != '+'
	}
	return wholeDecimal(string(raw))
}

// wholeDecimal reads a number with a fraction or an exponent, exactly.
func wholeDecimal(s string) (int64, bool) {
	if s == "" || (s[0] != '-' && (s[0] < '0' || s[0] > '9')) {
		return 0, false
	}
	s, negative := strings.CutPrefix(s, "-")
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > 1000 || e < -1000 {
			e = 1000 // beyond 64 bits, unless the mantissa is zero
		}
		mantissa, exponent = s[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimRight(whole+fraction, "0")
	exponent += len(whole) - len(digits) // digits · 10^exponent
	digits = strings.TrimLeft(digits, "0")
	switch {
	case digits == "":
		return 0, true
	case exponent < 0 || exponent+len(digits) > 19:
		return 0, false
	}
	if digits += strings.Repeat("0", exponent); negative {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}
