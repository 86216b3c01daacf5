package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"roistat-etl/internal/sim"
	"roistat-etl/internal/sim/world"
)

func newTruth() *cobra.Command {
	cfg := world.DefaultConfig()
	nights, share, out := 0, shareFlag(sim.DefaultShare), ""
	cmd := &cobra.Command{
		Use:   "truth",
		Short: "Write what correct tables must hold, as NDJSON, one file a table",
		Long: "Write what correct tables must hold, as NDJSON, one file a table. Left out are extra and raw,\n" +
			"what a mirror adds to clients (first_seen_at, gone_at, feed_fetched_at), and clients that are gone.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w, err := world.New(cfg)
			if err != nil {
				return err
			}
			state := w.State()
			for range nights {
				state = state.Night(float64(share))
			}
			return writeTruth(state, out)
		},
	}
	worldFlags(cmd, &cfg)
	f := cmd.Flags()
	f.StringVar(&cfg.Project, "project", cfg.Project, "the project column")
	f.IntVar(&nights, "nights", 0, "nights that have passed")
	f.Var(&share, "share", "share of the clients that a night touches")
	f.StringVar(&out, "out", "", "folder for TABLE.ndjson")
	_ = cmd.MarkFlagRequired("out") // fails only for a flag that doesn't exist
	return cmd
}

// ndjson is one table's file while it is written, under a temporary name.
type ndjson struct {
	path string
	f    *os.File
	w    *bufio.Writer
}

func create(path string) (*ndjson, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &ndjson{path, f, bufio.NewWriterSize(f, 256<<10)}, nil
}

// finish makes the file whole under its name.
func (n *ndjson) finish() error {
	err := errors.Join(n.w.Flush(), n.f.Sync(), n.f.Chmod(0o644), n.f.Close())
	if err == nil {
		err = os.Rename(n.f.Name(), n.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", n.path, errors.Join(err, os.Remove(n.f.Name())))
	}
	return nil
}

// drop removes what was written.
func (n *ndjson) drop() { _ = errors.Join(n.f.Close(), os.Remove(n.f.Name())) }

// writeTruth writes all tables into a folder; every table has its file.
func writeTruth(state *world.State, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	files := map[string]*ndjson{}
	err := fill(state, dir, files)
	for _, f := range files {
		if err == nil {
			err = f.finish()
		} else {
			f.drop()
		}
	}
	return err
}

func fill(state *world.State, dir string, files map[string]*ndjson) error {
	for _, table := range world.TableNames() {
		f, err := create(filepath.Join(dir, table+".ndjson"))
		if err != nil {
			return err
		}
		files[table] = f
	}
	return state.Truth(func(table string, row []byte) error {
		w := files[table].w
		if _, err := w.Write(row); err != nil {
			return err
		}
		return w.WriteByte('\n')
	})
}

// writeFile writes a small file by rename, so that whoever sees it sees all of
// it. No path, no file.
func writeFile(path, text string) error {
	if path == "" {
		return nil
	}
	f, err := create(path)
	if err != nil {
		return err
	}
	if _, err := f.w.WriteString(text); err != nil {
		f.drop()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.finish()
}
