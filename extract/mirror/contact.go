package mirror

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/go-faster/jx"

	"roistat-etl/internal/contact"
)

// keyContacts is meta's key of the secret under which contacts are digested.
const keyContacts = "contact_key"

// fewestLetters is below what a text is no contact but a placeholder.
const fewestLetters = 5

// contactMarks recognises the contacts of forgotten clients by what is kept of
// them: eight bytes of an HMAC-SHA256 under a key of the mirror's.
type contactMarks struct {
	key   []byte
	have  map[int64]bool
	texts [][]byte // of this erasure: what was marked, in small letters, as it was written
}

// forgottenContacts reads the marks.
func (r *Reader) forgottenContacts(ctx context.Context) (*contactMarks, error) {
	c := &contactMarks{have: map[int64]bool{}}
	text, err := r.Meta(ctx, keyContacts)
	if err != nil || text == "" {
		return c, err
	}
	if c.key, err = hex.DecodeString(text); err != nil {
		return nil, fmt.Errorf("read %s: %w", keyContacts, err)
	}
	rows, err := r.db.QueryContext(ctx, `SELECT digest FROM forgotten_contacts`)
	if err != nil {
		return nil, wrap(r.path, "read the forgotten contacts", err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var digest int64
		if err := rows.Scan(&digest); err != nil {
			return nil, wrap(r.path, "read the forgotten contacts", err)
		}
		c.have[digest] = true
	}
	return c, wrap(r.path, "read the forgotten contacts", rows.Err())
}

// mark is what is kept of a contact; false: the text is none.
func (c *contactMarks) mark(text string) (int64, bool) {
	text = contact.Any(text)
	if len(text) < fewestLetters {
		return 0, false
	}
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte(text))
	return int64(binary.BigEndian.Uint64(h.Sum(nil))), true
}

// marks are those of a row's contacts, in these of its fields.
func (c *contactMarks) marks(row []byte, fields ...string) (out []int64) {
	for _, text := range textsOf(row, fields) {
		if m, ok := c.mark(text); ok {
			out = append(out, m)
		}
	}
	return out
}

// knows tells whether one of a row's contacts is a forgotten client's.
func (c *contactMarks) knows(row []byte, fields ...string) bool {
	return len(c.have) > 0 && slices.ContainsFunc(c.marks(row, fields...), func(m int64) bool { return c.have[m] })
}

// take marks the contacts of a row, and returns the marks.
func (c *contactMarks) take(row []byte) []int64 {
	fields := []string{"phone", "email"}
	for _, text := range textsOf(row, fields) {
		if _, ok := c.mark(text); ok {
			c.texts = append(c.texts, bytes.ToLower(bytes.TrimSpace([]byte(text))))
		}
	}
	marks := c.marks(row, fields...)
	for _, m := range marks {
		c.have[m] = true
	}
	return marks
}

// within tells whether raw data of any form holds a marked contact: as a phone or
// email in any spelling, or anywhere as it was written in a row that was taken.
func (c *contactMarks) within(raw []byte) bool {
	if c.knows(raw, "phone", "email") {
		return true
	}
	small := bytes.ToLower(raw)
	return slices.ContainsFunc(c.texts, func(text []byte) bool { return bytes.Contains(small, text) })
}

// without returns the rows that hold no contact of a forgotten client's, and how many do.
func (c *contactMarks) without(rows [][]byte, fields ...string) (kept [][]byte, dropped int) {
	if len(c.have) == 0 {
		return rows, 0
	}
	kept = slices.DeleteFunc(slices.Clone(rows), func(row []byte) bool { return c.knows(row, fields...) })
	return kept, len(rows) - len(kept)
}

// textsOf returns the texts and numbers that an object has in these fields. What
// is no object has none.
func textsOf(row []byte, fields []string) (out []string) {
	d := jx.DecodeBytes(row)
	if d.Next() != jx.Object {
		return nil
	}
	err := d.ObjBytes(func(d *jx.Decoder, key []byte) (err error) {
		if !slices.Contains(fields, string(key)) {
			return d.Skip()
		}
		var text string
		switch d.Next() {
		case jx.String:
			text, err = d.Str()
		case jx.Number:
			var n jx.Num
			n, err = d.Num()
			text = string(n)
		default:
			return d.Skip()
		}
		out = append(out, text)
		return err
	})
	if err != nil {
		return nil
	}
	return out
}
