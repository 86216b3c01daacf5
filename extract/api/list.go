package api

import (
	"bytes"

	"github.com/go-faster/jx"
)

const (
	maxElement  = 4 << 20 // bytes of an item or a row
	maxElements = 250_000 // items of a feed, rows of a page
)

// list is a field that should be a JSON array. It is checked, counted and cut
// into its elements in the one scan that reads the answer.
type list struct {
	counts bool     // elements are counted only
	raw    []byte   // the value as received; nil: there is none
	array  bool     // it is an array
	n      int64    // of elements
	items  [][]byte // the elements
	large  int64    // the first element, from 1, beyond what is taken; 0: none is
}

// read reads the value that the decoder has come to. It must be decoding body.
func (l *list) read(d *jx.Decoder, body []byte) (err error) {
	*l = list{counts: l.counts}
	if d.Next() != jx.Array {
		l.raw, err = d.Raw()
		return err
	}
	l.array = true
	var first, last []byte
	err = d.Arr(func(d *jx.Decoder) error {
		v, err := d.Raw()
		if err != nil {
			return err
		}
		if l.n++; l.n == 1 {
			first = v
		}
		last = v
		l.add(v)
		return nil
	})
	l.raw = []byte("[]")
	if l.n > 0 && err == nil {
		begin, end := offset(body, first), offset(body, last)+len(last)
		begin = bytes.LastIndexByte(body[:begin], '[')
		end += bytes.IndexByte(body[end:], ']') + 1
		l.raw = body[begin:end]
	}
	return err
}

// offset tells where a part of a body, cut out of it by jx, begins.
func offset(body, part []byte) int { return cap(body) - cap(part) }

// add takes an element, up to what the program can hold in memory many times
// over: a table's column, its encoding and its check.
func (l *list) add(v []byte) {
	switch {
	case l.large > 0:
	case l.n > maxElements || len(v) > maxElement:
		l.large, l.items = l.n, nil
	case !l.counts:
		l.items = append(l.items, v)
	}
}

// check tells whether the value is a list that is taken. PHP writes an empty
// object where a list is empty.
func (l *list) check(f *fields, name string) *Error {
	switch {
	case l.raw == nil:
		return f.client.bad(f.http, "bad_answer", "the answer has no %s", name)
	case !l.array && emptyObject(l.raw):
		l.raw = []byte("[]")
	case !l.array:
		return f.client.bad(f.http, "bad_answer", "the answer's %s is no list", name)
	case l.large > maxElements:
		return f.client.bad(f.http, "too_large", "the answer's %s has more than %d elements", name, maxElements)
	case l.large > 0:
		return f.client.bad(f.http, "too_large", "element %d of the answer's %s has more than %d bytes", l.large, name, maxElement)
	}
	return nil
}

func emptyObject(raw []byte) bool {
	inside, ok := bytes.CutPrefix(raw, []byte("{"))
	return ok && bytes.Equal(bytes.TrimSpace(inside), []byte("}"))
}
