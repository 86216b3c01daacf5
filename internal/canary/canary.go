// Package canary finds, in what a program prints and writes, texts that must not
// be there: keys, salts, persons. Tests give a program words that nothing else
// has and search for them in every spelling that a text may take on its way: as
// it is, in either case, in JSON, a URL or HTML with some or all letters escaped,
// as a Go literal, in hex, in base64 wherever it begins.
//
// Compressed files are searched as they lie, so what is to be found in them must
// be read by other means.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// Key is a key for tests: long, and full of what JSON, URLs and patterns escape.
const Key = `c4n4ry-k"e\y/<7>&f+e=d%2C?b#9~a'8.*(5)[1]|6$$^{3}`

// Salt is the same for hashes of persons.
const Salt = `c4n4ry-s"a\l/<t>&of+the=tests%2C?b#9~a'8.*(5)[1]|`

// Spellings are the ways in which a text could be written somewhere.
func Spellings(text string) []string {
	escaped, _ := json.Marshal(text) // a string always marshals
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	_ = e.Encode(text)
	list := []string{
		text, trimQuotes(string(escaped)), trimQuotes(strings.TrimSuffix(plain.String(), "\n")), trimQuotes(strconv.Quote(text)), trimQuotes(strconv.QuoteToASCII(text)),
		url.QueryEscape(text), url.PathEscape(text), base64.StdEncoding.EncodeToString([]byte(text)), base64.URLEncoding.EncodeToString([]byte(text)),
	}
	list = append(list, strings.ReplaceAll(list[1], "/", `\/`), strings.ReplaceAll(list[2], "/", `\/`))
	return append(append(list, Escapes(text)...), encodings(text)...)
}

// Escapes are the ways in which each letter of a text could be escaped.
func Escapes(text string) (list []string) {
	for _, format := range []string{`\u%04x`, `\u%04X`, "&#%d;", "&#x%x;", "&#x%X;"} {
		var b strings.Builder
		for _, r := range text {
			fmt.Fprintf(&b, format, r)
		}
		list = append(list, b.String())
	}
	for _, format := range []string{"%%%02x", "%%%02X"} {
		var b strings.Builder
		for _, c := range []byte(text) {
			fmt.Fprintf(&b, format, c)
		}
		list = append(list, b.String())
	}
	return append(list, html.EscapeString(text))
}

// encodings are the ways in which a text could be written as a whole: in hex, in
// base64 wherever it begins, and, if it is no word of letters, in either case.
func encodings(text string) (list []string) {
	list = append(list, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text))
	for offset := range 3 {
		coded := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), text...))
		coded = coded[(offset*8+5)/6 : (offset+len(text))*8/6]
		list = append(list, coded, strings.NewReplacer("+", "-", "/", "_").Replace(coded))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) {
		list = append(list, strings.ToUpper(text), strings.ToLower(text))
	}
	return list
}

// trimQuotes takes the quotes around a text, and none in it.
func trimQuotes(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }

// Words are texts to search for.
type Words []string

// In names a spelling of a word that the text holds; "" if there is none. Text
// that was escaped more than once has more backslashes, so none count.
func (w Words) In(text []byte) string {
	text = bare(text)
	for _, word := range w {
		for _, s := range Spellings(word) {
			if bytes.Contains(text, bare([]byte(s))) {
				return s
			}
		}
	}
	return ""
}

func bare(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`\`), nil) }

// Files lists the files below a folder that hold a word; skip, which may be nil,
// leaves files out. A folder that isn't there holds none.
func (w Words) Files(dir string, skip func(path string) bool) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || skip != nil && skip(path) {
			return err
		}
		b, err := os.ReadFile(path)
		if s := w.In(append(b, path...)); s != "" {
			found = append(found, fmt.Sprintf("%s holds %s", path, s))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	return found, err
}
