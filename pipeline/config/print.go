package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// MarshalYAML prints the effective configuration: every key with the value that
// holds after defaults and variables, *** for secrets, a variable that isn't set
// as it is written, and paths as they are used. Load takes what it prints, but
// for the secrets.
func (f *File) MarshalYAML() ([]byte, error) {
	tab := pipelineTable("")
	list := []yaml.MapSlice{}
	for _, p := range f.Pipelines {
		list = append(list, tab.print(p.src, p))
	}
	top := yaml.MapSlice{{Key: "version", Value: f.Version}, {Key: "pipelines", Value: list}}
	out, err := yaml.MarshalWithOptions(top, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("print the configuration: %w", err)
	}
	return out, nil
}

// shown gives a value as the file would write it.
func shown(v any) any {
	switch v := v.(type) {
	case time.Duration:
		return short(v)
	case *time.Location:
		return v.String()
	case string:
		return escape(v)
	case []string:
		return v
	case Share:
		return v.String()
	case Bytes:
		return v.String()
	}
	return v
}

// short drops the zero parts of a duration's usual text.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// zero empties the field at an address.
func zero(field any) { reflect.ValueOf(field).Elem().SetZero() }
