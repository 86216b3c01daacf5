package clickhouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// nextInfix stands between a table's name and the run that builds it.
const nextInfix = "__next_"

// form is raised when tables are written otherwise than before.
const form = "clickhouse, form 1"

// mark is the end of a table's comment.
type mark struct{ run, mirror string }

// String writes the mark as it stands in the comment.
func (m mark) String() string { return fmt.Sprintf("[run=%s mirror=%s]", m.run, m.mirror) }

var markPattern = regexp.MustCompile(`\[run=([^\s\]]+) mirror=([^\s\]]+)\]$`)

func parseMark(comment string) (mark, bool) {
	m := markPattern.FindStringSubmatch(comment)
	if m == nil || !load.ValidRun(m[1]) {
		return mark{}, false
	}
	return mark{m[1], m[2]}, true
}

// table is a table of ours that is there.
type table struct {
	id      schemas.ID
	name    string
	engine  string
	ours    bool // its comment has a mark
	mark    mark
	columns []string // name and type, in their order
}

// state is what is there.
type state struct {
	live  map[schemas.ID]*table
	next  []*table          // under construction or on their way out, by name
	other map[string]string // engines of what else has a name of ours
}

// inspect reads what is there. A database that is absent is an empty one.
func (d *Destination) inspect(ctx context.Context) (*state, error) {
	ctx, stop := boundSilence(ctx)
	defer stop()
	s := &state{live: map[schemas.ID]*table{}, other: map[string]string{}}
	byName := map[string]*table{}
	err := d.query(ctx, `SELECT name, engine, comment FROM system.tables WHERE database = currentDatabase() ORDER BY name`,
		func(scan func(...any) error) error {
			var t table
			var comment string
			if err := scan(&t.name, &t.engine, &comment); err != nil {
				return err
			}
			t.mark, t.ours = parseMark(comment)
			if s.add(&t) {
				byName[t.name] = &t
			}
			return nil
		})
	if errors.Is(err, errNoDatabase) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is there: %w", err)
	}
	err = d.query(ctx, `SELECT table, name, type FROM system.columns WHERE database = currentDatabase() ORDER BY table, position`,
		func(scan func(...any) error) error {
			var in, name, typ string
			if err := scan(&in, &name, &typ); err != nil {
				return err
			}
			if t := byName[in]; t != nil {
				t.columns = append(t.columns, name+" "+typ)
			}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read what is there: %w", err)
	}
	return s, nil
}

// asidePattern is how a table is called while it is built, and on its way out.
var asidePattern = regexp.MustCompile(`^(.+)__(?:next|old[0-9]+)_([0-9]{8}T.*)$`)

// splitName gives the table and the run that a name of a table names.
func splitName(text string) (name, run string, aside bool) {
	if m := asidePattern.FindStringSubmatch(text); m != nil {
		return m[1], m[2], true
	}
	return text, "", false
}

// retiredName is how a table is called that a run has replaced.
func retiredName(id schemas.ID, run string, attempt int) string {
	return fmt.Sprintf("%s__old%d_%s", schemas.Get(id).Name, attempt+1, run)
}

// built returns the table that a run has built and not shown; nil if there is none.
func (s *state) built(id schemas.ID, m mark) *table {
	for _, t := range s.next {
		if t.id == id && t.mark == m {
			return t
		}
	}
	return nil
}

// add sorts a table in; false if it is not one of ours.
func (s *state) add(t *table) bool {
	name, run, next := splitName(t.name)
	known, ok := schemas.ByName(name)
	switch {
	case !ok:
		s.other[t.name] = t.engine
		return false
	case !next:
		t.id = known.ID
		s.live[t.id] = t
	case load.ValidRun(run):
		t.id = known.ID
		s.next = append(s.next, t)
	default:
		return false
	}
	return true
}

// run is the run that builds a next table, by its name.
func (t *table) run() string {
	_, run, _ := splitName(t.name)
	return run
}

// foreign refuses what has a name of ours and was not made by us.
func (s *state) foreign(database string) error {
	for _, want := range schemas.Tables() {
		t := s.live[want.ID]
		if t == nil {
			continue
		}
		switch {
		case !t.ours:
			return refuse("%s.%s is not ours: its comment doesn't end in [run=… mirror=…]; rename it, or give another database", database, t.name)
		case strings.HasPrefix(t.engine, "Replicated"):
			return refuse("%s.%s is %s: tables are exchanged on one node, and the others would show another state; rename or drop it", database, t.name, t.engine)
		case !is(t.engine, mergeTree):
			return refuse("%s.%s has the engine %s, not MergeTree; rename or drop it", database, t.name, t.engine)
		}
	}
	engines := map[string]string{runsTable: mergeTree, partitionsTable: mergeTree}
	for _, v := range schemas.Views(schemas.ClickHouse, "UTC") {
		engines[v.Name] = "View"
	}
	for name, engine := range engines {
		if have, ok := s.other[name]; ok && !is(have, engine) {
			return refuse("%s.%s is a %s, not a %s of ours; rename it, or give another database", database, name, have, engine)
		}
	}
	return nil
}

// altered refuses tables of ours that have columns of another's: what was put into
// them would go.
func (s *state) altered(database string) error {
	for _, want := range schemas.Tables() {
		if t := s.live[want.ID]; t != nil {
			if err := t.altered(database, want); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) altered(database string, want *schemas.Table) error {
	alien := alien(t.columns, columnsOf(want))
	if alien == "" {
		return nil
	}
	return refuse("%s.%s was altered: it has the column %s, which this version doesn't know; rename the table to keep it, then `run --no-extract` or `verify --repair` builds it anew without a call", database, t.name, alien)
}

// mergeTree is the engine of all our tables.
const mergeTree = "MergeTree"

// is tells whether an engine is the one that was asked for: ClickHouse Cloud makes
// a MergeTree a SharedMergeTree, whatever was written.
func is(have, asked string) bool {
	return have == asked || asked == mergeTree && have == "Shared"+mergeTree
}

// columnsOf gives the columns that a table should have, as inspect does.
func columnsOf(t *schemas.Table) (out []string) {
	for _, c := range t.Columns {
		out = append(out, c.Name+" "+strings.ReplaceAll(c.ClickHouseType(), "Decimal(18,2)", "Decimal(18, 2)"))
	}
	return out
}

// alien returns a column that doesn't belong: an older version of a table has
// some of the columns, in their order.
func alien(have, want []string) string {
	for _, c := range have {
		i := slices.Index(want, c)
		if i < 0 {
			return c
		}
		want = want[i+1:]
	}
	return ""
}

// latest is the greatest run that a table shows; mixed tells that others show another.
func (s *state) latest() (m mark, mixed bool) {
	for _, t := range s.live {
		if t.mark.run > m.run {
			m = t.mark
		}
	}
	for _, t := range s.live {
		mixed = mixed || t.mark != m
	}
	return m, mixed
}

// manifest is what readers see, by the comments and _partitions: each table by
// its own run. nil if nothing is published.
func (d *Destination) manifest(ctx context.Context, s *state) (*load.Manifest, error) {
	latest, _ := s.latest()
	if latest.run == "" {
		return nil, nil
	}
	m := load.NewManifest(load.Run{Run: latest.run, Mirror: latest.mirror}, form)
	for _, want := range schemas.Tables() {
		if t := s.live[want.ID]; t == nil || !slices.Equal(t.columns, columnsOf(want)) {
			m.Tables[want.Name] = load.ManifestTable{Files: []load.ManifestFile{}}
		}
	}
	if err := d.readPartitions(ctx, s, m); err != nil {
		return nil, err
	}
	return m, errors.Join(d.countClients(ctx, s, m), d.readRun(ctx, s, m))
}

// readRun reads whose run is shown, if it was written down before the run ended.
func (d *Destination) readRun(ctx context.Context, s *state, m *load.Manifest) error {
	if _, ok := s.other[runsTable]; !ok {
		return nil
	}
	return d.query(ctx, "SELECT pipeline, project FROM "+schemas.Ident(runsTable)+" WHERE run = "+schemas.Quote(m.Run)+" LIMIT 1", func(scan func(...any) error) error {
		return scan(&m.Pipeline, &m.Project)
	})
}

func (d *Destination) readPartitions(ctx context.Context, s *state, m *load.Manifest) error {
	if _, ok := s.other[partitionsTable]; !ok {
		return nil
	}
	var runs []string
	for _, t := range s.live {
		runs = append(runs, t.mark.run)
	}
	slices.Sort(runs)
	q := "SELECT DISTINCT run, `table`, `partition`, rows, digest FROM " + schemas.Ident(partitionsTable) +
		" WHERE run IN (" + quoted(slices.Compact(runs)) + ") ORDER BY run, `table`, `partition`"
	return d.query(ctx, q, func(scan func(...any) error) error {
		var run, name, digest string
		var f load.ManifestFile
		if err := scan(&run, &name, &f.Partition, &f.Rows, &digest); err != nil {
			return err
		}
		t, ok := schemas.ByName(name)
		if !ok || s.live[t.ID] == nil || s.live[t.ID].mark.run != run {
			return nil
		}
		var err error
		if f.Digest, err = load.ParseDigest(digest); err != nil {
			return fmt.Errorf("%s: %w", partitionsTable, err)
		}
		m.Add(t.ID, f)
		return nil
	})
}

// countClients counts the live clients that readers see.
func (d *Destination) countClients(ctx context.Context, s *state, m *load.Manifest) error {
	t := s.live[schemas.Clients]
	if t == nil || !slices.ContainsFunc(t.columns, func(c string) bool { return strings.HasPrefix(c, "gone_at ") }) {
		return nil
	}
	return d.query(ctx, "SELECT toInt64(count()) FROM "+schemas.Ident(t.name)+" WHERE gone_at IS NULL", func(scan func(...any) error) error {
		return scan(&m.LiveClients)
	})
}

// Published returns what readers see. Tables that show different runs, after a
// commit that was cut, are each shown as they are, under the latest run; one that
// was altered is shown without rows.
func (d *Destination) Published(ctx context.Context) (*load.Manifest, error) {
	ctx, stop := boundSilence(ctx)
	defer stop()
	s, err := d.inspect(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.foreign(d.database); err != nil {
		return nil, err
	}
	return d.manifest(ctx, s)
}

// month is the name of a partition by the server's id of it.
func month(id string) string {
	if id == wholeID || len(id) != 6 {
		return ""
	}
	return id[:4] + "-" + id[4:]
}

// wholeID is the server's id of the only partition of a table that is not split.
const wholeID = "all"

// partitionID is the server's id of a partition.
func partitionID(p load.Partition) string {
	return cmp.Or(strings.ReplaceAll(p.Month, "-", ""), wholeID)
}
