package faults

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the matrix into docs/reliability.md")

const (
	root     = "../.."
	document = root + "/docs/reliability.md"
	from, to = "<!-- matrix: go test ./test/faults -update -->\n", "<!-- end of the matrix -->\n"
)

// table is the matrix as the document has it.
func table() string {
	var b strings.Builder
	b.WriteString("| fault | 3 feeds | every feed | list | contacts | `TestMatrix/…` |\n|---|---|---|---|---|---|\n")
	for _, f := range matrix() {
		played := map[string]string{}
		for _, p := range f.places() {
			once, always := p.cells[0].String(), p.cells[1].String()
			if played[p.name] = always; once != always {
				played[p.name] = once + " → " + always
			}
		}
		fmt.Fprintf(&b, "| %s |", f.name)
		for _, name := range []string{"few_feeds", "every_feed", "list", "contacts"} {
			if played[name] == "" {
				played[name] = "–"
			}
			fmt.Fprintf(&b, " %s |", played[name])
		}
		fmt.Fprintf(&b, " `%s` |\n", f.test())
	}
	return b.String()
}

// TestDocumentShowsTheMatrix holds the document against the table that is tested.
func TestDocumentShowsTheMatrix(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), from)
	old, tail, ended := strings.Cut(rest, to)
	if !ok || !ended {
		t.Fatal("the document has no place for the matrix")
	}
	switch is := table(); {
	case *update:
		if err := os.WriteFile(document, []byte(head+from+is+to+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	case old != is:
		t.Errorf("%s shows another matrix; if the tested one is right, run go test ./test/faults -update", document)
	}
}

// TestDocumentNamesTestsThatExist looks up every test and script that the
// document names as its proof.
func TestDocumentNamesTestsThatExist(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(raw), from)
	_, tail, _ := strings.Cut(rest, to)
	text := head + tail
	tests := testsBelow(t, root)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)").FindAllStringSubmatch(text, -1)
	for _, m := range named {
		if !tests[m[1]] {
			t.Errorf("there is no test %s", m[1])
		}
	}
	scripts := regexp.MustCompile("`([a-z_]+)\\.txtar`").FindAllStringSubmatch(text, -1)
	for _, m := range scripts {
		if _, err := os.Stat(filepath.Join(root, "cmd/roistat-etl/testdata/script", m[1]+".txtar")); err != nil {
			t.Error(err)
		}
	}
	if len(named) == 0 || len(scripts) == 0 {
		t.Error("the document names no proof")
	}
}

// testsBelow are the tests and fuzz targets of all packages.
func testsBelow(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			if err == nil && e.IsDir() && name != dir && strings.HasPrefix(e.Name(), ".") {
				return filepath.SkipDir
			}
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				found[fn.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
