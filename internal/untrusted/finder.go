package untrusted

import (
	"bytes"
	"slices"
	"sync"
	"unicode/utf8"
)

// finder finds any of several folded words in a text. It looks at the last two
// bytes of a window as long as the shortest word, and moves on by as much as no
// word can begin before (Wu and Manber), so that most bytes are never looked at.
type finder struct {
	words   [][]byte
	window  int
	shift   [pairs]uint8 // by hashes of pairs
	folds   [256]byte
	letters [256]bool // what words and escapes are made of, after folding
	buffers sync.Pool // of *[2][]byte, for decoding
}

const pairs = 1 << 14

// newFinder makes a finder; nil if there is no word.
func newFinder(words [][]byte) *finder {
	if len(words) == 0 {
		return nil
	}
	slices.SortFunc(words, bytes.Compare)
	words = slices.CompactFunc(words, bytes.Equal)
	f := &finder{words: words, window: len(words[0])}
	for _, w := range words {
		f.window = min(f.window, len(w), 255)
		for _, b := range w {
			f.letters[b] = true
		}
	}
	for b := range f.folds {
		f.folds[b] = fold(byte(b))
		if c := byte(b); isAlphanumeric(c) || beginsEscape(c) || c == '#' || c == ';' {
			f.letters[fold(c)] = true
		}
	}
	for i := range f.shift {
		f.shift[i] = uint8(max(1, f.window-1))
	}
	for _, w := range words {
		for i := 1; i < f.window; i++ {
			at := pair(w[i-1], w[i])
			f.shift[at] = min(f.shift[at], uint8(f.window-1-i))
		}
	}
	return f
}

func pair(a, b byte) uint { return (uint(a)<<7 ^ uint(b)) & (pairs - 1) }

// find gives the place of the first word at or behind from; -1: there is none.
func (f *finder) find(text []byte, from int) (begin, end int) {
	if f.window == 1 {
		return f.findShort(text, from)
	}
	for i := from + f.window - 1; i < len(text); {
		if n := f.shift[pair(f.folds[text[i-1]], f.folds[text[i]])]; n > 0 {
			i += int(n)
			continue
		}
		if end := f.match(text, i-f.window+1); end >= 0 {
			return i - f.window + 1, end
		}
		i++
	}
	return -1, -1
}

func (f *finder) findShort(text []byte, from int) (begin, end int) {
	for i := from; i < len(text); i++ {
		if end := f.match(text, i); end >= 0 {
			return i, end
		}
	}
	return -1, -1
}

// match gives the end of the longest word that stands at a place; -1: none does.
func (f *finder) match(text []byte, at int) int {
	end := -1
	for _, w := range f.words {
		if len(w) <= len(text)-at && len(w) > end-at && f.equal(text[at:at+len(w)], w) {
			end = at + len(w)
		}
	}
	return end
}

func (f *finder) equal(text, word []byte) bool {
	for i, b := range word {
		if f.folds[text[i]] != b {
			return false
		}
	}
	return true
}

const (
	// maxSteps bounds how often a text is decoded, and with it the work that a
	// text of nothing but nested escapes can make.
	maxSteps = 8
	// pieceSize is how much of a text is decoded at a time, and with it the memory.
	pieceSize = 64 << 10
)

// margin is how much around a piece is decoded with it: more than the longest
// word takes in its longest spelling.
func (f *finder) margin() int {
	longest := 0
	for _, w := range f.words {
		longest = max(longest, len(w))
	}
	return max(4<<10, 32*longest)
}

// replace gives a text with the mask where words stand in it, in any spelling.
func (f *finder) replace(text []byte) []byte {
	if begin, _ := f.find(text, 0); begin < 0 && !f.hasEscapedLetter(text) {
		return text
	}
	var found []span
	margin := f.margin()
	for begin := 0; begin < len(text); begin += pieceSize {
		from, to := max(0, begin-margin), min(len(text), begin+pieceSize+margin)
		if piece := text[from:to]; f.holds(piece) {
			for _, p := range f.places(piece) {
				found = append(found, span{from + p.begin, from + p.end})
			}
		}
	}
	if len(found) == 0 {
		return text
	}
	return writeMasks(text, found)
}

// hasEscapedLetter reports whether a text has an escape of a letter that words or
// other escapes are made of. Without one nothing is gained by decoding.
func (f *finder) hasEscapedLetter(text []byte) bool {
	var memory [2 * utf8.UTFMax]byte
	for _, sign := range []byte(`\%&`) {
		for at := 0; at < len(text); {
			next := bytes.IndexByte(text[at:], sign)
			if next < 0 {
				break
			}
			at += next
			value, size := appendEscaped(memory[:0], text[at:])
			for _, b := range value {
				if f.letters[f.folds[b]] {
					return true
				}
			}
			if size > 1 && text[at+1] == '\\' || size > 0 && len(value) == 0 { // an escape of an escape
				return true
			}
			at += max(1, size)
		}
	}
	return false
}

// stepOf gives what a step of decoding resolves.
func stepOf(i int) resolver {
	if i == 0 {
		return appendJSON
	}
	return appendEscaped
}

// holds reports whether a word stands in a piece of a text.
func (f *finder) holds(text []byte) bool {
	if begin, _ := f.find(text, 0); begin >= 0 {
		return true
	}
	memory, _ := f.buffers.Get().(*[2][]byte)
	if memory == nil {
		memory = new([2][]byte)
	}
	defer f.buffers.Put(memory)
	for i := range maxSteps {
		next, changed := decode(memory[i%2][:0], text, stepOf(i), nil)
		memory[i%2], text = next, next
		if begin, _ := f.find(next, 0); changed && begin >= 0 {
			return true
		}
		if !changed && i > 0 {
			break
		}
	}
	return false
}

// places gives where words stand in a piece of a text.
func (f *finder) places(text []byte) (found []span) {
	spans := make([]span, len(text))
	for i := range text {
		spans[i] = span{i, i + 1}
	}
	for i := range maxSteps {
		for begin, end := f.find(text, 0); begin >= 0; begin, end = f.find(text, end) {
			found = append(found, span{spans[begin].begin, spans[end-1].end})
		}
		var inner []span
		next, changed := decode(nil, text, stepOf(i), &inner)
		if !changed && i > 0 {
			break
		}
		for i, p := range inner {
			inner[i] = span{spans[p.begin].begin, spans[p.end-1].end}
		}
		text, spans = next, inner
	}
	return found
}

// writeMasks writes a text with the mask over what was found.
func writeMasks(text []byte, found []span) []byte {
	slices.SortFunc(found, func(a, b span) int { return a.begin - b.begin })
	var out []byte
	at := 0
	for _, p := range found {
		if p.begin >= at {
			out = append(append(out, text[at:p.begin]...), Mask...)
		}
		at = max(at, p.end)
	}
	return append(out, text[at:]...)
}
