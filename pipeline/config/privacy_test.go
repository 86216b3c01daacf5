package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/schemas"
)

// withTransform reads a file with these lines under transform.
func withTransform(t *testing.T, lines string, vars map[string]string) (*Pipeline, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "p.yaml")
	text := "version: 1\npipelines:\n  - name: demo\n    project: 12345\n    api: {key: k}\n    load: [{parquet: {path: out}}]\n    transform:\n" + lines
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "salt"), []byte("sixteen-bytes-or-more\n"), 0o600), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path, environment(vars))
	if err != nil {
		return nil, err
	}
	return f.Pipelines[0], nil
}

func TestEveryColumnThatARuleMayNameIsTaken(t *testing.T) {
	want := schemas.Rules{"orders.fields.Имя клиента: 1.2": schemas.DropValue}
	var lines strings.Builder
	lines.WriteString("      salt_file: salt\n      privacy:\n        \"orders.fields.Имя клиента: 1.2\": drop\n")
	for _, table := range schemas.Tables() {
		for _, c := range table.Columns {
			if schemas.Protectable(table, c) {
				lines.WriteString("        " + schemas.RuleName(table, c) + ": hash\n")
				want[schemas.RuleName(table, c)] = schemas.HashValue
			}
		}
	}
	p, err := withTransform(t, lines.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, p.Transform.Privacy); diff != "" {
		t.Error(diff)
	}
	if err := p.Resolve(NeedAll); err != nil || p.Transform.Salt.Reveal() != "sixteen-bytes-or-more" {
		t.Errorf("the salt is %q, %v", p.Transform.Salt.Reveal(), err)
	}
}

// TestTheSaltIsOnlyWantedWhereItIsUsed: by a command that needs it, of a pipeline
// with a rule that hashes.
func TestTheSaltIsOnlyWantedWhereItIsUsed(t *testing.T) {
	for name, c := range map[string]struct {
		lines string
		need  Need
		want  string
	}{
		"hash":          {"      salt: ${SALT}\n      privacy: {clients.phone: hash}\n", NeedAll, "p.yaml:8:13: transform.salt wants the variable SALT, which is not set"},
		"another need":  {"      salt: ${SALT}\n      privacy: {clients.phone: hash}\n", NeedAll &^ NeedSalt, ""},
		"nothing to do": {"      salt: ${SALT}\n      privacy: {clients.phone: drop, calls.caller: mask}\n", NeedAll, ""},
		"no rule":       {"      salt_file: nowhere\n", NeedAll, ""},
		"no such file":  {"      salt_file: nowhere\n      privacy: {clients.phone: hash}\n", NeedAll, "p.yaml:8:18: transform.salt_file cannot be read"},
		"short":         {"      salt: ${SHORT}\n      privacy: {clients.phone: hash}\n", NeedAll, "p.yaml:8:13: transform.salt is shorter than 16 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := withTransform(t, c.lines, map[string]string{"SHORT": "fifteen--bytes-"})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Resolve(c.need)
			switch {
			case (err == nil) != (c.want == ""):
				t.Errorf("%v, want %q", err, c.want)
			case err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "fifteen")):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestTheRulesInTheDocsAreTaken reads the set that docs/privacy.md recommends.
func TestTheRulesInTheDocsAreTaken(t *testing.T) {
	text, err := os.ReadFile("../../docs/privacy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```yaml\ntransform:\n")
	block, _, _ = strings.Cut(block, "```")
	var lines strings.Builder
	for line := range strings.Lines(strings.Replace(block, "secrets/salt", "salt", 1)) {
		lines.WriteString("    " + line)
	}
	p, err := withTransform(t, lines.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Resolve(NeedAll); err != nil || len(p.Transform.Privacy) < 15 {
		t.Errorf("%d rules, %v", len(p.Transform.Privacy), err)
	}
}
