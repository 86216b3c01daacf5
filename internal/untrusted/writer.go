package untrusted

import (
	"io"
	"slices"
	"unicode/utf8"
)

// Writer is the last guard before a terminal: it writes [Lines] of what it gets.
// A character may come in several pieces. It is not safe for concurrent use.
type Writer struct {
	to   io.Writer
	rest []byte // the beginning of a character
}

// NewWriter makes a writer before another.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Write writes all but the beginning of a character whose rest has not come yet.
func (w *Writer) Write(p []byte) (int, error) {
	text := slices.Concat(w.rest, p)
	end := len(text)
	for i := end - 1; i >= max(0, end-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				end = i
			}
			break
		}
	}
	w.rest = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(w.to, Lines(string(text[:end]))); err != nil {
		return 0, err
	}
	return len(p), nil
}
