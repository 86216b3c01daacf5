package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// unsetError is a variable without a value.
type unsetError struct{ name string }

func (e *unsetError) Error() string {
	return fmt.Sprintf("wants the variable %s, which is not set", e.name)
}

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^{}]*))?\}`)

// expand puts the variables of env into a text: ${VAR}, ${VAR:-default} (which
// stands in for an empty variable too, as in a shell), and $ for $$. Any other $
// stays. The error, an *unsetError where a variable has no value, never holds a
// variable's value.
func expand(text string, env func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			return out.String() + text, nil
		}
		value, size, err := dollar(text[i:], env)
		if err != nil {
			return "", err
		}
		out.WriteString(text[:i])
		out.WriteString(value)
		text = text[i+size:]
	}
}

// dollar reads what begins with $ and says how many bytes of text it took.
func dollar(text string, env func(string) (string, bool)) (value string, size int, err error) {
	switch {
	case strings.HasPrefix(text, "$$"):
		return "$", 2, nil
	case !strings.HasPrefix(text, "${"):
		return "$", 1, nil
	}
	m := variable.FindStringSubmatch(text)
	if m == nil {
		return "", 0, fmt.Errorf("has a broken variable: write ${VAR} or ${VAR:-default}, and $$ for a dollar sign")
	}
	value, err = lookUp(m[1], m[2] != "", m[3], env)
	return value, len(m[0]), err
}

func lookUp(name string, defaulted bool, fallback string, env func(string) (string, bool)) (string, error) {
	value, ok := env(name)
	switch {
	case defaulted && value == "":
		return strings.ReplaceAll(fallback, "$$", "$"), nil
	case !ok:
		return "", &unsetError{name}
	case !utf8.ValidString(value):
		return "", fmt.Errorf("wants UTF-8 text in the variable %s", name)
	}
	return value, nil
}

// escape writes a text so that expand gives it back.
func escape(text string) string { return strings.ReplaceAll(text, "$", "$$") }
