package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// environment looks variables up in a map.
func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

// comments gives what the comments of one kind in a test file say.
func comments(text, kind string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if said, ok := strings.CutPrefix(line, "# "+kind+": "); ok {
			out = append(out, strings.TrimSuffix(said, "\n"))
		}
	}
	return out
}

// loadAndResolve gives the faults of a file, or else those of its pipelines.
func loadAndResolve(path string, vars map[string]string) error {
	f, err := Load(path, environment(vars))
	if err != nil {
		return err
	}
	return Resolve(f.Pipelines, NeedAll)
}

func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".bad.yml"), func(t *testing.T) { checkBadFile(t, path) })
	}
}

// checkBadFile compares a file's faults with its "# want: line:column: message"
// comments, the whole text of each.
func checkBadFile(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{}
	for _, v := range comments(string(text), "env") {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	var want []string
	for _, w := range comments(string(text), "want") {
		want = append(want, path+":"+w)
	}
	err = loadAndResolve(path, vars)
	if err == nil {
		t.Fatal("a bad file was taken")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Error(diff)
	}
}
