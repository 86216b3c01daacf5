package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"roistat-etl/schemas"
)

const (
	columnsGoal  = 1   // times as fast as clickhouse-go's columns
	columnsAim   = 1.5 // what is aimed at
	oursDatabase = "roistat_bench"
	goDatabase   = "roistat_columns"
	toClickHouse = "clickhouse.yaml"
)

// clickhouse measures what concerns a real ClickHouse, which runs on the same two cores.
func (b *bench) clickhouse(ctx context.Context) (text string, err error) {
	s, err := b.startClickHouse(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	version, err := s.query(ctx, "SELECT version()")
	if err != nil {
		return "", err
	}
	text = fmt.Sprintf("\n## ClickHouse\n\nClickHouse %s with clickhouse-go %s, on the same two cores as its clients.\n", version[0][0], moduleVersion("github.com/ClickHouse/clickhouse-go/v2"))
	worlds := []world{{projectionWorld, months}}
	if b.long {
		worlds = append(worlds, world{longFactor * projectionWorld, months})
	}
	var all []*publishing
	for i, w := range worlds {
		p, err := b.publishing(ctx, s, w, i == 0)
		if err != nil {
			return "", err
		}
		all = append(all, p)
	}
	night, err := b.clickhouseNight(ctx, s)
	if err != nil {
		return "", err
	}
	return text + insertText(all) + publishText(all) + night + all[0].readers.text(), nil
}

// publishing is one world on its way into ClickHouse.
type publishing struct {
	world   world
	rows    int64 // that are inserted
	inserts int64 // partitions with rows

	ours, theirs wayOfInserting
	ratio        series // of their time to ours
	bare         series // the same without the making of slices
	cpu          series // of their CPU to ours
	both         series // of the CPU of client and server to ours

	run     figures
	events  int64
	readers *readers
}

// wayOfInserting is what one way took, without reading the batches.
type wayOfInserting struct{ wall, cpu, server series }

func (w *wayOfInserting) add(i inserted) {
	w.wall.add(i.Seconds)
	w.cpu.add(i.CPU)
	w.server.add(i.Server)
}

// publishing fills a mirror, and brings it into ClickHouse in all the ways that are compared.
func (b *bench) publishing(ctx context.Context, s *clickhouseServer, w world, read bool) (*publishing, error) {
	c := &publishing{world: w}
	p, err := b.mirrorOf(ctx, s, w)
	if err != nil {
		return nil, err
	}
	last, err := b.etlRun(ctx, p, "--no-extract") // the batches, as Parquet
	if err != nil {
		return nil, err
	}
	c.events = last.report.events()
	for i := range b.rounds {
		if err := b.insertRound(ctx, s, c, p, i%2 == 1); err != nil {
			return nil, err
		}
		if err := s.drop(ctx, oursDatabase); err != nil {
			return nil, err
		}
		o, err := b.etlRun(ctx, p, "-c", toClickHouse, "--no-extract")
		if err != nil {
			return nil, err
		}
		c.run.add(o.usage)
	}
	if read {
		if c.readers, err = b.measureReaders(ctx, s); err != nil {
			return nil, err
		}
	}
	return c, errors.Join(forget(p.dir), s.drop(ctx, oursDatabase), s.drop(ctx, goDatabase))
}

// mirrorOf makes a place whose mirror holds the world, with a configuration for each destination.
func (b *bench) mirrorOf(ctx context.Context, s *clickhouseServer, w world) (p place, err error) {
	api, err := b.startSim(ctx, w)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, api.stop()) }()
	if p, err = b.newPlace("clickhouse", api.url); err != nil {
		return p, err
	}
	if err := p.configure(toClickHouse, api.url, s.destination(oursDatabase)); err != nil {
		return p, err
	}
	_, err = b.etlRun(ctx, p, "--no-publish")
	return p, err
}

// insertRound inserts the same batches in both ways, in one order or the other,
// and sees that the same rows came.
func (b *bench) insertRound(ctx context.Context, s *clickhouseServer, c *publishing, p place, turned bool) (err error) {
	if err := errors.Join(s.drop(ctx, oursDatabase), s.empty(ctx, goDatabase)); err != nil {
		return err
	}
	var ours, theirs inserted
	ways := []func() error{
		func() error { ours, err = b.insert(ctx, s, p, "ours", oursDatabase); return err },
		func() error { theirs, err = b.insert(ctx, s, p, "columns", goDatabase); return err },
	}
	if turned {
		slices.Reverse(ways)
	}
	for _, way := range ways {
		if err := way(); err != nil {
			return err
		}
	}
	here, err := s.contents(ctx, oursDatabase)
	if err != nil {
		return err
	}
	there, err := s.contents(ctx, goDatabase)
	if err != nil {
		return err
	}
	if !maps.Equal(here, there) {
		return errors.New("the two ways of inserting brought other rows")
	}
	c.rows, c.inserts = ours.Rows, int64(len(here))
	c.ours.add(ours)
	c.theirs.add(theirs)
	c.ratio.add(theirs.Seconds / ours.Seconds)
	c.bare.add((theirs.Seconds - theirs.Convert/float64(runtime.NumCPU())) / ours.Seconds)
	c.cpu.add(theirs.CPU / ours.CPU)
	c.both.add((theirs.CPU + theirs.Server) / (ours.CPU + ours.Server))
	return nil
}

func (b *bench) insert(ctx context.Context, s *clickhouseServer, p place, way, database string) (i inserted, err error) {
	u, err := measure(ctx, b.dir, b.self, "insert", way, s.native(), database, filepath.Join(p.tables(), "current"), strconv.Itoa(s.cmd.Process.Pid))
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(u.out, &i); err != nil {
		return i, fmt.Errorf("read what was inserted: %w", err)
	}
	return i, nil
}

func insertText(all []*publishing) string {
	text := "\n### Insert\n\nThe record batches of a projection, all tables and partitions, into MergeTree tables: as a run writes them (blocks encoded from the Arrow buffers, in which small partitions of a table travel together), " +
		"and by clickhouse-go's columns (slices, one INSERT a batch of at most 65,536 rows), a partition a core. Both brought the same rows, by number and hashes a partition. " +
		"Reading the batches and making the tables is not counted.\n\n" +
		"| clients | rows | partitions | program | wall s | krows/s | client's CPU s | server's CPU s |\n|---|---|---|---|---|---|---|---|\n"
	goals := ""
	for _, c := range all {
		row := func(name string, w wayOfInserting) string {
			return fmt.Sprintf("| %d | %d | %d | %s | %s | %.0f | %s | %s |\n", c.world.clients, c.rows, c.inserts, name, w.wall.show("%.2f"),
				float64(c.rows)/w.wall.median()/1000, w.cpu.show("%.2f"), w.server.show("%.2f"))
		}
		text += row("roistat-etl", c.ours) + row("clickhouse-go, columns", c.theirs)
		goals += fmt.Sprintf("\n%d clients: %s times as fast as clickhouse-go's columns, %s times without counting the making of their slices, by wall time. Their client takes %s times the CPU of ours, with the server %s times. Goal %d or more: %s; %.1f is aimed at: %s.\n",
			c.world.clients, c.ratio.show("%.2f"), c.bare.show("%.2f"), c.cpu.show("%.1f"), c.both.show("%.2f"), columnsGoal, verdict(c.ratio.median() >= columnsGoal), columnsAim, verdict(c.ratio.median() >= columnsAim))
	}
	return text + goals
}

func publishText(all []*publishing) string {
	text := "\n### Publish\n\nThe whole process of `roistat-etl run --no-extract` into ClickHouse alone: projection, insert, count and digest by the server, exchange.\n\n" +
		"| clients | events | wall s | CPU s | peak RSS MB |\n|---|---|---|---|---|\n"
	met := true
	for _, c := range all {
		text += fmt.Sprintf("| %d | %d | %s |\n", c.world.clients, c.events, c.run.row())
		met = met && c.run.rss.median() <= memoryGoal
	}
	return text + fmt.Sprintf("\nGoal, %d MB or less whatever the size: %s.\n", memoryGoal, verdict(met))
}

func tableNames() (names []string) {
	for _, t := range schemas.Tables() {
		names = append(names, t.Name)
	}
	return names
}

// columnsSorted lists a table's columns, maps in the order of their keys.
func columnsSorted(table string) string {
	t, _ := schemas.ByName(table)
	var list []string
	for _, c := range t.Columns {
		name := schemas.Ident(c.Name)
		if c.Kind == schemas.Map {
			name = "mapSort(" + name + ")"
		}
		list = append(list, name)
	}
	return strings.Join(list, ", ")
}
