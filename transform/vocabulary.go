package transform

import (
	"roistat-etl/transform/jsontext"
)

// Number 0 of a vocabulary is no key.
const unknown = 0

// vocabulary numbers the keys that the decoders of one kind of object read, from
// 1, at most 63. The API writes the keys of a type in the same order each time,
// so a key is first guessed from what followed the one before.
type vocabulary struct {
	names   []string
	numbers map[string]uint8
	follows []uint8
}

func newVocabulary(keys ...string) *vocabulary {
	v := &vocabulary{names: []string{""}, numbers: map[string]uint8{}}
	for _, key := range keys {
		if _, ok := v.numbers[key]; !ok {
			v.numbers[key] = uint8(len(v.names))
			v.names = append(v.names, key)
		}
	}
	v.follows = make([]uint8, len(v.names))
	return v
}

// number returns the number of a key that came behind the key numbered before.
func (v *vocabulary) number(key []byte, before uint8) uint8 {
	if guess := v.follows[before]; guess != unknown && string(key) == v.names[guess] {
		return guess
	}
	n, ok := v.numbers[string(key)]
	if ok {
		v.follows[before] = n
	}
	return n
}

// object is a JSON object whose members have been sorted into known and other
// ones. Of equal keys it has the last; among the others the Canonicalizer sees to that.
type object struct {
	have   uint64 // one bit a known key that is there
	known  [64]jsontext.Member
	others []jsontext.Member
	key    []byte
}

// read reads the members of the object that r has entered.
func (o *object) read(r *jsontext.Reader, text []byte, v *vocabulary) error {
	o.have, o.others = 0, o.others[:0]
	before := uint8(unknown)
	for first := true; ; first = false {
		key, val, err := r.Member(first)
		if err != nil || key.Kind == jsontext.Absent {
			return err
		}
		name := key.Inner(text)
		if key.Kind == jsontext.Escaped {
			o.key, _ = jsontext.AppendText(o.key[:0], name)
			name = o.key
		}
		n := v.number(name, before)
		if n == unknown {
			o.others = append(o.others, jsontext.Member{Key: key, Val: val})
			continue
		}
		o.known[n] = jsontext.Member{Key: key, Val: val}
		o.have |= 1 << n
		before = n
	}
}

// get returns the member of a known key; the value is Absent if it is not there.
func (o *object) get(n uint8) jsontext.Member {
	if o.have>>n&1 == 0 {
		return jsontext.Member{}
	}
	return o.known[n]
}
