package api

// maxText is the most characters of a description.
const maxText = 200

// clean makes a text fit to be kept and shown: without the key, on one line, of
// bounded length.
func (c *Client) clean(text string) string { return c.secrets.Line(text, maxText) }
