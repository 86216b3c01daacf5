package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roistat-etl/load"
)

// damages are what verify finds wrong.
func (s *stand) damages(t *testing.T) (bad []Verified) {
	t.Helper()
	err := Verify(context.Background(), s.pipeline, func(v Verified) error {
		if !v.OK {
			bad = append(bad, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bad
}

// alike puts another month of visits in the place of one, and makes the manifest agree.
func alike(dir string) error {
	name := filepath.Join(dir, "_manifest.json")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	m, err := load.ParseManifest(text)
	if err != nil {
		return err
	}
	visits := m.Tables["visits"]
	to, from := &visits.Files[0], visits.Files[1]
	rows, err := os.ReadFile(filepath.Join(dir, from.Path))
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, to.Path)); err != nil { // it may be a link to another snapshot's
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, to.Path), rows, 0o640); err != nil {
		return err
	}
	visits.Rows += from.Rows - to.Rows
	to.Rows, to.Bytes, to.SHA256, to.Digest = from.Rows, from.Bytes, from.SHA256, from.Digest
	m.Tables["visits"] = visits
	if text, err = m.Encode(); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o640)
}

func TestVerifyFindsWhatTheManifestDoesNotSay(t *testing.T) {
	point := func(run string) func(*stand, string) error {
		return func(s *stand, out string) error {
			link := filepath.Join(out, "current")
			if err := os.Remove(link); err != nil || run == "" {
				return err
			}
			if run == "older" {
				entries, err := os.ReadDir(filepath.Join(out, "snapshots"))
				if err != nil {
					return err
				}
				return os.Symlink("snapshots/"+entries[0].Name(), link)
			}
			return os.Symlink(run, link)
		}
	}
	for name, c := range map[string]struct {
		do     func(s *stand, out string) error
		detail string
	}{
		"other rows, all sums right":    {func(_ *stand, out string) error { return alike(filepath.Join(out, "current")) }, "not what the mirror projects to"},
		"the link shows an older run":   {point("older"), "was published last"},
		"the link leads nowhere":        {point("snapshots/20200101T000000Z-000000"), "manifest is lost or broken"},
		"the link leads somewhere else": {point("/tmp"), "no snapshot of this program"},
		"there is no link":              {point(""), "current is gone"},
		"another project":               {func(s *stand, _ string) error { s.pipeline.Project = "777"; return nil }, "project 12345"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, 40, nil)
			s.pipeline.API.PerSecond, s.pipeline.API.PerHour = 100_000, 10_000_000
			s.run(t, nil).want(t, OK)
			s.sim.Night(1, 0.5)
			s.run(t, func(o *Options) { o.Full = true }).want(t, OK)
			if bad := s.damages(t); len(bad) > 0 {
				t.Fatalf("before: %+v", bad)
			}
			if err := c.do(s, s.pipeline.Load[0].Parquet.Path); err != nil {
				t.Fatal(err)
			}
			bad := s.damages(t)
			if len(bad) == 0 || !strings.Contains(bad[0].Detail, c.detail) {
				t.Errorf("it finds %+v", bad)
			}
		})
	}
}
