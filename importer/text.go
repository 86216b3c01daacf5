package importer

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// text reads a text file that must be UTF-8, without its byte order mark. It says
// where it isn't, and what it might be instead. Several returns before a line feed,
// as programs on Windows write that end their lines twice, are one.
type text struct {
	from    io.Reader
	buf     []byte
	have    []byte // of buf: not given yet
	sound   int    // bytes of have that are UTF-8
	err     error  // of from
	at      place  // of the next byte that is looked at
	given   int64  // bytes, the mark included
	limit   int64  // of given
	overrun error  // what reading beyond limit says
	started bool
}

const textBuffer = 64 << 10

func newText(from io.Reader) *text {
	return &text{from: from, buf: make([]byte, 0, textBuffer), at: place{1, 1}}
}

// Read gives the next bytes that are UTF-8.
func (t *text) Read(p []byte) (int, error) {
	for t.sound == 0 {
		if err := t.fill(); err != nil {
			return 0, err
		}
	}
	if t.limit > 0 && t.given > t.limit {
		return 0, t.overrun
	}
	n := copy(p, t.have[:t.sound])
	t.have, t.sound, t.given = t.have[n:], t.sound-n, t.given+int64(n)
	return n, nil
}

// fill reads on and looks at what came.
func (t *text) fill() error {
	if t.err != nil && len(t.have) == 0 {
		return t.err
	}
	t.buf = append(t.buf[:0], t.have...)
	for t.err == nil && len(t.buf) < textBuffer {
		var n int
		n, t.err = t.from.Read(t.buf[len(t.buf):textBuffer])
		t.buf = t.buf[:len(t.buf)+n]
	}
	t.have = t.buf
	if t.err != nil && !errors.Is(t.err, io.EOF) {
		return t.err
	}
	if !t.started {
		t.started = true
		if err := t.begin(); err != nil {
			return err
		}
	}
	return t.look()
}

// begin looks for the marks of encodings.
func (t *text) begin() error {
	b := t.have
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(b, []byte("\x00\x00\xfe\xff")):
		return badFile("the file is UTF-32: save it as UTF-8")
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")), zeros(b[:min(len(b), 1024)]):
		return badFile("the file is UTF-16: save it as UTF-8")
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		t.have, t.given = b[3:], 3
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		return badFile("the file is a workbook or an archive, not text: save it as CSV in UTF-8")
	case bytes.HasPrefix(b, []byte("\x1f\x8b")), bytes.HasPrefix(b, []byte("\x28\xb5\x2f\xfd")):
		return badFile("the file is compressed: unpack it first")
	}
	return nil
}

// zeros tells whether a quarter of the bytes are zero, as in UTF-16 without a mark.
func zeros(b []byte) bool { return len(b) > 3 && 4*bytes.Count(b, []byte{0}) >= len(b) }

// look counts lines and finds where UTF-8 ends. A letter that is cut stays for the
// next filling.
func (t *text) look() error {
	b := t.have
	ascii := 0
	for ascii < len(b) && b[ascii] < utf8.RuneSelf {
		ascii++
	}
	i := ascii
	for i < len(b) {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		if !utf8.FullRune(b[i:]) && t.err == nil {
			break
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			t.move(b[:i])
			return &BadFileError{Line: t.at.line, Column: t.at.column, Text: encoding(b)}
		}
		i += size
	}
	if ends := len(bytes.TrimRight(b[:i], "\r")); ends > 0 && t.err == nil {
		i = ends // a line feed may follow
	}
	t.move(b[:i])
	t.sound = len(joinReturns(b[:i]))
	t.have = b[:t.sound+copy(b[t.sound:], b[i:])]
	return nil
}

// joinReturns makes one of the returns before each line feed, within the same memory.
func joinReturns(b []byte) []byte {
	if !bytes.Contains(b, []byte("\r\r")) {
		return b
	}
	kept, returns := b[:0], 0
	for _, c := range b {
		if c == '\n' && returns > 1 {
			kept = kept[:len(kept)-returns+1]
		}
		if returns++; c != '\r' {
			returns = 0
		}
		kept = append(kept, c)
	}
	return kept
}

// move counts what was looked at.
func (t *text) move(b []byte) {
	if n := bytes.Count(b, []byte{'\n'}); n > 0 {
		t.at = place{t.at.line + int64(n), 1}
		b = b[bytes.LastIndexByte(b, '\n')+1:]
	}
	t.at.column += int64(len(b))
}

// encoding says what a text that isn't UTF-8 might be: in Windows-1251 Cyrillic
// letters are the bytes from 0xC0.
func encoding(b []byte) string {
	high, letters := 0, 0
	for _, c := range b {
		if c >= utf8.RuneSelf {
			high++
		}
		if c >= 0xc0 || c == 0xa8 || c == 0xb8 { // Ё and ё stand apart
			letters++
		}
	}
	if 5*letters >= 4*high {
		return "the file is not UTF-8; it looks like Windows-1251: save it as UTF-8"
	}
	return "the file is not UTF-8: save it as UTF-8"
}
