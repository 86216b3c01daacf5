package jsontext

import (
	"encoding/binary"
	"math/bits"
)

// container passes over the object or array at the position, checking its grammar.
func (r *Reader) container() error {
	for depth := 0; ; {
		opened, err := r.push(depth)
		if err != nil {
			return err
		}
		if opened {
			depth++
			continue
		}
		if depth, err = r.after(depth); err != nil || depth == 0 {
			return err
		}
	}
}

// push reads one value. A container that is not empty is only opened, and the
// position is then before its first value.
func (r *Reader) push(depth int) (opened bool, err error) {
	r.space()
	if r.pos >= len(r.text) {
		return false, r.fail("value expected")
	}
	c := r.text[r.pos]
	switch c {
	case '"':
		_, err = r.str()
		return false, err
	case '{', '[':
		return r.enter(c, depth)
	}
	_, err = r.plain(c)
	return false, err
}

// enter opens a container on the stack of bits; an empty one is passed at once.
func (r *Reader) enter(bracket byte, depth int) (opened bool, err error) {
	r.pos++
	r.deepest = max(r.deepest, r.level+depth+1)
	r.space()
	if r.pos < len(r.text) && r.text[r.pos] == bracket+2 { // in ASCII ] and } stand two behind [ and {
		r.pos++
		return false, nil
	}
	if depth/64 == len(r.open) {
		r.open = append(r.open, 0)
	}
	bit := uint64(1) << (depth % 64)
	if bracket == '[' {
		r.open[depth/64] &^= bit
		return true, nil
	}
	r.open[depth/64] |= bit
	_, err = r.key()
	return true, err
}

// after passes what follows a value: closing brackets, then a comma and the next
// key, unless all containers are closed. It returns how many are still open.
func (r *Reader) after(depth int) (int, error) {
	for depth > 0 {
		r.space()
		if r.pos >= len(r.text) {
			return depth, r.fail("unexpected end")
		}
		object := r.open[(depth-1)/64]>>((depth-1)%64)&1 == 1
		switch c := r.text[r.pos]; {
		case c == ',':
			r.pos++
			if !object {
				return depth, nil
			}
			r.space()
			_, err := r.key()
			return depth, err
		case object && c == '}', !object && c == ']':
			r.pos++
			depth--
		default:
			return depth, r.fail("comma or closing bracket expected")
		}
	}
	return 0, nil
}

// plain reads a number or one of the three words.
func (r *Reader) plain(c byte) (Kind, error) {
	switch c {
	case 't':
		return True, r.word("true")
	case 'f':
		return False, r.word("false")
	case 'n':
		return Null, r.word("null")
	}
	n := NumberLen(r.text[r.pos:])
	if n == 0 {
		return Absent, r.fail("value expected")
	}
	r.pos += n
	return Number, nil
}

func (r *Reader) word(word string) error {
	if len(r.text)-r.pos < len(word) || string(r.text[r.pos:r.pos+len(word)]) != word {
		return r.fail("value expected")
	}
	r.pos += len(word)
	return nil
}

// NumberLen returns the length of the JSON number at the start of text, 0 if there is none.
func NumberLen(text []byte) int {
	i := 0
	if i < len(text) && text[i] == '-' {
		i++
	}
	n := digits(text, i)
	if n == 0 {
		return 0
	}
	if text[i] == '0' {
		n = 1 // what follows a leading zero is not part of the number
	}
	i += n
	if i < len(text) && text[i] == '.' {
		n := digits(text, i+1)
		if n == 0 {
			return 0
		}
		i += 1 + n
	}
	return exponent(text, i)
}

// exponent passes an exponent, if there is one at i, and returns the end of the number, 0 if it is broken.
func exponent(text []byte, i int) int {
	if i >= len(text) || text[i]|0x20 != 'e' {
		return i
	}
	i++
	if i < len(text) && (text[i] == '+' || text[i] == '-') {
		i++
	}
	n := digits(text, i)
	if n == 0 {
		return 0
	}
	return i + n
}

// digits counts the decimal digits at i.
func digits(text []byte, i int) int {
	start := i
	for i < len(text) && text[i]-'0' < 10 {
		i++
	}
	return i - start
}

// str passes over the string at the position.
func (r *Reader) str() (Kind, error) {
	kind := String
	for i := r.pos + 1; ; {
		i = special(r.text, i)
		if i >= len(r.text) {
			r.pos = len(r.text)
			return kind, r.fail("closing quote expected")
		}
		switch r.text[i] {
		case '"':
			r.pos = i + 1
			return kind, nil
		case '\\':
			n := escapeLen(r.text[i:])
			if n == 0 {
				r.pos = i
				return kind, r.fail("unknown escape")
			}
			kind = Escaped
			i += n
		default:
			r.pos = i
			return kind, r.fail("control character in a string")
		}
	}
}

// special returns the place of the first quote, backslash or control character
// at or behind i, or the length of text. It looks at eight bytes at once: a byte
// below n borrows in x - n·ones, which shows in its highest bit.
func special(text []byte, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		quote, slash := x^ones*'"', x^ones*'\\'
		found := ((x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & high
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c == '"' || c == '\\' || c < 0x20 {
			return i
		}
	}
	return i
}

// escapeLen returns the length of the escape at the start of text, 0 if it is none.
func escapeLen(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(text); ok {
			return 6
		}
	}
	return 0
}
