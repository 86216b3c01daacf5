package value

import (
	"bytes"
	"time"
)

// State says what a text is as a time.
type State uint8

// The states. Empty is no text at all, or a date of a year ≤ 0, which is how the API's
// database spells "never".
const (
	OK State = iota
	Empty
	Bad
)

// Bounds of times, in milliseconds since 1970 UTC: 1970-01-01 to 2099-12-31; and
// of dates, in days since 1970: 1900-01-01 to 2299-12-31.
const (
	minTime, maxTime = 0, 47482*msDay - 1
	minDate, maxDate = -25567, 120529
)

const (
	msSecond = 1000
	msMinute = 60 * msSecond
	msHour   = 60 * msMinute
	msDay    = 24 * msHour
)

// stamp is a time as it is written.
type stamp struct {
	year, month, day int
	clock            int64 // milliseconds since midnight
	zone             int64 // milliseconds east of UTC
	zoned            bool
}

// Time reads an instant and returns it in milliseconds since 1970 UTC, finer
// digits cut. loc is where a time without an offset was written. A time outside
// 1970-01-01 to 2099-12-31 UTC is Bad.
func Time(text []byte, loc *time.Location) (int64, State) {
	s, state := scan(text)
	if state != OK {
		return 0, state
	}
	ms := s.instant(loc)
	if ms < minTime || ms > maxTime {
		return 0, Bad
	}
	return ms, OK
}

// Date reads a calendar date and returns it in days since 1970. A time may
// follow if it is midnight, wherever. A date outside 1900-01-01 to 2299-12-31 is Bad.
func Date(text []byte) (int32, State) {
	s, state := scan(text)
	if state != OK {
		return 0, state
	}
	days := s.days()
	if s.clock != 0 || days < minDate || days > maxDate {
		return 0, Bad
	}
	return int32(days), OK
}

// instant returns the milliseconds since 1970 UTC.
func (s *stamp) instant(loc *time.Location) int64 {
	if s.zoned || loc == time.UTC {
		return s.days()*msDay + s.clock - s.zone
	}
	day := time.Date(s.year, time.Month(s.month), s.day, int(s.clock/msHour), int(s.clock/msMinute%60), int(s.clock/msSecond%60), 0, loc)
	return day.UnixMilli() + s.clock%msSecond
}

// days counts the days since 1970 in the Gregorian calendar, by eras of 400
// years that begin with March, so that the leap day is the last of a year.
func (s *stamp) days() int64 {
	y, m := s.year, s.month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	era, yearOfEra := y/400, y%400
	dayOfYear := (153*m+2)/5 + s.day - 1
	return int64(era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468)
}

// scan reads YYYY-MM-DD, or that and T or a blank and HH:MM:SS, a fraction and an offset.
func scan(text []byte) (s stamp, state State) {
	if len(text) == 0 {
		return s, Empty
	}
	before := text[0] == '-' // the year, before year 0
	if before {
		text = text[1:]
	}
	if !s.date(text) || !s.rest(text[10:]) {
		return s, Bad
	}
	if before || s.year == 0 {
		return s, Empty
	}
	if s.month < 1 || s.month > 12 || s.day < 1 || s.day > daysIn(s.year, s.month) || s.clock < 0 {
		return s, Bad
	}
	return s, OK
}

func (s *stamp) date(text []byte) bool {
	if len(text) < 10 || text[4] != '-' || text[7] != '-' {
		return false
	}
	century, ok1 := two(text)
	year, ok2 := two(text[2:])
	month, ok3 := two(text[5:])
	day, ok4 := two(text[8:])
	s.year, s.month, s.day = century*100+year, month, day
	return ok1 && ok2 && ok3 && ok4
}

// rest reads what follows the date. A clock that no day shows is -1.
func (s *stamp) rest(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	if len(text) < 9 || text[0] != 'T' && text[0] != ' ' || text[3] != ':' || text[6] != ':' {
		return false
	}
	hour, ok1 := two(text[1:])
	minute, ok2 := two(text[4:])
	second, ok3 := two(text[7:])
	if !ok1 || !ok2 || !ok3 {
		return false
	}
	ms, text, ok := fraction(text[9:])
	s.clock = int64(hour)*msHour + int64(minute)*msMinute + int64(second)*msSecond + ms
	if hour > 23 || minute > 59 || second > 59 {
		s.clock = -1
	}
	return ok && s.offset(text)
}

// fraction reads .digits as milliseconds and returns what follows.
func fraction(text []byte) (ms int64, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '.' {
		return 0, text, true
	}
	n := digits(text[1:])
	for i := range 3 {
		ms *= 10
		if i < n {
			ms += int64(text[1+i] - '0')
		}
	}
	return ms, text[1+n:], n > 0
}

// offset reads Z, ±HH, ±HHMM or ±HH:MM, perhaps behind a blank, or nothing.
func (s *stamp) offset(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	text = bytes.TrimPrefix(text, []byte{' '})
	s.zoned = true
	if len(text) == 1 && text[0] == 'Z' {
		return true
	}
	if len(text) < 3 || text[0] != '+' && text[0] != '-' {
		return false
	}
	hours, ok := two(text[1:])
	minutes := 0
	switch {
	case len(text) == 3:
	case len(text) == 5:
		minutes, ok = and(ok, text[3:])
	case len(text) == 6 && text[3] == ':':
		minutes, ok = and(ok, text[4:])
	default:
		return false
	}
	s.zone = int64(hours)*msHour + int64(minutes)*msMinute
	if text[0] == '-' {
		s.zone = -s.zone
	}
	return ok && hours < 24 && minutes < 60
}

func and(before bool, text []byte) (int, bool) {
	v, ok := two(text)
	return v, before && ok
}

// two reads two digits.
func two(text []byte) (int, bool) {
	a, b := text[0]-'0', text[1]-'0'
	return int(a)*10 + int(b), a < 10 && b < 10
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// AppendTime appends an instant, given in milliseconds since 1970 UTC, as
// 2021-11-10T14:05:12.000Z.
func AppendTime(dst []byte, ms int64) []byte {
	year, month, day := time.UnixMilli(ms).UTC().Date()
	clock := ms % msDay
	if clock < 0 {
		clock += msDay
	}
	dst = appendTwo(dst, year/100)
	dst = appendTwo(dst, year%100)
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, 'T'), int(clock/msHour))
	dst = appendTwo(append(dst, ':'), int(clock/msMinute%60))
	dst = appendTwo(append(dst, ':'), int(clock/msSecond%60))
	ms = clock % msSecond
	return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

func appendTwo(dst []byte, v int) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }
