package main

import (
	"encoding/json"
)

// printJSON prints a value as one line of JSON.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
