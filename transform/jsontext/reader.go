package jsontext

import (
	"fmt"
	"math"
)

// MaxSize is the length of the longest text that a [Value] can point into, in bytes.
const MaxSize = math.MaxUint32

// Kind is what a value is, as far as its first byte tells.
type Kind uint8

// The kinds of values. Escaped is a string that holds at least one backslash.
const (
	Absent Kind = iota
	Null
	False
	True
	Number
	String
	Escaped
	Object
	Array
)

// Value is the place of a value in the text it was read from, quotes and
// brackets included. The zero Value is Absent.
type Value struct {
	Start, End uint32
	Kind       Kind
}

// Of returns the bytes of the value within its text.
func (v Value) Of(text []byte) []byte { return text[v.Start:v.End] }

// Inner returns the bytes between the quotes of a string, still escaped.
func (v Value) Inner(text []byte) []byte { return text[v.Start+1 : v.End-1] }

// Member is one member of an object.
type Member struct{ Key, Val Value }

// Group is a member whose value is an object of these members.
type Group struct {
	Key     Value
	Members []Member
}

// SyntaxError says at which byte, counted from 0, a text stops being JSON.
type SyntaxError struct {
	Offset int
	Want   string // what would have been right there
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Want)
}

// Reader reads one text. It is reused by Reset, and not safe for concurrent use.
type Reader struct {
	text    []byte
	pos     int
	level   int      // containers entered and not left
	deepest int      // greatest level since MarkDepth
	open    []uint64 // one bit a container that scan is in: 1 for an object
}

// Reset starts over with a text of at most MaxSize bytes, which the Reader borrows until the next Reset.
func (r *Reader) Reset(text []byte) {
	r.text, r.pos, r.level, r.deepest = text, 0, 0, 0
}

// ResetTo starts over in the middle of a text, at the value v of it, and ends behind v.
func (r *Reader) ResetTo(text []byte, v Value) {
	r.Reset(text[:v.End])
	r.pos = int(v.Start)
}

// Offset returns the position of the next byte to be read.
func (r *Reader) Offset() int { return r.pos }

// MarkDepth starts counting for Depth at the present level.
func (r *Reader) MarkDepth() { r.deepest = r.level }

// Depth returns the greatest number of containers, entered or passed over, that
// the Reader was in at once since MarkDepth.
func (r *Reader) Depth() int { return r.deepest }

// Enter steps into the object or array that begins with the given bracket. It
// returns false, and stays before the value, if something else stands there.
func (r *Reader) Enter(bracket byte) bool {
	r.space()
	if r.pos >= len(r.text) || r.text[r.pos] != bracket {
		return false
	}
	r.pos++
	r.level++
	r.deepest = max(r.deepest, r.level)
	return true
}

// Element goes to the next element of the array that was entered. It returns
// false behind the last one, having left the array.
func (r *Reader) Element(first bool) (bool, error) {
	return r.next(first, ']')
}

// Key reads the next key of the object that was entered and stops before its
// value. Behind the last member the key is Absent and the object left.
func (r *Reader) Key(first bool) (Value, error) {
	more, err := r.next(first, '}')
	if err != nil || !more {
		return Value{}, err
	}
	return r.key()
}

// Member reads the next member of the object that was entered. Behind the last
// one the key is Absent and the object left.
func (r *Reader) Member(first bool) (key, val Value, err error) {
	key, err = r.Key(first)
	if err != nil || key.Kind == Absent {
		return key, Value{}, err
	}
	val, err = r.Scan()
	return key, val, err
}

// End checks that nothing but blanks is left.
func (r *Reader) End() error {
	r.space()
	if r.pos < len(r.text) {
		return r.fail("end of text expected")
	}
	return nil
}

// Scan reads the next value as a whole.
func (r *Reader) Scan() (Value, error) {
	r.space()
	start := r.pos
	if start >= len(r.text) {
		return Value{}, r.fail("value expected")
	}
	var kind Kind
	var err error
	switch c := r.text[start]; c {
	case '"':
		kind, err = r.str()
	case '{':
		kind, err = Object, r.container()
	case '[':
		kind, err = Array, r.container()
	default:
		kind, err = r.plain(c)
	}
	return Value{Start: uint32(start), End: uint32(r.pos), Kind: kind}, err
}

// next passes the comma before an element or member, or the closing bracket.
func (r *Reader) next(first bool, closing byte) (bool, error) {
	r.space()
	if r.pos >= len(r.text) {
		return false, r.fail("unexpected end")
	}
	switch c := r.text[r.pos]; {
	case c == closing:
		r.pos++
		r.level--
		return false, nil
	case first:
		return true, nil
	case c == ',':
		r.pos++
		r.space()
		return true, nil
	}
	return false, r.fail("comma or closing bracket expected")
}

// key reads a key and its colon.
func (r *Reader) key() (Value, error) {
	start := r.pos
	if start >= len(r.text) || r.text[start] != '"' {
		return Value{}, r.fail("key expected")
	}
	kind, err := r.str()
	if err != nil {
		return Value{}, err
	}
	key := Value{Start: uint32(start), End: uint32(r.pos), Kind: kind}
	r.space()
	if r.pos >= len(r.text) || r.text[r.pos] != ':' {
		return Value{}, r.fail("colon expected")
	}
	r.pos++
	return key, nil
}

func (r *Reader) space() {
	for r.pos < len(r.text) && isSpace(r.text[r.pos]) {
		r.pos++
	}
}

func isSpace(c byte) bool { return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t') }

func (r *Reader) fail(want string) error { return &SyntaxError{Offset: r.pos, Want: want} }
