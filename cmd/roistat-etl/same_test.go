package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheSameMirrorGivesTheSameBytes publishes copies of one mirror by different
// numbers of workers and under different memory pressure.
func TestTheSameMirrorGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	s := newSim(t, "--clients", "1500", "--months", "6")
	origin := t.TempDir()
	configure(t, origin, s.url)
	want(t, 0, etl(origin, "run", "--no-publish"))
	var first map[string]published
	for _, setting := range [][]string{{"GOMAXPROCS=1"}, {"GOMAXPROCS=2"}, {"GOMAXPROCS=7"}, {"GOMAXPROCS=2", "GOGC=5"}} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(origin)); err != nil {
			t.Fatal(err)
		}
		cmd := etl(dir, "run", "--no-extract")
		cmd.Env = append(cmd.Env, setting...)
		want(t, 0, cmd)
		files, err := readManifest(filepath.Join(dir, "out", "current"))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = files
		}
		if diff := cmp.Diff(first, files); diff != "" || len(files) < 50 {
			t.Errorf("%v: %d files (- first, + this):\n%s", setting, len(files), diff)
		}
		want(t, 0, etl(dir, "verify")) // the manifest's sums are those of the files
	}
}
