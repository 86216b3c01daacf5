package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

func TestSecretIsNeverShown(t *testing.T) {
	type holder struct {
		Open   Secret
		hidden Secret
		List   []Secret
		Map    map[string]*Secret
	}
	s := NewSecret("hunter2")
	h := holder{s, s, []Secret{s}, map[string]*Secret{"a": &s}}
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", s, "holder", h)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "secret", s, "holder", h)
	all := fmt.Sprintf("%v %+v %#v %s %q %x %d %v %+v %#v %s %+v", s, s, s, s, s, s, s, h, h, h, h.hidden, &h)
	all += string(asJSON) + string(asYAML) + logged.String() + fmt.Sprint(fmt.Errorf("bad %v", s))
	if strings.Contains(all, "hunter2") || strings.Contains(all, "68756e74657232") {
		t.Error(all)
	}
	if !strings.Contains(string(asJSON), `"Open":"***"`) || s.Reveal() != "hunter2" || (Secret{}).Reveal() != "" {
		t.Errorf("%s, %q", asJSON, s.Reveal())
	}
}

func TestPrintedConfiguration(t *testing.T) {
	f, err := Load("testdata/full.yml", environment(map[string]string{"WHO": "me"}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/full.effective.golden"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// drawn is a random good file with a key, and how it looks variables up.
type drawn struct {
	text, key string
	env       map[string]string
}

func draw(t *rapid.T) drawn {
	d := drawn{key: "key" + rapid.StringMatching(`[!-~]{8,20}`).Draw(t, "key")}
	d.env = map[string]string{"KEY": d.key}
	written := `"${KEY}"`
	if rapid.Bool().Draw(t, "literal") {
		written = strconv.Quote(escape(d.key))
	}
	word := rapid.StringMatching(`[ -~а-я]{1,12}`)
	d.text = fmt.Sprintf(`version: 1
defaults:
  api: {key: %s, per_second: %g}
pipelines:
  - name: %q
    project: "%d"
    api:
      max_response: %dKiB
      timeout: %dms
    extract:
      filters: [[%s, "in", [%s, %d, 1.50]]]
      campaigns: [{id: %d}]
    gates: {max_rejects: %d%%}
    mirror: %s
    load: [{parquet: {path: %s}}]
`, written, rapid.Float64Range(1e-9, 9).Draw(t, "rate"),
		rapid.StringMatching(`[a-z0-9_-]{1,8}`).Draw(t, "name"), rapid.Uint32().Draw(t, "project"),
		rapid.IntRange(1, 1<<20).Draw(t, "response"), rapid.IntRange(1, 1<<30).Draw(t, "timeout"),
		quoted(word.Draw(t, "field")), quoted(word.Draw(t, "value")), rapid.Int().Draw(t, "number"), rapid.IntRange(1, 9).Draw(t, "campaign"),
		rapid.IntRange(0, 100).Draw(t, "rejects"), quoted("m/"+word.Draw(t, "mirror")), quoted("p/"+word.Draw(t, "path")))
	return d
}

func quoted(text string) string { return strconv.Quote(escape(text)) }

func TestKeyIsNeverShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		f, err := parse("/etl/p.yaml", []byte(d.text), environment(d.env))
		if err != nil {
			t.Fatalf("%v\n%s", err, d.text)
		}
		if err := Resolve(f.Pipelines, NeedAll); err != nil {
			t.Fatal(err)
		}
		if got := f.Pipelines[0].API.Key.Reveal(); got != d.key {
			t.Fatalf("key %q, want %q", got, d.key)
		}
		printed, err := yaml.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		all := string(printed) + string(asJSON) + fmt.Sprintf("%v %+v %#v", *f.Pipelines[0], *f.Pipelines[0], *f.Pipelines[0])
		if strings.Contains(all, d.key) {
			t.Fatalf("the key %q is shown:\n%s", d.key, all)
		}
	})
}

// TestKeyIsInNoError breaks a line of the file other than the key's own.
func TestKeyIsInNoError(t *testing.T) {
	junk := rapid.StringMatching(`[ \t\]\[{}:,&*#'"a-z$-]{0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		lines := strings.Split(d.text, "\n")
		i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
		if strings.Contains(lines[i], "{key:") {
			lines[i] = strings.Replace(lines[i], "{key:", rapid.SampledFrom([]string{"{kee: 1, key:", "[key:", "{key: {a:", "key: x{"}).Draw(t, "broken"), 1)
		} else {
			at := rapid.IntRange(0, len(lines[i])).Draw(t, "column")
			lines[i] = lines[i][:at] + junk.Draw(t, "junk") + lines[i][at:]
		}
		f, err := parse("/etl/p.yaml", []byte(strings.Join(lines, "\n")), environment(d.env))
		if err == nil {
			err = Resolve(f.Pipelines, NeedAll)
		}
		if strings.Contains(message(err), d.key) {
			t.Fatalf("the key %q is shown: %v", d.key, err)
		}
	})
}

func TestPrintedConfigurationReadsBack(t *testing.T) {
	secretsAlike := cmp.Comparer(func(a, b Secret) bool { return true })
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		f, err := parse("/etl/p.yaml", []byte(d.text), environment(d.env))
		if err != nil {
			t.Fatal(err)
		}
		printed, err := yaml.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse("/etl/p.yaml", printed, environment(nil))
		if err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		if diff := cmp.Diff(f, again, comparing(), secretsAlike); diff != "" {
			t.Fatalf("%s\n%s", diff, printed)
		}
	})
}
