package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const twoSecrets = `version: 1
pipelines:
  - name: a
    project: ${PROJECT}
    api: {key: "${KEY}", per_hour: "${RATE}"}
    transform: {timezone: "${ZONE}"}
    mirror: ${STATE}/m.db
    load: [{parquet: {path: "${OUT}"}}]
`

func TestResolveReportsOnlyWhatIsNeeded(t *testing.T) {
	f, err := parseText(twoSecrets)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		need Need
		want []string
	}{
		"nothing":   {0, nil},
		"gates":     {NeedGates, nil},
		"salt":      {NeedSalt | NeedPassword, nil},
		"mirror":    {NeedMirror, []string{"7:13: mirror wants the variable STATE"}},
		"transform": {NeedTransform, []string{"4:14: project wants the variable PROJECT", "6:27: transform.timezone wants the variable ZONE"}},
		"load":      {NeedLoad, []string{"4:14: project wants the variable PROJECT", "8:29: load[0].parquet.path wants the variable OUT"}},
		"api": {NeedAPI, []string{
			"4:14: project wants the variable PROJECT",
			"5:16: api.key wants the variable KEY",
			"5:36: api.per_hour wants the variable RATE",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantFaults(t, f.Pipelines[0].Resolve(tt.need), tt.want) })
	}
}

// wantFaults compares with the beginnings of variables' faults.
func wantFaults(t *testing.T, err error, want []string) {
	t.Helper()
	var text string
	for _, w := range want {
		text += "/etc/etl/pipelines.yaml:" + w + ", which is not set\n"
	}
	got := ""
	if err != nil {
		got = err.Error() + "\n"
	}
	if got != text {
		t.Errorf("got\n%swant\n%s", got, text)
	}
}

// TestUnsetFieldsAreZero: no command may take a default for what isn't known.
func TestUnsetFieldsAreZero(t *testing.T) {
	f, err := parseText(twoSecrets)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Pipelines[0]
	if p.Project != "" || p.API.PerHour != 0 || p.API.Key.Reveal() != "" || p.Transform.Timezone != nil || p.Mirror != "" || p.Load[0].Parquet.Path != "" {
		t.Errorf("a field without a value is not zero: %+v", *p)
	}
}

func TestEveryFaultIsAnError(t *testing.T) {
	_, err := parseText("version: 2\npipelines: 5\n")
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("not two faults: %v", err)
	}
	for _, e := range joined.Unwrap() {
		var fault *Error
		if !errors.As(e, &fault) || fault.File != "/etc/etl/pipelines.yaml" || fault.Line == 0 || fault.Column == 0 {
			t.Errorf("no place: %#v", e)
		}
	}
}

func TestSecretFiles(t *testing.T) {
	tests := map[string]struct{ content, want, fault string }{
		"a line break is cut":    {"abc\n", "abc", ""},
		"so is a Windows one":    {"abc\r\n", "abc", ""},
		"none is there":          {"abc", "abc", ""},
		"only one is cut":        {"abc\n\n", "", "api.key_file holds a line break or another control character"},
		"a return alone stays":   {"abc\r", "", "api.key_file holds a line break or another control character"},
		"too large":              {strings.Repeat("x", maxSecretFile+1), "", "is larger than 64 KiB"},
		"as large as may be":     {strings.Repeat("x", maxSecretFile), strings.Repeat("x", maxSecretFile), ""},
		"a dollar sign is taken": {"${KEY}$$", "${KEY}$$", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := withKeyFile(t, tt.content)
			err := p.Resolve(NeedAPI)
			if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
				t.Errorf("error %v, want %q", err, tt.fault)
			}
			if got := p.API.Key.Reveal(); got != tt.want {
				t.Errorf("key %q, want %q", got, tt.want)
			}
		})
	}
}

func withKeyFile(t *testing.T, content string) *Pipeline {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "pipelines.yaml")
	text := "version: 1\npipelines: [{name: a, project: 1, api: {key_file: k}, load: [{parquet: {path: x}}]}]\n"
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "k"), []byte(content), 0o600), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	return f.Pipelines[0]
}

// TestResolveWithoutKey: what needs no API must not ask for the key, however
// wrong it is.
func TestResolveWithoutKey(t *testing.T) {
	for _, key := range []string{"", "a\nb", "\xff"} {
		f, err := Load("testdata/minimal.yml", environment(map[string]string{"ROISTAT_API_KEY": key}))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Pipelines[0].Resolve(NeedAll &^ NeedAPI); err != nil {
			t.Errorf("key %q: %v", key, err)
		}
		if err := f.Pipelines[0].Resolve(NeedAPI); err == nil || key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestHandMadePipelineResolves(t *testing.T) {
	if err := (&Pipeline{Name: "a"}).Resolve(NeedAll); err != nil {
		t.Error(err)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, []byte(strings.Repeat("#", maxFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"testdata/nowhere.yml": "read the configuration: open testdata/nowhere.yml: no such file or directory",
		"testdata":             "read the configuration: read testdata: is a directory",
		large:                  "read the configuration: " + large + " is larger than 256 KiB",
	}
	for path, want := range tests {
		if _, err := Load(path, environment(nil)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	for _, text := range []string{"", "\ufeff", "\n\n", "---\n---\n"} {
		if _, err := parseText(text); err == nil || err.Error() != "/etc/etl/pipelines.yaml:1:1: the file is empty" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSelect(t *testing.T) {
	f, err := Load("testdata/full.yml", environment(map[string]string{"SHARED_KEY": "k", "PER_HOUR": "1", "WHO": ""}))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ names, want, fault string }{
		"no names":        {"", "north south_2", ""},
		"the order given": {"south_2 north south_2", "south_2 north", ""},
		"unknown":         {"north soth_2", "", `unknown pipeline "soth_2": did you mean "south_2"? testdata/full.yml holds north, south_2`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := f.Select(strings.Fields(tt.names))
			if fault := message(err); fault != tt.fault {
				t.Errorf("error %q, want %q", fault, tt.fault)
			}
			if said := strings.Join(pipelineNames(got), " "); said != tt.want {
				t.Errorf("got %q, want %q", said, tt.want)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func pipelineNames(list []*Pipeline) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name)
	}
	return out
}
