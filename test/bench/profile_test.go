package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/pprof/profile"
)

func TestMerge(t *testing.T) {
	dir := t.TempDir()
	for name, n := range map[string]int64{"a.prof": 3, "b.prof": 4} {
		at := &profile.Mapping{ID: 1, File: "/home/somebody/program"}
		f := &profile.Function{ID: 1, Name: "main.main"}
		l := &profile.Location{ID: 1, Mapping: at, Line: []profile.Line{{Function: f, Line: 1}}}
		p := &profile.Profile{
			SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}}, PeriodType: &profile.ValueType{},
			Sample:  []*profile.Sample{{Location: []*profile.Location{l}, Value: []int64{n}}},
			Mapping: []*profile.Mapping{at}, Location: []*profile.Location{l}, Function: []*profile.Function{f},
		}
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := p.Write(file); err != nil {
			t.Fatal(err)
		}
	}
	to := filepath.Join(dir, "merged")
	if err := merge(dir, to); err != nil {
		t.Fatal(err)
	}
	p, err := readProfile(to)
	if err != nil || len(p.Sample) != 1 || p.Sample[0].Value[0] != 7 || p.Mapping[0].File != "" {
		t.Errorf("%v, %v", p, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.prof"), []byte("no profile"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := merge(dir, to); err == nil {
		t.Error("a broken profile is merged")
	}
}
