package jsontext

import (
	"bytes"
	"slices"
)

// Canonicalizer writes canonical JSON. It reuses its buffers, and is not safe for
// concurrent use. What it is given must have been read by a [Reader] before, and
// be no deeper than the stack allows: it recurses. Of what is not JSON it makes
// something unspecified, without a panic.
type Canonicalizer struct {
	reader   Reader
	segments []segment
	keys     []byte
	old      []byte
}

// segment is a rendered member of an object that is not yet finished.
type segment struct {
	key, keyEnd int // its text in keys
	at, end     int // "key":value in the output
}

// frame is an object that is being written.
type frame struct{ segments, keys, out int }

// Forget lets go of the text that was read last, and of what took much memory.
func (c *Canonicalizer) Forget() {
	c.reader.Reset(nil)
	if len(c.segments) == 0 && cap(c.segments)+cap(c.keys)+cap(c.old) > maxKept {
		*c = Canonicalizer{}
	}
}

// maxKept is the most elements of its buffers that a Canonicalizer keeps.
const maxKept = 1 << 20

// Append appends the canonical form of a value.
func (c *Canonicalizer) Append(dst, value []byte) []byte {
	c.reader.Reset(value)
	return c.value(dst)
}

// AppendObject appends the canonical form of an object of these members and
// groups, whose places are in text.
func (c *Canonicalizer) AppendObject(dst, text []byte, members []Member, groups ...Group) []byte {
	f, dst := c.begin(dst)
	for _, m := range members {
		dst = c.key(f, dst, m.Key.Of(text))
		dst = c.Append(dst, m.Val.Of(text))
		c.done(dst)
	}
	for _, g := range groups {
		dst = c.key(f, dst, g.Key.Of(text))
		dst = c.AppendObject(dst, text, g.Members)
		c.done(dst)
	}
	return c.end(f, dst)
}

// AppendCompact appends a value without spaces, its letters unescaped, and all
// else as received, the order of keys too.
func AppendCompact(dst, value []byte) []byte {
	r := Reader{text: value}
	for r.space(); r.pos < len(value); r.space() {
		start := r.pos
		if value[start] != '"' {
			dst = append(dst, value[start])
			r.pos++
			continue
		}
		if _, err := r.str(); err != nil {
			return append(dst, value[start:]...)
		}
		dst = AppendString(dst, value[start:r.pos])
	}
	return dst
}

// value writes the value at the reader's position.
func (c *Canonicalizer) value(dst []byte) []byte {
	r := &c.reader
	switch {
	case r.Enter('{'):
		return c.object(dst)
	case r.Enter('['):
		return c.array(dst)
	}
	v, err := r.Scan()
	if err != nil {
		r.pos = len(r.text)
		return dst
	}
	if v.Kind == Escaped {
		return AppendString(dst, v.Of(r.text))
	}
	return append(dst, v.Of(r.text)...)
}

func (c *Canonicalizer) object(dst []byte) []byte {
	f, dst := c.begin(dst)
	for first := true; ; first = false {
		key, err := c.reader.Key(first)
		if err != nil || key.Kind == Absent {
			return c.end(f, dst)
		}
		dst = c.key(f, dst, key.Of(c.reader.text))
		dst = c.value(dst)
		c.done(dst)
	}
}

func (c *Canonicalizer) array(dst []byte) []byte {
	dst = append(dst, '[')
	for first := true; ; first = false {
		more, err := c.reader.Element(first)
		if err != nil || !more {
			return append(dst, ']')
		}
		if !first {
			dst = append(dst, ',')
		}
		dst = c.value(dst)
	}
}

// begin opens an object at the end of dst.
func (c *Canonicalizer) begin(dst []byte) (frame, []byte) {
	return frame{len(c.segments), len(c.keys), len(dst)}, append(dst, '{')
}

// key writes a key and remembers its text for the sort.
func (c *Canonicalizer) key(f frame, dst, quoted []byte) []byte {
	if len(c.segments) > f.segments {
		dst = append(dst, ',')
	}
	s := segment{key: len(c.keys), at: len(dst)}
	c.keys, _ = AppendText(c.keys, quoted[1:len(quoted)-1])
	s.keyEnd = len(c.keys)
	c.segments = append(c.segments, s)
	return append(AppendString(dst, quoted), ':')
}

// done ends the member that key began; members inside it have been taken off again.
func (c *Canonicalizer) done(dst []byte) { c.segments[len(c.segments)-1].end = len(dst) }

// end closes the object. Its members stand in dst as they came; only if that is
// not their order are they put anew.
func (c *Canonicalizer) end(f frame, dst []byte) []byte {
	list := c.segments[f.segments:]
	for i := 1; i < len(list); i++ {
		if c.compare(list[i-1], list[i]) >= 0 {
			dst = c.reorder(f, dst, list)
			break
		}
	}
	c.segments, c.keys = c.segments[:f.segments], c.keys[:f.keys]
	return append(dst, '}')
}

func (c *Canonicalizer) compare(a, b segment) int {
	return bytes.Compare(c.keys[a.key:a.keyEnd], c.keys[b.key:b.keyEnd])
}

func (c *Canonicalizer) reorder(f frame, dst []byte, list []segment) []byte {
	slices.SortStableFunc(list, c.compare)
	c.old = append(c.old[:0], dst[f.out:]...)
	dst = dst[:f.out+1]
	for i, s := range list {
		if i+1 < len(list) && c.compare(s, list[i+1]) == 0 {
			continue // the last of equal keys stays
		}
		if len(dst) > f.out+1 {
			dst = append(dst, ',')
		}
		dst = append(dst, c.old[s.at-f.out:s.end-f.out]...)
	}
	return dst
}
