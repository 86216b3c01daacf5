package privacy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// leak is a mistake that somebody could make tomorrow: text put behind a place of
// a source file, and where the search must find what it lets out.
type leak struct {
	name, file, behind, text string
	found                    string
}

func leaks() []leak {
	const start = "r := &running{pipeline: p, options: o, began: start, damage: found, log: o.Log.With(\"pipeline\", p.Name)}\n"
	run, publish := "pipeline/pipeline.go", "pipeline/publish.go"
	return []leak{
		{"the key in a log line", run, start, `r.log.Info("start", "api", p.API.Key.Reveal())`, "stderr of run"},
		{"the salt in a reason", run, "r.report = newReport(name, p.Name, p.Project, start)\n", `r.report.Reasons = append(r.report.Reasons, p.Transform.Salt.Reveal())`, "stdout of run"},
		{"the key in an error", run, "func (r *running) stages(ctx context.Context) (err error) {\n", `return fmt.Errorf("open with %q", r.pipeline.API.Key.Reveal())`, "stdout of run"},
		{"the key in a title", run, start, `_ = exec.Command("sh", "-c", "sleep 0.2", p.API.Key.Reveal()).Run()`, "a title"},
		{"the key in a file", run, start, `_ = os.WriteFile("debug.txt", []byte(p.API.Key.Reveal()), 0o600)`, "debug.txt"},
		{"the salt in the mirror", publish, "func (r *running) settle(ctx context.Context) error {\n", `_ = r.mirror.SetMeta(ctx, "salt", r.pipeline.Transform.Salt.Reveal())`, "mirror.db"},
		{"the salt in the manifest", publish, "r.live = rows.counts.live\n", `r.pipeline.Name += r.pipeline.Transform.Salt.Reveal()`, "_manifest.json"},
		{"a person in a log line", "transform/clients.go", "func (p *Projector) clientRow(c *schemas.Client) {\n", `fmt.Fprintln(os.Stderr, "row", string(c.Row))`, "stderr of run"},
		{"a person in the tables", "transform/protect.go", "func (p *protector) apply() error {\n", `return nil`, "/tables/snapshots"},
		{"a column without its rule", "schemas/privacy.go", "func (r Rules) Of(t *Table, c Column) Action {\n", `if t.Name == "calls" && c.Name == "caller" { return KeepValue }`, "/tables/snapshots"},
	}
}

// putLeaksIn writes the changed sources beside the programs, and what tells the go
// command to build with them. A leak is only there where the environment names it.
func putLeaksIn(dir string) (overlay string, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	texts := map[string]string{}
	for _, l := range leaks() {
		path := filepath.Join(root, l.file)
		if texts[path] == "" {
			b, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			texts[path] = string(b)
		}
		if strings.Count(texts[path], l.behind) != 1 {
			return "", fmt.Errorf("%s: %q stands in %s not once: say where the leak belongs now", l.name, l.behind, l.file)
		}
		texts[path] = strings.Replace(texts[path], l.behind, fmt.Sprintf("%sif os.Getenv(\"ROISTAT_TEST_LEAK\") == %q {\n%s\n}\n", l.behind, l.name, l.text), 1)
	}
	replace := map[string]string{}
	for path, text := range texts {
		replace[path] = filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, root), "/", "_"))
		if err := os.WriteFile(replace[path], []byte(imported(text)), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// imported sees to it that each package that the leaks use is imported once.
func imported(text string) string {
	for _, pkg := range []string{"fmt", "os", "os/exec"} {
		text = strings.ReplaceAll(text, fmt.Sprintf("\t%q\n", pkg), "")
		if strings.Contains(text, pkg[strings.LastIndex(pkg, "/")+1:]+".") {
			text = strings.Replace(text, "import (\n", fmt.Sprintf("import (\n%q\n", pkg), 1)
		}
	}
	return text
}

// TestTheSearchFindsEveryLeak: each is put in alone, and found where it must be.
func TestTheSearchFindsEveryLeak(t *testing.T) {
	s := newServer(t, 4)
	for _, l := range append(leaks(), leak{name: "", found: ""}) {
		t.Run(l.name, func(t *testing.T) {
			r := &trace{dir: t.TempDir(), env: []string{"ROISTAT_TEST_LEAK=" + l.name}}
			r.configure(t, s, "", "")
			r.run(t, r.command(leaky, "run", "hidden", "--json"), 0)
			found := r.search(t)
			if all := strings.Join(found, "\n"); (l.found == "") != (all == "") || !strings.Contains(all, l.found) {
				t.Errorf("found: %.2000s\nwant it in %s\n%.3000s", all, l.found, r.said[0].out+r.said[0].err)
			}
		})
	}
}
