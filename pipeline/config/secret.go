package config

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "***"

// Secret is a text that no way of printing shows: each gives *** instead. The
// zero Secret is empty. The text sits behind a pointer, so that even a struct
// that hides a Secret in an unexported field prints an address, not the text.
type Secret struct{ text *string }

// NewSecret wraps a text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal gives the text itself; "" if there is none. Pass it on to what needs it
// and to nothing else.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Equal tells whether two secrets hold the same text.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// String gives ***.
func (s Secret) String() string { return redacted }

// GoString gives ***.
func (s Secret) GoString() string { return redacted }

// Format writes *** for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText gives ***, for JSON and YAML among others.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue gives *** to structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
