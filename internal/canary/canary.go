// Package canary finds, in what a program prints and writes, texts that must not
// be there: keys, salts, persons. Tests give a program words that nothing else
// has and search for them in every spelling that a text may take on its way: as
// it is, in JSON, in a URL, as a Go literal, in base64.
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
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	return append(list, strings.ReplaceAll(list[1], "/", `\/`), strings.ReplaceAll(list[2], "/", `\/`))
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
