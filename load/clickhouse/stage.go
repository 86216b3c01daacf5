package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// stage is a publishing under construction.
type stage struct {
	d         *Destination
	run       load.Run
	before    *state
	parts     []load.Partition
	unchanged bool // everything is published already
	checked   bool // it belongs to a ready
	loader    *loader

	build map[schemas.ID]string // tables that are built, and how they are called meanwhile
	reuse map[key]bool          // partitions that are attached

	left atomic.Int64 // partitions that are still to be written
	mu   sync.Mutex   // guards the two below
	due  map[key]bool
	done map[key]bool
}

type key struct {
	table schemas.ID
	month string
}

func keyOf(p load.Partition) key { return key{p.Table, p.Month} }

// Begin finishes or removes what dead runs have left, and makes the tables that
// are to be built.
func (d *Destination) Begin(ctx context.Context, run load.Run, parts []load.Partition) (load.Stage, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := d.create(ctx); err != nil {
		return nil, err
	}
	if err := d.recover(ctx, run.Mirror, run.Rebuild != nil); err != nil {
		return nil, err
	}
	s, err := d.newStage(ctx, run, parts)
	if err != nil {
		return nil, err
	}
	if err := s.makeTables(ctx); err != nil {
		return nil, errors.Join(err, s.Abort(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// newStage finds out what is there already.
func (d *Destination) newStage(ctx context.Context, run load.Run, parts []load.Partition) (*stage, error) {
	before, err := d.inspect(ctx)
	if err != nil {
		return nil, err
	}
	if err := before.foreign(d.database); err != nil {
		return nil, err
	}
	if err := before.altered(d.database); err != nil && run.Rebuild == nil {
		return nil, err
	}
	m, err := d.manifest(ctx, before)
	if err != nil {
		return nil, err
	}
	if err := load.Admit(run, m); err != nil {
		return nil, err
	}
	s := &stage{
		d: d, run: run, before: before, parts: parts, loader: newLoader(ctx, d),
		build: map[schemas.ID]string{}, reuse: map[key]bool{}, due: map[key]bool{}, done: map[key]bool{},
	}
	s.left.Store(int64(len(parts)))
	for _, p := range parts {
		if s.due[keyOf(p)] {
			return nil, fmt.Errorf("%s is to be written twice", p)
		}
		s.due[keyOf(p)] = true
	}
	for _, t := range schemas.Tables() {
		if err := s.compare(ctx, t, m); err != nil {
			return nil, err
		}
	}
	_, mixed := before.latest()
	s.unchanged = len(s.build) == 0 && !mixed && m.Mirror == run.Mirror && run.Rebuild == nil
	return s, nil
}

// compare decides what of a table is attached, and whether it is built at all.
func (s *stage) compare(ctx context.Context, t *schemas.Table, m *load.Manifest) error {
	live := s.before.live[t.ID]
	if live == nil {
		s.build[t.ID] = t.Name + nextInfix + s.run.Run
		return nil
	}
	have, err := s.d.count(ctx, live.name)
	if err != nil {
		return fmt.Errorf("count %s: %w", t.Name, err)
	}
	same, parts, filled := 0, 0, 0
	for _, p := range s.parts {
		if p.Table != t.ID {
			continue
		}
		parts++
		if p.Rows > 0 {
			filled++
		}
		if _, ok := m.Same(p, form); ok && !s.run.Rebuilds(p) && have[partitionID(p)].rows == p.Rows {
			s.reuse[keyOf(p)] = true
			same++
		}
	}
	if same == parts && filled == len(have) && len(m.Tables[t.Name].Files) == parts {
		return nil
	}
	s.build[t.ID] = t.Name + nextInfix + s.run.Run
	return nil
}

// makeTables makes the tables to be built, and those that keep the books.
func (s *stage) makeTables(ctx context.Context) error {
	if s.unchanged {
		return nil
	}
	for _, q := range schemas.Bookkeeping() {
		if err := s.d.exec(ctx, q); err != nil {
			return fmt.Errorf("make the tables that keep the books: %w", err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.build)) {
		if err := s.d.exec(ctx, s.d.ddl(schemas.Get(id), s.build[id], s.mark())); err != nil {
			return fmt.Errorf("make %s: %w", s.build[id], err)
		}
	}
	return nil
}

// ddl is the statement that makes a table in the database, which must be open.
func (d *Destination) ddl(t *schemas.Table, name string, m mark) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cloud {
		return t.CloudDDL(name, m.String())
	}
	return t.DDL(name, m.String())
}

func (s *stage) mark() mark { return mark{s.run.Run, s.run.Mirror} }

// Write attaches the partition, or inserts it. A small one may wait for others of
// its table; the last Write sends what waits.
func (s *stage) Write(ctx context.Context, p load.Partition, rows load.Rows) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := s.start(p); err != nil {
		return err
	}
	if err := s.write(ctx, p, rows); err != nil {
		return err
	}
	if s.left.Add(-1) == 0 {
		if err := s.loader.flush(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[keyOf(p)] = true
	return nil
}

func (s *stage) start(p load.Partition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.due[keyOf(p)] {
		return fmt.Errorf("%s was not to be written, or was written already", p)
	}
	s.due[keyOf(p)] = false
	return nil
}

func (s *stage) write(ctx context.Context, p load.Partition, rows load.Rows) error {
	name, build := s.build[p.Table]
	switch {
	case !build:
		return nil
	case s.reuse[keyOf(p)] && p.Rows > 0:
		err := s.d.exec(ctx, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION ID %s FROM %s", schemas.Ident(name), schemas.Quote(partitionID(p)), schemas.Ident(s.before.live[p.Table].name)))
		if err != nil {
			return fmt.Errorf("attach the unchanged partition: %w", err)
		}
		return nil
	case s.reuse[keyOf(p)]:
		return nil
	}
	n, err := s.loader.insert(ctx, schemas.Get(p.Table), name, p, rows)
	if err != nil {
		return err
	}
	if n != p.Rows {
		return fmt.Errorf("%d rows came, there should be %d", n, p.Rows)
	}
	return nil
}

// Check compares what the server has with what it should: the rows of every
// partition that was built, and the digest of those that were inserted.
func (s *stage) Check(ctx context.Context) (load.Staged, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	for _, p := range s.parts {
		if !s.done[keyOf(p)] {
			return nil, fmt.Errorf("%s was not written", p)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.build)) {
		if err := s.checkTable(ctx, schemas.Get(id)); err != nil {
			return nil, fmt.Errorf("%s: %w", schemas.Get(id).Name, err)
		}
	}
	s.checked = true
	return &ready{s}, nil
}

func (s *stage) checkTable(ctx context.Context, t *schemas.Table) error {
	name := s.build[t.ID]
	rows, err := s.d.count(ctx, name)
	if err != nil {
		return err
	}
	var inserted []string
	filled := 0
	for _, p := range s.parts {
		if p.Table != t.ID || p.Rows == 0 {
			continue
		}
		filled++
		if got := rows[partitionID(p)].rows; got != p.Rows {
			return fmt.Errorf("the server has %d rows of %s, there should be %d", got, p, p.Rows)
		}
		if !s.reuse[keyOf(p)] {
			inserted = append(inserted, partitionID(p))
		}
	}
	if filled != len(rows) {
		return fmt.Errorf("the server has %d partitions, there should be %d", len(rows), filled)
	}
	digests, err := s.d.digest(ctx, t, name, inserted)
	if err != nil {
		return err
	}
	for _, p := range s.parts {
		if p.Table != t.ID || p.Rows == 0 || s.reuse[keyOf(p)] {
			continue
		}
		if got := digests[partitionID(p)]; got.rows != p.Rows || got.digest != p.Digest {
			return fmt.Errorf("the server has other rows of %s than were sent: digest %s of %d rows, not %s of %d", p, got.digest, got.rows, p.Digest, p.Rows)
		}
	}
	return nil
}

// Abort drops the tables under construction.
func (s *stage) Abort(ctx context.Context) error {
	if s.checked {
		return nil
	}
	s.loader.stop(errAborted)
	_ = s.loader.end() // how it ended: the publishing fails in any case
	return s.discard(ctx)
}

var errAborted = errors.New("the publishing was given up")

func (s *stage) discard(ctx context.Context) error {
	var all []error
	for _, id := range slices.Sorted(maps.Keys(s.build)) {
		all = append(all, s.d.drop(ctx, s.build[id]))
		delete(s.build, id)
	}
	return errors.Join(all...)
}

// drop drops a table with its files. A server that waits for those who still read
// it is not waited for: it removes the files when they have ended, and Erase says so.
func (d *Destination) drop(ctx context.Context, name string) error {
	waiting, stop := context.WithTimeoutCause(ctx, dropWait, errStillRead)
	defer stop()
	err := d.exec(waiting, "DROP TABLE IF EXISTS "+schemas.Ident(name)+" SYNC")
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && errors.Is(context.Cause(waiting), errStillRead):
		d.mu.Lock()
		defer d.mu.Unlock()
		d.stillRead = append(d.stillRead, name)
		return nil
	case isCode(err, codeDropLimit):
		return fmt.Errorf("drop %s: the server's max_table_size_to_drop forbids it, and the user's profile to set that: set it to 0 for the user, or drop the table by hand: %w", name, err)
	}
	return fmt.Errorf("drop %s: %w", name, err)
}

// errStillRead says that a table that was dropped is still being read.
var errStillRead = errors.New("it is still being read")

// dropWait is how long a DROP waits for those who read the table.
const dropWait = 5 * time.Second
