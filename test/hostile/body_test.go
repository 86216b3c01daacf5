package hostile

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"strings"
)

// body writes an answer, as often as it is asked for.
type body func(io.Writer) error

// text is a body, or a part of one, that is short.
func text(s string) body {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// times repeats a text, with something between.
func times(n int, unit, between string) body {
	return func(w io.Writer) error {
		if n == 0 {
			return nil
		}
		const block = 64 << 10
		per := min(n-1, 1+block/(len(unit)+len(between)))
		for left := n - 1; left > 0; left -= per {
			per = min(per, left)
			if _, err := io.WriteString(w, strings.Repeat(unit+between, per)); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, unit)
		return err
	}
}

// numbered is n units, each made from its number, with commas between.
func numbered(n int, unit func(dst []byte, i int) []byte) body {
	return func(w io.Writer) error {
		var buf []byte
		for i := range n {
			if i > 0 {
				buf = append(buf, ',')
			}
			if buf = unit(buf, i); len(buf) < 64<<10 && i < n-1 {
				continue
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		return nil
	}
}

// noise is n letters that hardly compress, other ones for another seed.
func noise(n int, seed uint64) body {
	const letters = "!#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~ "
	return func(w io.Writer) error {
		r := rand.New(rand.NewPCG(1, seed))
		buf := make([]byte, 64<<10)
		for left := n; left > 0; {
			b := buf[:min(left, len(buf))]
			for i := 0; i < len(b); i += 8 {
				v := r.Uint64()
				for j := i; j < min(i+8, len(b)); j++ {
					b[j] = letters[(v&255)*uint64(len(letters))>>8]
					v >>= 8
				}
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
			left -= len(b)
		}
		return nil
	}
}

// join puts parts one after the other.
func join(parts ...body) body {
	return func(w io.Writer) error {
		for _, p := range parts {
			if err := p(w); err != nil {
				return err
			}
		}
		return nil
	}
}

// several repeats a body n times, with something between.
func several(n int, b body, between string) body {
	var parts []body
	for i := range n {
		if i > 0 {
			parts = append(parts, text(between))
		}
		parts = append(parts, b)
	}
	return join(parts...)
}

// feed is an answer whose feed has these items; list and contacts are pages.
func feed(items body) body {
	return join(text(`{"feed":[`), items, text(`],"status":"success"}`))
}

// packed is the body compressed.
func packed(b body) (body, error) {
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := b(z); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		_, err := w.Write(buf.Bytes())
		return err
	}, nil
}

// each puts n bodies one after the other, made from their number, with commas between.
func each(n int, unit func(i int) body) body {
	return func(w io.Writer) error {
		for i := range n {
			if i > 0 {
				if _, err := io.WriteString(w, ","); err != nil {
					return err
				}
			}
			if err := unit(i)(w); err != nil {
				return err
			}
		}
		return nil
	}
}
