package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/go-faster/jx"

	"roistat-etl/schemas"
)

// ndjsonRows reads a JSON object a line.
type ndjsonRows struct {
	in   *bufio.Reader
	line []byte
	at   int64 // line, from 1
	next int64 // row
}

func openNDJSON(f *File) *ndjsonRows {
	return &ndjsonRows{in: bufio.NewReaderSize(newText(io.NewSectionReader(f, 0, f.Size())), textBuffer)}
}

// Next implements rows.
func (n *ndjsonRows) Next(r *row) error {
	for {
		long, err := n.read()
		if err != nil {
			return err
		}
		if !long && len(bytes.TrimSpace(n.line)) == 0 {
			continue
		}
		r.reset(n.next, place{n.at, 1})
		n.next++
		if long {
			r.raw = n.line[:schemas.MaxRaw]
			r.fault(r.at, "", schemas.TooLarge, "the line has more than %d MiB", maxRecord>>20)
			return nil
		}
		n.parse(r)
		return nil
	}
}

// Close implements rows.
func (n *ndjsonRows) Close() error { return nil }

// read reads a line, of which no more than maxRecord is held; long says that it has more.
func (n *ndjsonRows) read() (long bool, err error) {
	n.at++
	for n.line = n.line[:0]; ; {
		piece, err := n.in.ReadSlice('\n')
		if long = long || len(n.line)+len(piece) > maxRecord; !long {
			n.line = append(n.line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(n.line) > 0 || long):
			return long, nil
		default:
			return long, err
		}
	}
}

// parse reads the object of a line.
func (n *ndjsonRows) parse(r *row) {
	d := jx.DecodeBytes(n.line)
	if d.Next() != jx.Object {
		reason, text := schemas.NotObject, "the line is no JSON object"
		if !json.Valid(n.line) {
			reason, text = schemas.BadJSON, "the line is no JSON"
		}
		n.useless(r, reason, text)
		return
	}
	err := d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		raw, err := d.Raw()
		if err != nil {
			return err
		}
		return n.member(r, string(key), raw)
	})
	if err != nil || d.Skip() != io.EOF { //nolint:errorlint // jx returns it bare
		n.useless(r, schemas.BadJSON, "the line is no JSON object, or something follows it")
		return
	}
	if half := halfOfPair(n.line); half != "" && len(r.faults) == 0 {
		r.fault(r.at, "", schemas.BadValue, "the name of a field: %s", half)
	}
}

// useless makes the whole line the fault.
func (n *ndjsonRows) useless(r *row, reason schemas.Reason, text string) {
	r.faults = r.faults[:0]
	r.raw = bytes.TrimSpace(n.line)
	r.fault(r.at, "", reason, "%s", text)
}

// place is where a value stands, which lies in the line's memory.
func (n *ndjsonRows) place(raw jx.Raw) place {
	return place{n.at, int64(cap(n.line)-cap(raw)) + 1}
}

// member sets the value of a key.
func (n *ndjsonRows) member(r *row, key string, raw jx.Raw) error {
	if key == fieldsKey {
		return n.fields(r, raw)
	}
	v, err := jsonValue(raw)
	if err == nil {
		r.set(key, v, n.place(raw))
	}
	return err
}

// fields sets the members of an object called fields; PHP writes an empty one as [].
func (n *ndjsonRows) fields(r *row, raw jx.Raw) error {
	d := jx.DecodeBytes(raw)
	if d.Next() == jx.Object {
		return d.ObjBytes(func(d *jx.Decoder, key []byte) error {
			raw, err := d.Raw()
			if err != nil {
				return err
			}
			v, err := jsonValue(raw)
			if err == nil {
				r.setField(string(key), v, n.place(raw))
			}
			return err
		})
	}
	v, err := jsonValue(raw)
	if err == nil && !v.null && v.text != "[]" {
		r.fault(n.place(raw), fieldsKey, schemas.BadValue, "it must be an object")
	}
	return err
}
