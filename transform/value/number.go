package value

import (
	"math"
	"strconv"

	"roistat-etl/transform/jsontext"
)

// MaxCents is the greatest amount that decimal(18, 2) holds, in cents.
const MaxCents = 999_999_999_999_999_999

// maxExponent bounds exponents, which no text that fits into memory can make up for with its digits.
const maxExponent = math.MaxInt32

// decimal is a number by its digits: of whole and fraction, one after the other,
// the first point stand before the decimal point. Those that point counts beyond
// the text, on either side, are 0.
type decimal struct {
	negative        bool
	whole, fraction []byte
	point           int
}

// parse takes a number apart; false: text is no JSON number.
func parse(text []byte) (decimal, bool) {
	if len(text) == 0 || jsontext.NumberLen(text) != len(text) {
		return decimal{}, false
	}
	d := decimal{negative: text[0] == '-'}
	if d.negative {
		text = text[1:]
	}
	n := digits(text)
	d.whole, text = text[:n], text[n:]
	if len(text) > 0 && text[0] == '.' {
		n = digits(text[1:])
		d.fraction, text = text[1:1+n], text[1+n:]
	}
	d.point = len(d.whole) + exponent(text)
	return d, true
}

func digits(text []byte) (n int) {
	for n < len(text) && text[n]-'0' < 10 {
		n++
	}
	return n
}

// exponent reads e±NN, 0 for no text, bounded by maxExponent.
func exponent(text []byte) (e int) {
	if len(text) == 0 {
		return 0
	}
	text = text[1:]
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	for _, c := range text {
		e = min(e*10+int(c-'0'), maxExponent)
	}
	if negative {
		return -e
	}
	return e
}

// digit returns the i-th digit.
func (d *decimal) digit(i int) byte {
	switch {
	case i < 0:
		return 0
	case i < len(d.whole):
		return d.whole[i] - '0'
	case i < len(d.whole)+len(d.fraction):
		return d.fraction[i-len(d.whole)] - '0'
	}
	return 0
}

func (d *decimal) len() int { return len(d.whole) + len(d.fraction) }

// upTo returns the number that the first n digits form, at most limit.
func (d *decimal) upTo(n int, limit uint64) (v uint64, ok bool) {
	for i := 0; i < n; i++ {
		if i >= d.len() && v == 0 {
			return 0, true // zeros without end
		}
		digit := uint64(d.digit(i))
		if v > (limit-digit)/10 {
			return 0, false
		}
		v = v*10 + digit
	}
	return v, true
}

// zeroFrom tells whether all digits from the n-th on are 0.
func (d *decimal) zeroFrom(n int) bool {
	for i := max(n, 0); i < d.len(); i++ {
		if d.digit(i) != 0 {
			return false
		}
	}
	return true
}

// Int reads a whole number; false: text is no number, not whole, or beyond int64.
func Int(text []byte) (int64, bool) {
	if v, ok := short(text); ok {
		return v, true
	}
	d, ok := parse(text)
	if !ok || !d.zeroFrom(d.point) {
		return 0, false
	}
	limit := uint64(math.MaxInt64)
	if d.negative {
		limit++
	}
	v, ok := d.upTo(d.point, limit)
	if d.negative {
		return -int64(v), ok // of 2^63 the negation is itself
	}
	return int64(v), ok
}

// short reads what most numbers are: a few digits and nothing else.
func short(text []byte) (v int64, ok bool) {
	if len(text) == 0 || len(text) > 17 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	for _, c := range text {
		if c-'0' > 9 {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}

// Bool reads 0 and 1 in any spelling of the number; false: text is neither.
func Bool(text []byte) (v, ok bool) {
	n, ok := Int(text)
	return n == 1, ok && (n == 0 || n == 1)
}

// Money reads an amount and returns it in cents; false: text is no number, has
// digits behind the second decimal that are not the noise of a float, or is
// beyond MaxCents.
func Money(text []byte) (cents int64, ok bool) {
	if v, ok := short(text); ok && v <= MaxCents/100 {
		return v * 100, true
	}
	d, ok := parse(text)
	if !ok {
		return 0, false
	}
	end := d.point + 2
	v, ok := d.upTo(end, MaxCents)
	if !ok {
		return 0, false
	}
	up, ok := d.noise(end)
	if up {
		v++
	}
	if !ok || v > MaxCents {
		return 0, false
	}
	if d.negative {
		return -int64(v), true
	}
	return int64(v), true
}

// noise tells whether the digits from the n-th on are within 1e-4 of a whole
// unit of the digit before, and if so whether of the next one up: 0000… or 9999
// and more.
func (d *decimal) noise(n int) (up, ok bool) {
	first := d.digit(n)
	if first != 0 && first != 9 {
		return false, false
	}
	for i := n + 1; i < n+4; i++ {
		if d.digit(i) != first {
			return false, false
		}
	}
	if first == 0 {
		return false, true
	}
	return true, !d.zeroFrom(n + 4)
}

// AppendMoney appends an amount in cents with its two decimals.
func AppendMoney(dst []byte, cents int64) []byte {
	v := uint64(cents)
	if cents < 0 {
		dst = append(dst, '-')
		v = -v
	}
	dst = strconv.AppendUint(dst, v/100, 10)
	return append(dst, '.', byte('0'+v/10%10), byte('0'+v%10))
}
