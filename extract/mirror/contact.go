package mirror

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/go-faster/jx"

	"roistat-etl/internal/contact"
	"roistat-etl/internal/untrusted"
)

// keyContacts is meta's key of the secret under which contacts are digested.
const keyContacts = "contact_key"

// fewestLetters is below what a text is no contact but a placeholder.
const fewestLetters = 5

// contactMarks recognises the phones, emails and full names of forgotten clients
// by what is kept of them: eight bytes of an HMAC-SHA256 under a key of the
// mirror's. It is not safe for concurrent use.
type contactMarks struct {
	key  []byte
	have map[int64]bool
	hash hash.Hash // under the key; nil: not made yet
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

// mark is what is kept of a contact or name, which is spelled as package contact
// has it; false: the text is too short to be one.
func (c *contactMarks) mark(text string) (int64, bool) {
	if len(text) < fewestLetters {
		return 0, false
	}
	if c.hash == nil {
		c.hash = hmac.New(sha256.New, c.key)
	}
	c.hash.Reset()
	c.hash.Write([]byte(text))
	var sum [sha256.Size]byte
	return int64(binary.BigEndian.Uint64(c.hash.Sum(sum[:0]))), true
}

// take marks the contacts and the name of a client's row, and returns the marks.
func (c *contactMarks) take(row []byte) (marks []int64) {
	add := func(text string) {
		if m, ok := c.mark(text); ok {
			marks = append(marks, m)
			c.have[m] = true
		}
	}
	for field, raw := range fieldsOf(row) {
		switch field {
		case "phone", "email", "phones", "emails":
			eachText(raw, func(text string) bool {
				for _, one := range contact.MaybeAll(text) {
					add(one)
				}
				return true
			})
		case "name":
			eachText(raw, func(text string) bool { add(contact.Name(text)); return true })
		}
	}
	return marks
}

// names reports whether one of several texts, JSON or not, names a forgotten
// client: by a phone, an email or a full name in any spelling, anywhere in it.
// This is the one search for what is to go, in all that is kept.
func (c *contactMarks) names(texts ...[]byte) bool {
	if len(c.have) == 0 {
		return false
	}
	for _, raw := range texts {
		if !eachText(raw, func(text string) bool { return !c.namedIn(text) }) {
			return true
		}
	}
	return false
}

// namedIn searches one text, as it is and with its escapes resolved.
func (c *contactMarks) namedIn(text string) bool {
	unknown := func(found string) bool {
		m, ok := c.mark(found)
		return !ok || !c.have[m]
	}
	if !contact.Find(text, unknown) {
		return true
	}
	plain := untrusted.Decode(text)
	return plain != text && !contact.Find(plain, unknown)
}

// without returns the rows that name no forgotten client, and how many do.
func (c *contactMarks) without(rows [][]byte) (kept [][]byte, dropped int) {
	if len(c.have) == 0 {
		return rows, 0
	}
	kept = slices.DeleteFunc(slices.Clone(rows), func(row []byte) bool { return c.names(row) })
	return kept, len(rows) - len(kept)
}

// fieldsOf gives the fields of an object; what is no object has none.
func fieldsOf(row []byte) map[string][]byte {
	fields := map[string][]byte{}
	d := jx.DecodeBytes(row)
	if d.Next() != jx.Object {
		return nil
	}
	err := d.Obj(func(d *jx.Decoder, key string) error {
		raw, err := d.Raw()
		fields[strings.ToLower(key)] = raw
		return err
	})
	if err != nil {
		return nil
	}
	return fields
}

// eachText visits the texts, numbers and keys of JSON; what is no JSON is one
// text. It reports whether visit always returned true.
func eachText(raw []byte, visit func(string) bool) bool {
	if !jx.Valid(raw) {
		return visit(string(raw))
	}
	err := visitTexts(jx.DecodeBytes(raw), visit)
	return err == nil
}

// errFound ends a visit.
var errFound = errors.New("found")

func visitTexts(d *jx.Decoder, visit func(string) bool) error {
	seen := func(text string, err error) error {
		if err == nil && !visit(text) {
			err = errFound
		}
		return err
	}
	switch d.Next() {
	case jx.String:
		return seen(d.Str())
	case jx.Number:
		n, err := d.Num()
		return seen(string(n), err)
	case jx.Array:
		return d.Arr(func(d *jx.Decoder) error { return visitTexts(d, visit) })
	case jx.Object:
		return d.Obj(func(d *jx.Decoder, key string) error {
			if err := seen(key, nil); err != nil {
				return err
			}
			return visitTexts(d, visit)
		})
	case jx.Null, jx.Bool, jx.Invalid:
	}
	return d.Skip()
}
