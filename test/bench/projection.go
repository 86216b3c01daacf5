package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	projectionWorld = 40_000
	longFactor      = 4
	memoryGoal      = 300 // MB
)

// agreement is what agree.py says of two outputs that agree.
type agreement struct {
	Rows   map[string]int64 `json:"rows"`
	Here   output           `json:"here"`
	DuckDB output           `json:"duckdb"`
}

type output struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

func (a agreement) events() (n int64) {
	for name, rows := range a.Rows {
		if name != "clients" {
			n += rows
		}
	}
	return n
}

// contest is both programs on the same data.
type contest struct {
	world        world
	jsonBytes    int64
	ours, theirs figures
	ratio        series // DuckDB's wall by ours
	agreed       agreement
}

// projection compares mirror → Parquet with NDJSON → Parquet by DuckDB.
func (b *bench) projection(ctx context.Context) (string, error) {
	worlds := []world{{projectionWorld, months}}
	if b.long {
		worlds = append(worlds, world{longFactor * projectionWorld, months})
	}
	text := "\n## Projection\n\nFrom the mirror (roistat-etl run --no-extract) and from NDJSON (DuckDB, test/bench/duckdb) into an empty folder. " +
		"Both wrote the same rows, compared by number and hashes a table, sorted in every file.\n\n" +
		"| clients | events | JSON MB | program | wall s | CPU s | peak RSS MB | files | MB |\n|---|---|---|---|---|---|---|---|---|\n"
	goals := ""
	for _, w := range worlds {
		c, err := b.contest(ctx, w)
		if err != nil {
			return "", err
		}
		text += c.rows()
		goals += c.goals()
	}
	return text + goals, nil
}

func (c *contest) rows() string {
	head := fmt.Sprintf("| %d | %d | %.0f ", c.world.clients, c.agreed.events(), float64(c.jsonBytes)/1e6)
	row := func(name string, f *figures, o output) string {
		return head + fmt.Sprintf("| %s | %s | %d | %.1f |\n", name, f.row(), o.Files, float64(o.Bytes)/1e6)
	}
	return row("roistat-etl", &c.ours, c.agreed.Here) + row("DuckDB", &c.theirs, c.agreed.DuckDB)
}

func (c *contest) goals() string {
	return fmt.Sprintf("\n%d clients: DuckDB's wall time is %s times ours. Goal 1 or more: %s; 2 is aimed at: %s. Peak RSS %.0f MB. Goal %d or less: %s.\n",
		c.world.clients, c.ratio.show("%.2f"), verdict(c.ratio.median() >= 1), verdict(c.ratio.median() >= 2),
		c.ours.rss.median(), memoryGoal, verdict(c.ours.rss.median() <= memoryGoal))
}

// contest prepares the same data for both and lets them take turns.
func (b *bench) contest(ctx context.Context, w world) (*contest, error) {
	c := &contest{world: w}
	p, input, err := b.prepare(ctx, w)
	if err != nil {
		return nil, err
	}
	feeds := filepath.Join(input, "feeds.ndjson")
	info, err := os.Stat(feeds)
	if err != nil {
		return nil, err
	}
	c.jsonBytes = info.Size()
	out := filepath.Join(b.dir, "duckdb")
	for range b.rounds {
		if err := b.round(ctx, c, p, input, out); err != nil {
			return nil, err
		}
	}
	if err := b.agree(ctx, c, p, out); err != nil {
		return nil, err
	}
	return c, forget(p.dir, input, out)
}

// prepare fills a mirror and exports the same feeds as NDJSON.
func (b *bench) prepare(ctx context.Context, w world) (p place, input string, err error) {
	s, err := b.startSim(ctx, w)
	if err != nil {
		return p, "", err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if p, err = b.newPlace("projection", s.url); err != nil {
		return p, "", err
	}
	if _, err := b.etlRun(ctx, p, "--no-publish"); err != nil {
		return p, "", err
	}
	input = filepath.Join(b.dir, "input")
	if err := os.MkdirAll(input, 0o700); err != nil {
		return p, "", err
	}
	_, err = measure(ctx, b.dir, b.self, "export", s.url, input)
	return p, input, err
}

// round lets both write into empty folders.
func (b *bench) round(ctx context.Context, c *contest, p place, input, out string) error {
	if err := forget(p.tables(), out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return err
	}
	ours, err := b.etlRun(ctx, p, "--no-extract")
	if err != nil {
		return err
	}
	theirs, err := measure(ctx, b.dir, b.python, filepath.Join(b.helper, "project.py"),
		filepath.Join(input, "feeds.ndjson"), filepath.Join(input, "clients.ndjson"), out, "--project", project)
	if err != nil {
		return err
	}
	c.ours.add(ours.usage)
	c.theirs.add(theirs)
	c.ratio.add(theirs.wall.Seconds() / ours.wall.Seconds())
	return nil
}

// agree compares what the last round wrote.
func (b *bench) agree(ctx context.Context, c *contest, p place, out string) error {
	u, err := measure(ctx, b.dir, b.python, filepath.Join(b.helper, "agree.py"), filepath.Join(p.tables(), "current"), out)
	if err != nil {
		return fmt.Errorf("the outputs differ: %w", err)
	}
	last := u.out[bytes.LastIndexByte(bytes.TrimSpace(u.out), '\n')+1:]
	if err := json.Unmarshal(last, &c.agreed); err != nil {
		return fmt.Errorf("read the comparison: %w", err)
	}
	return nil
}
