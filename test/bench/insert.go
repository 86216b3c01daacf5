package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"golang.org/x/sync/errgroup"

	"roistat-etl/load"
	"roistat-etl/load/clickhouse"
	"roistat-etl/schemas"
)

// inserted is what one way of inserting took, without reading the batches.
type inserted struct {
	Rows    int64   `json:"rows"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`     // seconds of this process meanwhile
	Server  float64 `json:"server"`  // the same of the server
	Convert float64 `json:"convert"` // seconds, of all workers, in which batches became what the client takes
}

// batches are the record batches of the partitions of a snapshot.
type batches struct {
	run    load.Run
	parts  []load.Partition
	of     map[load.Partition][]arrow.Record
	server string // its process
}

// insertCommand inserts the snapshot args[3] into the database args[2] of the
// server args[1], whose process is args[4], in the way args[0]: ours or columns.
func insertCommand(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 5 || args[0] != "ours" && args[0] != "columns" {
		return errors.New("usage: bench insert ours|columns ADDRESS DATABASE SNAPSHOT PID")
	}
	b, err := readBatches(ctx, args[3])
	if err != nil {
		return err
	}
	b.server = args[4]
	way := b.ours
	if args[0] == "columns" {
		way = b.columns
	}
	did, err := way(ctx, args[1], args[2])
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(did)
}

// readBatches reads a snapshot into memory: what it holds is inserted, and how
// long the reading takes must not count.
func readBatches(ctx context.Context, dir string) (*batches, error) {
	text, err := os.ReadFile(filepath.Join(dir, "_manifest.json"))
	if err != nil {
		return nil, err
	}
	m, err := load.ParseManifest(text)
	if err != nil {
		return nil, err
	}
	b := &batches{run: load.Run{Run: m.Run, Pipeline: m.Pipeline, Project: m.Project, Mirror: m.Mirror}, of: map[load.Partition][]arrow.Record{}}
	for _, t := range schemas.Tables() {
		for _, f := range m.Tables[t.Name].Files {
			p := load.Partition{Table: t.ID, Month: f.Partition, Rows: f.Rows, Digest: f.Digest}
			b.parts = append(b.parts, p)
			if b.of[p], err = readFile(ctx, t, filepath.Join(dir, f.Path)); err != nil {
				return nil, fmt.Errorf("read %s: %w", f.Path, err)
			}
		}
	}
	// The large ones first, as a run has it.
	slices.SortStableFunc(b.parts, func(x, y load.Partition) int { return int(y.Rows - x.Rows) })
	return b, nil
}

// readFile reads a file as record batches of the table's schema.
func readFile(ctx context.Context, t *schemas.Table, path string) (out []arrow.Record, err error) {
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 64 << 10}, memory.NewGoAllocator())
	if err != nil {
		return nil, err
	}
	table, err := reader.ReadTable(ctx)
	if err != nil {
		return nil, err
	}
	records := array.NewTableReader(table, 64<<10)
	for records.Next() {
		rec := records.Record()
		out = append(out, array.NewRecord(t.Arrow(), rec.Columns(), rec.NumRows()))
	}
	return out, records.Err()
}

// timed measures fill over all partitions that have rows, a core a partition.
func (b *batches) timed(ctx context.Context, fill func(context.Context, load.Partition) error) (did inserted, err error) {
	server, err := cpuOf(b.server)
	if err != nil {
		return did, err
	}
	before, start := cpu(), time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for _, p := range b.parts {
		did.Rows += p.Rows
		g.Go(func() error { return fill(ctx, p) })
	}
	err = g.Wait()
	did.Seconds, did.CPU = time.Since(start).Seconds(), (cpu() - before).Seconds()
	after, statErr := cpuOf(b.server)
	did.Server = (after - server).Seconds()
	return did, errors.Join(err, statErr)
}

// cpuOf is what another process has used so far; Linux counts it in hundredths.
func cpuOf(pid string) (time.Duration, error) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the program's name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%s/stat is %q", pid, text)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ours publishes as a run does. Only the writing counts: the tables are made
// before, checked and shown after.
func (b *batches) ours(ctx context.Context, addr, database string) (did inserted, err error) {
	d, err := clickhouse.New(clickhouse.Options{URL: "clickhouse://etl@" + addr + "/" + database, Password: serverPassword})
	if err != nil {
		return did, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	stage, err := d.Begin(ctx, b.run, b.parts)
	if err != nil {
		return did, err
	}
	did, err = b.timed(ctx, func(ctx context.Context, p load.Partition) error { return stage.Write(ctx, p, each(b.of[p])) })
	if err != nil {
		return did, errors.Join(err, stage.Abort(ctx))
	}
	ready, err := stage.Check(ctx)
	if err != nil {
		return did, errors.Join(err, stage.Abort(ctx))
	}
	_, err = ready.Commit(ctx)
	return did, err
}

// each gives the batches; the receiver releases what it gets.
func each(list []arrow.Record) load.Rows {
	return func(yield func(arrow.Record, error) bool) {
		for _, rec := range list {
			rec.Retain()
			if !yield(rec, nil) {
				return
			}
		}
	}
}
