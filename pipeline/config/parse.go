package config

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxFile      = 256 << 10
	maxDepth     = 32
	maxList      = 10_000
	maxPipelines = 1_000
	maxFaults    = 1_000
	maxValues    = 200_000
)

// parseYAML makes nodes of a file's text; nil if it has none to give. What is
// wrong is in found.
func parseYAML(data []byte, found *problems) *node {
	text := string(bytes.TrimPrefix(data, []byte("\ufeff")))
	if !readable(text, found) {
		return nil
	}
	tokens := lexer.Tokenize(text)
	if !shallow(tokens, found) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		syntaxError(text, err, found)
		return nil
	}
	body := onlyDocument(file, found)
	if body == nil {
		return nil
	}
	c := &converter{found, map[string]*node{}}
	return c.node(body, place{1, 1})
}

// readable refuses what is no text: the YAML reader would guess.
func readable(text string, found *problems) bool {
	line, column := 1, 0
	for i, r := range text {
		column++
		switch {
		case r == '\n':
			line, column = line+1, 0
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			found.add(place{line, column}, "this is not UTF-8 text")
			return false
		case r == '\r' && strings.HasPrefix(text[i:], "\r\n"):
		case unicode.IsControl(r) && r != '\t':
			found.add(place{line, column}, "a control character (%U) in the text", r)
			return false
		}
	}
	return true
}

// shallow bounds what the parser's recursion may be led into, and refuses ?, which
// costs it quadratic time. Nesting by indentation is bounded by the file's size.
func shallow(tokens token.Tokens, found *problems) bool {
	flow, run, line := 0, 0, 0
	for _, tk := range tokens {
		if tk.Type == token.MappingKeyType {
			found.add(placeOf(tk), "keys written with ? are not taken")
			return false
		}
		if tk.Position.Line != line {
			line, run = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.AnchorType, token.TagType, token.AliasType:
			run++
		}
		if flow > maxDepth || flow == 0 && run > maxDepth {
			found.add(placeOf(tk), "nested too deeply: at most %d levels are taken", maxDepth)
			return false
		}
	}
	return true
}

func syntaxError(text string, err error, found *problems) {
	var e yaml.Error
	if !errors.As(err, &e) {
		found.add(place{1, 1}, "not readable as YAML")
		return
	}
	at := placeOf(e.GetToken())
	message := strings.ReplaceAll(e.GetMessage(), "\t", `\t`)
	found.add(at, "%s%s", message, hint(text, at, message))
}

// hint adds the remedy where YAML's own words don't lead to it.
func hint(text string, at place, message string) string {
	lines := strings.Split(text, "\n")
	if at.line > len(lines) {
		return ""
	}
	line := lines[at.line-1]
	switch {
	case strings.Contains(line, "${") && strings.Contains(message, "must be specified"):
		return `: inside { } or [ ] write "${VAR}" with quotes`
	case strings.Contains(message, `'\t'`):
		return ": indent with spaces, not with tabs"
	}
	return ""
}

// onlyDocument gives the file's one document.
func onlyDocument(file *ast.File, found *problems) ast.Node {
	var body ast.Node
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.DirectiveNode, *ast.CommentGroupNode:
			continue
		}
		if body != nil {
			found.add(placeOf(cmp.Or(doc.Start, doc.Body.GetToken())), "a second YAML document: the file must hold one")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		found.add(place{1, 1}, "the file is empty")
	}
	return body
}
