package api

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mask stands where the key was.
const mask = "***"

// secret finds the key in texts, in any mix of its spellings: as it is, with
// URL escapes, with JSON escapes.
type secret struct {
	text    []byte
	pattern *regexp.Regexp // nil: no key
}

// minSecret is the length from which the key is looked for in answers that are
// handed on: a shorter one may well be an ordinary word there.
const minSecret = 7

func newSecret(key string) secret {
	if key == "" {
		return secret{}
	}
	var p strings.Builder
	for _, r := range key {
		p.WriteString(`(?:\\|%5[cC])*(?:` + regexp.QuoteMeta(string(r)))
		var url strings.Builder
		for _, b := range []byte(string(r)) {
			fmt.Fprintf(&url, "%%%02x", b)
		}
		p.WriteString(`|(?i:` + url.String() + `)`)
		if r < 0x10000 {
			fmt.Fprintf(&p, `|u(?i:%04x)`, r) // its backslash is among those before
		}
		if r == ' ' {
			p.WriteString(`|\+`)
		}
		p.WriteString(`)`)
	}
	return secret{text: []byte(key), pattern: regexp.MustCompile(p.String())}
}

// hide replaces the key in a text.
func (s secret) hide(text string) string {
	if s.pattern == nil {
		return text
	}
	return s.pattern.ReplaceAllLiteralString(text, mask)
}

// strip replaces the key in an answer. A digit is what a number may be made of,
// so a key of digits alone is left.
func (s secret) strip(body []byte) []byte {
	if len(s.text) < minSecret || len(bytes.Trim(s.text, "0123456789")) == 0 {
		return body
	}
	if !bytes.Contains(body, s.text) && !s.escaped(body) {
		return body
	}
	return s.pattern.ReplaceAllLiteral(body, []byte(mask))
}

// escaped tells whether the key's signs that URLs or JSON escape hide it in a
// body. Letters and digits aren't escaped by anybody.
func (s secret) escaped(body []byte) bool {
	plain := func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.~", r))
	}
	special := strings.IndexFunc(string(s.text), func(r rune) bool { return !plain(r) }) >= 0
	return special && bytes.ContainsAny(body, `\%+`) && s.pattern.Match(body)
}

// maxText is the most characters of a description.
const maxText = 200

// clean makes a text fit to be shown: without the key, on one line, of bounded length.
func (c *Client) clean(text string) string {
	if len(text) > 1<<16 {
		text = text[:1<<16]
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(c.secret.hide(text), "\uFFFD")), " ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) > maxText {
		text = string([]rune(text)[:maxText-1]) + "…"
	}
	return text
}
