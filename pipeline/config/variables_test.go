package config

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestExpand(t *testing.T) {
	env := environment(map[string]string{"A": "one", "EMPTY": "", "DOLLAR": "${A}$$", "_b2": "two", "BINARY": "\xff"})
	tests := map[string]struct{ text, want, fault string }{
		"no variable":             {"plain", "plain", ""},
		"a variable":              {"x${A}y", "xoney", ""},
		"two":                     {"${A}${_b2}", "onetwo", ""},
		"an empty one":            {"<${EMPTY}>", "<>", ""},
		"a default not needed":    {"${A:-no}", "one", ""},
		"a default":               {"${NONE:-yes}", "yes", ""},
		"a default for empty":     {"${EMPTY:-yes}", "yes", ""},
		"an empty default":        {"<${NONE:-}>", "<>", ""},
		"a default with colons":   {"${NONE:-a:-b}", "a:-b", ""},
		"a dollar in a default":   {"${NONE:-a$$b}", "a$b", ""},
		"two dollars":             {"$${A}", "${A}", ""},
		"three dollars":           {"$$${A}", "$one", ""},
		"a dollar alone":          {"$A $ 5$", "$A $ 5$", ""},
		"values aren't expanded":  {"${DOLLAR}", "${A}$$", ""},
		"not set":                 {"${NONE}", "", "wants the variable NONE, which is not set"},
		"not closed":              {"${A", "", "has a broken variable"},
		"a bad name":              {"${1A}", "", "has a broken variable"},
		"no name":                 {"${}", "", "has a broken variable"},
		"another operator":        {"${A-x}", "", "has a broken variable"},
		"a variable in a default": {"${NONE:-${A}}", "", "has a broken variable"},
		"not UTF-8":               {"${BINARY}", "", "wants UTF-8 text in the variable BINARY"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := expand(tt.text, env)
			if got != tt.want || !strings.HasPrefix(message(err), tt.fault) || (err == nil) != (tt.fault == "") {
				t.Errorf("%q, %v; want %q, %q", got, err, tt.want, tt.fault)
			}
		})
	}
}

func TestUnsetIsItsOwnError(t *testing.T) {
	_, err := expand("${NONE}", environment(nil))
	var unset *unsetError
	if !errors.As(err, &unset) || unset.name != "NONE" {
		t.Errorf("%#v", err)
	}
}

// TestEscapedTextStays: what is printed is read back as it was.
func TestEscapedTextStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("${}AB:-x"))).Draw(t, "text")
		got, err := expand(escape(text), environment(nil))
		if err != nil || got != text {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
	})
}
