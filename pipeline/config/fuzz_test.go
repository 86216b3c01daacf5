package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// FuzzLoad: whatever a file holds, Load neither panics nor fails without saying
// where, and what it takes can be resolved and printed.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	path := filepath.Join(f.TempDir(), "pipelines.yaml")
	env := environment(map[string]string{"A": "1", "ROISTAT_API_KEY": "k", "EMPTY": ""})
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := Load(path, env)
		if err != nil {
			wantPlaces(t, path, text, err)
			return
		}
		if err := Resolve(file.Pipelines, NeedAll); err != nil {
			wantPlaces(t, path, text, err)
		}
		if _, err := yaml.Marshal(file); err != nil {
			t.Errorf("%v\n%q", err, text)
		}
	})
}

// wantPlaces wants each fault to be one line that points into the text.
func wantPlaces(t *testing.T, path string, text []byte, err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if !strings.HasPrefix(err.Error(), "read the configuration: ") {
			t.Errorf("no places: %v\n%q", err, text)
		}
		return
	}
	lines := strings.Count(string(text), "\n") + 1
	for _, e := range joined.Unwrap() {
		var fault *Error
		if !errors.As(e, &fault) || fault.File != path || fault.Line < 1 || fault.Line > lines || fault.Column < 1 {
			t.Errorf("no place: %v\n%q", e, text)
		}
		if strings.ContainsAny(e.Error(), "\n\r\x00") {
			t.Errorf("not one line: %q\n%q", e, text)
		}
	}
}
