// Package jsontext reads JSON in place: it says where values stand in a text and
// leaves their meaning to the caller, who reads each value at most once.
//
// [Reader] checks the grammar of RFC 8259 while it goes, without recursion and
// without allocation, so that neither depth nor size of hostile input costs more
// than the input itself; how deep a value nests it counts, the limit is the
// caller's. It does not check UTF-8 inside strings: [unicode/utf8.Valid] over the
// whole text is faster, and the caller knows which part is to be blamed.
//
// [Canonicalizer] writes the one canonical form of a value: keys sorted by the
// bytes of their text, of equal keys the last, no spaces, letters unescaped,
// numbers as received, and control characters as Python's json.dumps writes
// them. An escape that is half of a surrogate pair has no letter; it stays as
// received. Two texts that differ only in spaces, escapes or order of keys have
// the same canonical form.
//
// Memory: a Reader keeps one bit a level of nesting; a Canonicalizer keeps about
// the size of the largest object that it had to reorder.
package jsontext
