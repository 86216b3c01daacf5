package world

import (
	"strconv"
	"time"
)

// The offsets of the spellings that carry one, in seconds.
const (
	moscowOffset = 3 * 3600
	westOffset   = -5 * 3600
)

// appendTime spells Unix milliseconds in the form, without quotes.
func appendTime(dst []byte, ms int64, form Form) []byte {
	t := time.UnixMilli(ms).UTC()
	switch form {
	case DateOnly:
		return t.AppendFormat(dst, time.DateOnly)
	case Zoneless:
		return t.AppendFormat(dst, time.DateTime)
	case Zulu:
		return t.AppendFormat(dst, "2006-01-02T15:04:05Z")
	case Millis:
		return t.AppendFormat(dst, "2006-01-02T15:04:05.000+0000")
	case Micros:
		return append(t.AppendFormat(dst, "2006-01-02T15:04:05.000"), "789Z"...)
	case Moscow:
		return append(shifted(dst, t, moscowOffset), "+0300"...)
	case MoscowISO:
		return append(shifted(dst, t, moscowOffset), "+03:00"...)
	case West:
		return append(shifted(dst, t, westOffset), "-0500"...)
	default:
		return append(shifted(dst, t, 0), "+0000"...)
	}
}

// shifted spells the wall clock of an offset; it is the hottest spelling, hence
// by hand.
func shifted(dst []byte, t time.Time, offset int) []byte {
	t = t.Add(time.Duration(offset) * time.Second)
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	dst = strconv.AppendInt(dst, int64(y), 10)
	dst = append(dst, '-', byte('0'+mo/10), byte('0'+mo%10), '-')
	dst = append(dst, byte('0'+d/10), byte('0'+d%10), 'T')
	dst = append(dst, byte('0'+h/10), byte('0'+h%10), ':')
	dst = append(dst, byte('0'+mi/10), byte('0'+mi%10), ':')
	return append(dst, byte('0'+s/10), byte('0'+s%10))
}

// appendCents spells cents with two decimals.
func appendCents(dst []byte, cents int64) []byte {
	if cents < 0 {
		dst, cents = append(dst, '-'), -cents
	}
	dst = strconv.AppendInt(dst, cents/100, 10)
	return append(dst, '.', byte('0'+cents/10%10), byte('0'+cents%10))
}

// appendMoney spells cents in the form, quotes included where the form has
// them. Noise is that of PHP's serialize_precision=17: it is below 1e-6.
func appendMoney(dst []byte, cents int64, form Form) []byte {
	switch form {
	case Quoted:
		return append(shortMoney(append(dst, '"'), cents), '"')
	case QuotedTwo:
		return append(appendCents(append(dst, '"'), cents), '"')
	case TwoPlaces:
		return appendCents(dst, cents)
	case NoiseUp:
		return append(appendCents(dst, cents), "000000000000004"...)
	case NoiseDown:
		return append(appendCents(dst, cents-1), "99999999998"...)
	default:
		return shortMoney(dst, cents)
	}
}

// shortMoney spells cents with as few decimals as they need.
func shortMoney(dst []byte, cents int64) []byte {
	dst = appendCents(dst, cents)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if dst[len(dst)-1] == '.' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendInt spells a whole number in the form.
func appendInt(dst []byte, n int64, form Form) []byte {
	switch form {
	case Quoted:
		return append(strconv.AppendInt(append(dst, '"'), n, 10), '"')
	case DotZero:
		return append(strconv.AppendInt(dst, n, 10), ".0"...)
	default:
		return strconv.AppendInt(dst, n, 10)
	}
}

// appendBool spells a bool in the form.
func appendBool(dst []byte, n int64, form Form) []byte {
	switch form {
	case ZeroOne:
		return append(dst, byte('0'+n))
	case QuotedBit:
		return append(dst, '"', byte('0'+n), '"')
	default:
		return strconv.AppendBool(dst, n == 1)
	}
}

// SQLTime spells Unix milliseconds as a database would, in UTC.
func SQLTime(ms int64) string { return string(appendTime(nil, ms, Zoneless)) }
