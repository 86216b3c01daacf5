package world

import (
	"sort"
	"unicode/utf16"
	"unicode/utf8"
)

// style says how JSON is written: as the API does, or canonically.
type style uint8

const (
	asIs      style = 0
	escaped   style = 1 // \u0441 and \/ as json_encode writes them by default
	canonical style = 2 // keys sorted by bytes
)

func (s style) item(dst []byte, it *Item) []byte {
	if it.Raw != "" {
		return append(dst, it.Raw...)
	}
	return s.object(dst, it.Fields)
}

// AppendFeed appends the whole answer of the feed method.
func AppendFeed(dst []byte, f *Feed) []byte {
	s := asIs
	if f.Escaped {
		s = escaped
	}
	dst = append(dst, `{"feed":[`...)
	for i := range f.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.item(dst, &f.Items[i])
	}
	return append(dst, `],"status":"success"}`...)
}

func (s style) object(dst []byte, fields []Field) []byte {
	if s == canonical {
		fields = append([]Field(nil), fields...)
		sort.SliceStable(fields, func(i, j int) bool { return fields[i].Key < fields[j].Key })
	}
	dst = append(dst, '{')
	for i := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(s.text(dst, fields[i].Key), ':')
		dst = s.cell(dst, &fields[i].Cell)
	}
	return append(dst, '}')
}

func (s style) list(dst []byte, cells []Field) []byte {
	dst = append(dst, '[')
	for i := range cells {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.cell(dst, &cells[i].Cell)
	}
	return append(dst, ']')
}

// cell spells one cell. An unusable one stands for its own JSON.
func (s style) cell(dst []byte, c *Cell) []byte {
	switch {
	case c.Reason != "":
		return append(dst, c.Text...)
	case c.Form == Null:
		return append(dst, "null"...)
	case c.Form == ZeroDate:
		return append(dst, `"0000-00-00"`...)
	case c.Form == Empty && (c.Kind == Object || c.Kind == List):
		return append(dst, "[]"...)
	case c.Form == Empty:
		return append(dst, `""`...)
	}
	return s.value(dst, c)
}

func (s style) value(dst []byte, c *Cell) []byte {
	switch c.Kind {
	case Money:
		return appendMoney(dst, c.Num, c.Form)
	case Int:
		return appendInt(dst, c.Num, c.Form)
	case Bool:
		return appendBool(dst, c.Num, c.Form)
	case Time:
		return append(appendTime(append(dst, '"'), c.Num, c.Form), '"')
	case Object:
		return s.object(dst, c.Sub)
	case List:
		return s.list(dst, c.Sub)
	case Literal:
		return append(dst, c.Text...)
	default:
		if c.Form == Bare {
			return append(dst, c.Text...)
		}
		return s.text(dst, c.Text)
	}
}

// text appends a JSON string.
func (s style) text(dst []byte, v string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(v); {
		size := s.special(v, i)
		if size == 0 {
			i++
			continue
		}
		dst = s.escape(append(dst, v[from:i]...), v[i:i+size])
		i += size
		from = i
	}
	return append(append(dst, v[from:]...), '"')
}

// special is the length of the character at i if it can't stand as it is.
func (s style) special(v string, i int) int {
	c := v[i]
	switch {
	case c < 0x20 || c == '"' || c == '\\' || (c == '/' && s == escaped):
		return 1
	case c >= utf8.RuneSelf && s == escaped:
		_, n := utf8.DecodeRuneInString(v[i:])
		return n
	}
	return 0
}

func (s style) escape(dst []byte, char string) []byte {
	switch c := char[0]; {
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c < 0x20:
		return appendHex(dst, rune(c))
	case c < utf8.RuneSelf:
		return append(dst, '\\', c)
	}
	r, _ := utf8.DecodeRuneInString(char)
	if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
		return appendHex(appendHex(dst, hi), lo)
	}
	return appendHex(dst, r)
}

func appendHex(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
