package untrusted

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// Mask stands where a secret was.
const Mask = "***"

// minSecret is the length from which a secret is looked for in documents that are
// handed on, and in base64 and hex: a shorter one may well be an ordinary word.
const minSecret = 7

// Secrets finds secrets in texts, whatever their spelling: in upper or lower
// case, with the escapes of JSON, URLs and HTML, once or several times over, in
// base64 (either alphabet, at any offset) and in hex. A nil Secrets has none. It
// is safe for concurrent use.
//
// A text is searched as it is, with the escapes of JSON resolved, then after each
// step of resolving all escapes until nothing changes; always in one folded
// spelling, see [fold].
type Secrets struct {
	shown *finder // for error texts: whatever the length
	kept  *finder // for documents
}

// NewSecrets makes a finder of words; empty ones are none.
func NewSecrets(words ...string) *Secrets {
	var shown, kept [][]byte
	for _, w := range words {
		for _, v := range variants(w) {
			plain, encoded := spell(v)
			shown = append(append(shown, plain...), encoded...)
			kept = append(kept, encoded...)
			for _, s := range plain { // numbers are made of digits alone, too
				if len(s) >= minSecret && strings.Trim(string(s), "0123456789") != "" {
					kept = append(kept, s)
				}
			}
		}
	}
	return &Secrets{shown: newFinder(shown), kept: newFinder(kept)}
}

// variants gives a word as it is and in either case.
func variants(word string) []string {
	if word == "" {
		return nil
	}
	list := []string{word, strings.ToLower(word), strings.ToUpper(word)}
	slices.Sort(list)
	return slices.Compact(list)
}

// spell gives the folded texts as which a word may stand in a decoded text: by its
// letters, the escapes that it may seem to hold resolved or not, and encoded as a whole.
func spell(word string) (plain, encoded [][]byte) {
	text := []byte(word)
	plain = append(plain, folded(text))
	for more := true; more; {
		if text, more = decode(nil, text, appendEscaped, nil); more && len(text) >= minSecret {
			plain = append(plain, folded(text))
		}
	}
	if len(word) >= minSecret {
		encoded = append(encoded, folded([]byte(hex.EncodeToString([]byte(word)))))
		for offset := range 3 {
			encoded = append(encoded, folded(base64Core(word, offset)))
		}
	}
	return plain, encoded
}

// base64Core is what base64 makes of a word that begins at an offset within three
// bytes: the letters that depend on the word alone.
func base64Core(word string, offset int) []byte {
	text := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), word...))
	first, last := (offset*8+5)/6, (offset+len(word))*8/6
	return []byte(text[first:last])
}

// Decode resolves the escapes of JSON, URLs and HTML in a text, once or several
// times over, for those who search it.
func Decode(text string) string {
	if !strings.ContainsAny(text, `\%&`) {
		return text
	}
	plain := []byte(text)
	for range maxSteps {
		next, changed := decode(nil, plain, appendEscaped, nil)
		if plain = next; !changed {
			break
		}
	}
	return string(plain)
}

// Hide replaces the secrets in a text.
func (s *Secrets) Hide(text string) string {
	if s == nil || s.shown == nil {
		return text
	}
	return string(s.shown.replace([]byte(text)))
}

// Strip replaces the secrets in a document that is handed on. It leaves short
// ones, and those of digits alone. It returns the document itself if it finds none.
func (s *Secrets) Strip(document []byte) []byte {
	if s == nil || s.kept == nil {
		return document
	}
	return s.kept.replace(document)
}

// Line is [Line] of a text without the secrets.
func (s *Secrets) Line(text string, maxRunes int) string {
	if len(text) > 2*maxRead { // a secret that is cut here begins behind what Line looks at
		text = text[:2*maxRead]
	}
	return Line(s.Hide(text), maxRunes)
}

// Error gives an error whose text is one line without the secrets; the error
// itself is found by errors.Is and errors.As. nil stays nil.
func (s *Secrets) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if line := s.Line(text, MaxLine); line != text {
		return &cleaned{line, err}
	}
	return err
}

// cleaned is an error that is told in other words.
type cleaned struct {
	text string
	err  error
}

func (e *cleaned) Error() string { return e.text }
func (e *cleaned) Unwrap() error { return e.err }
