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

// TestFaultsAndValuesAreBounded: a small file must not become a large answer.
func TestFaultsAndValuesAreBounded(t *testing.T) {
	list := func(entry string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(entry+",", n), ",") + "]"
	}
	tests := map[string]struct{ text, last string }{
		"aliases of campaigns": {
			"version: 1\npipelines:\n" +
				"  - &p {name: a, project: 1, api: {key: k}, extract: {campaigns: [{id: 1, metrics: " + list("m", 1000) + "}]}, load: [{parquet: {path: x}}]}\n" +
				strings.Repeat("  - *p\n", 900),
			"the file comes to more than 200000 values",
		},
		"many pipelines": {"version: 1\npipelines: " + list("1", 1001) + "\n", "1001 pipelines: at most 1000 are taken"},
		"a long list":    {"version: 1\npipelines: " + list("1", 10_001) + "\n", "a list of 10001 entries: at most 10000 are taken"},
		"large filters": {
			"version: 1\npipelines: [{name: a, project: 1, api: {key: k}, load: [{parquet: {path: x}}], extract: {filters: [[id, in, " +
				list(`"`+strings.Repeat("x", 100)+`"`, 700) + "]]}}]\n",
			"extract.filters come to 72115 bytes of JSON: at most 65536 are taken",
		},
		"many faults": {"version: 1\n" + strings.Repeat("x: 1\n", 5000), "duplicate key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseText(tt.text)
			if !strings.Contains(message(err), tt.last) {
				t.Errorf("no fault %q in %.300s", tt.last, message(err))
			}
			if n := strings.Count(message(err), "\n") + 1; n > maxFaults {
				t.Errorf("%d faults", n)
			}
		})
	}
}
