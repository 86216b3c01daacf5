package api

import (
	"fmt"
	"regexp"
	"strings"
)

// maxText is the most characters of a description.
const maxText = 200

// clean makes a text fit to be kept and shown: without the key, on one line, of
// bounded length.
func (c *Client) clean(text string) string { return c.secrets.Line(text, maxText) }

// maxQuote is the most characters of a quotation within a description.
const maxQuote = 120

// quote gives a text of the server's as a part of ours, so that it can be told
// from what we say, and left out where texts of others are not kept: it may name
// persons. No quotation mark stands within the quotation.
func (c *Client) quote(text string) string {
	if text = c.secrets.Line(text, maxQuote); text == "" {
		return ""
	}
	return fmt.Sprintf(`%s"%s"`, quotation, strings.ReplaceAll(text, `"`, "'"))
}

// quotation begins what quote gives.
const quotation = "the API says "

var quoted = regexp.MustCompile(quotation + `"[^"]*("|$)`)

// Unquote leaves out of a text, such as that of an [Error], what the server said.
func Unquote(text string) string {
	return quoted.ReplaceAllString(text, "the API said more, which is not kept")
}
