package load

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roistat-etl/schemas"
)

const aRun = "20260726T010203Z-1a2b3c"

func sample() *Manifest {
	m := NewManifest(Run{Run: aRun, Pipeline: "demo", Project: "12345", Mirror: "m", LiveClients: 3}, "w")
	for _, t := range schemas.Tables() {
		m.Add(t.ID, ManifestFile{Path: t.Name + "/part-0000.parquet", Rows: 2, Bytes: 9, SHA256: "ab", Digest: Digest{1, 2}})
	}
	return m
}

func TestManifestSurvivesItsJSON(t *testing.T) {
	want := sample()
	text, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestManifestHasTheKeysOfTheContract(t *testing.T) {
	text, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	visits := got["tables"].(map[string]any)["visits"].(map[string]any)
	file := visits["files"].([]any)[0].(map[string]any)
	for what, c := range map[string]struct {
		have map[string]any
		want []string
	}{
		"manifest": {got, []string{"schema", "run", "pipeline", "project", "mirror", "writer", "live_clients", "tables", "views", "checksum"}},
		"table":    {visits, []string{"version", "rows", "files"}},
		"file":     {file, []string{"path", "partition", "rows", "bytes", "sha256", "digest"}},
	} {
		for _, key := range c.want {
			if _, ok := c.have[key]; !ok {
				t.Errorf("the %s lacks %q", what, key)
			}
		}
		if len(c.have) != len(c.want) {
			t.Errorf("the %s has %d keys, not %d", what, len(c.have), len(c.want))
		}
	}
	if file["digest"] != "01020000000000000000000000000000" {
		t.Errorf("the digest is %v", file["digest"])
	}
}

func TestBrokenManifestsAreRefused(t *testing.T) {
	good, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ old, new, want string }{
		"an unknown key":     {`"schema"`, `"Schemata": 1, "schema"`, "unknown field"},
		"another form":       {`"schema": 1`, `"schema": 2`, "form 2"},
		"no run":             {aRun, "today", "no run"},
		"an unknown table":   {`"visits"`, `"visitors"`, "visitors"},
		"sums that differ":   {`"rows": 2,`, `"rows": 3,`, "rows together"},
		"a bad digest":       {`"0102`, `"01`, "no digest"},
		"an upper digest":    {`"0102`, `"01AB`, "no digest"},
		"a negative number":  {`"bytes": 9`, `"bytes": -9`, "negative"},
		"something after it": {"\n}\n", "\n}{}\n", "something follows"},
		"nothing":            {string(good), "", "EOF"},
		"half of it":         {string(good[len(good)/2:]), "", "unexpected EOF"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(string(good), c.old, c.new, 1)
			if text == string(good) {
				t.Fatal("the case changes nothing")
			}
			if _, err := ParseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestManifestWithAPartitionTwice(t *testing.T) {
	m := sample()
	m.Add(schemas.Visits, ManifestFile{})
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseManifest(text); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("the error is %v", err)
	}
}

func TestSame(t *testing.T) {
	p := Partition{Table: schemas.Visits, Rows: 2, Digest: Digest{1, 2}}
	cases := map[string]struct {
		change func(m *Manifest, p *Partition)
		want   bool
	}{
		"the same":          {func(*Manifest, *Partition) {}, true},
		"another digest":    {func(_ *Manifest, p *Partition) { p.Digest[15]++ }, false},
		"other rows":        {func(_ *Manifest, p *Partition) { p.Rows++ }, false},
		"another month":     {func(_ *Manifest, p *Partition) { p.Month = "2025-01" }, false},
		"another writer":    {func(m *Manifest, _ *Partition) { m.Writer = "v" }, false},
		"another version":   {func(m *Manifest, _ *Partition) { v := m.Tables["visits"]; v.Version++; m.Tables["visits"] = v }, false},
		"nothing published": {func(m *Manifest, _ *Partition) { m.Tables = nil }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m, p := sample(), p
			c.change(m, &p)
			if _, got := m.Same(p, "w"); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
	if _, ok := (*Manifest)(nil).Same(p, "w"); ok {
		t.Error("nothing is published, but it is the same")
	}
}

func TestShows(t *testing.T) {
	m := sample()
	var all []Partition
	for _, t := range schemas.Tables() {
		all = append(all, Partition{Table: t.ID, Rows: 2, Digest: Digest{1, 2}})
	}
	if !m.Shows(all, "w", "m") {
		t.Error("it shows them, but says no")
	}
	if m.Shows(all[1:], "w", "m") || m.Shows(append(all, Partition{Month: "2025-01"}), "w", "m") || m.Shows(all, "w", "other") {
		t.Error("it shows others, but says yes")
	}
}

func TestValidRun(t *testing.T) {
	for text, want := range map[string]bool{
		aRun: true, "": false, "20260726T010203Z-1a2b3": false, "20260726T010203Z-1A2B3C": false, "20260726T010203Z-1a2b3g": false,
		"20260726t010203Z-1a2b3c": false, "2026072xT010203Z-1a2b3c": false, "20260726T010203Z-1a2b3c/": false, "../../../../../../../abc": false,
	} {
		if ValidRun(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}

// FuzzManifest reads what may be a manifest. One that is taken is written to the
// same and read to the same; one that is not has a reason.
func FuzzManifest(f *testing.F) {
	text, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	for _, edit := range [][2]string{{`"rows": 2`, `"rows": -2`}, {`"visits"`, `"visit"`}, {aRun, "x"}, {`"schema": 1`, `"schema": 2`}, {"{", "[{"}, {"}", "},{}"}} {
		f.Add([]byte(strings.Replace(string(text), edit[0], edit[1], 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "read the manifest: ") {
				t.Errorf("it failed without a reason: %v", err)
			}
			return
		}
		once, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseManifest(once)
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Error(diff)
		}
	})
}
