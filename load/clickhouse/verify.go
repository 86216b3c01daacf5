package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// errNothing says that nothing was ever published in a database.
var errNothing = errors.New("nothing is published")

// Verify audits what readers see: every partition has the rows and the digest
// that _partitions has for the table's run, computed by the server, and there is
// no other.
func (d *Destination) Verify(ctx context.Context, each func(load.Finding) error) error {
	s, err := d.inspect(ctx)
	if err != nil {
		return err
	}
	if err := s.foreign(d.database); err != nil {
		return err
	}
	m, err := d.manifest(ctx, s)
	if err != nil {
		return err
	}
	if m == nil {
		return fmt.Errorf("%s: %w", d.target, errNothing)
	}
	for _, t := range schemas.Tables() {
		if err := d.verifyTable(ctx, s, t, m, each); err != nil {
			return err
		}
	}
	return s.verifyOthers(d.database, m.Run, each)
}

// verifyOthers reports tables that show another run than the latest, and views that are missing.
func (s *state) verifyOthers(database, run string, each func(load.Finding) error) error {
	for _, t := range schemas.Tables() {
		if live := s.live[t.ID]; live != nil && live.mark.run != run {
			f := load.Finding{Table: t.Name, Detail: database + "." + t.Name + " shows run " + live.mark.run + ", others show " + run + ": the next run finishes that"}
			if err := each(f); err != nil {
				return err
			}
		}
	}
	for _, v := range schemas.Views(schemas.ClickHouse, "UTC") {
		if _, ok := s.other[v.Name]; !ok {
			if err := each(load.Finding{Detail: "the view " + database + "." + v.Name + " is missing"}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Destination) verifyTable(ctx context.Context, s *state, t *schemas.Table, m *load.Manifest, each func(load.Finding) error) error {
	live, files, name := s.live[t.ID], m.Tables[t.Name].Files, d.database+"."+t.Name
	switch {
	case live == nil:
		return each(load.Finding{Table: t.Name, Detail: "the table " + name + " is missing"})
	case live.altered(d.database, t) != nil:
		return each(load.Finding{Table: t.Name, Detail: live.altered(d.database, t).Error()})
	case !slices.Equal(live.columns, columnsOf(t)):
		return each(load.Finding{Table: t.Name, Detail: name + " has other columns than this version's: the next run builds it anew"})
	case len(files) == 0:
		return each(load.Finding{Table: t.Name, Detail: name + ": " + partitionsTable + " says nothing of run " + live.mark.run})
	}
	got, err := d.digestAll(ctx, t)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, f := range files {
		id := partitionID(load.Partition{Table: t.ID, Month: f.Partition})
		have := got[id]
		delete(got, id)
		r := load.Finding{Table: t.Name, Partition: f.Partition, Rows: have.rows, Expected: f.Rows, Digest: f.Digest}
		r.OK = have.rows == f.Rows && have.digest == f.Digest
		switch {
		case r.OK:
			r.Detail = "rows and digest as in " + partitionsTable
		case have.rows != f.Rows:
			r.Detail = where(name, f.Partition) + fmt.Sprintf("the server has %d rows, %s has %d", have.rows, partitionsTable, f.Rows)
		default:
			r.Detail = where(name, f.Partition) + fmt.Sprintf("the server's rows have the digest %s, %s has %s", have.digest, partitionsTable, f.Digest)
		}
		if err := each(r); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		r := load.Finding{Table: t.Name, Partition: month(id), Rows: got[id].rows, Detail: where(name, month(id)) + partitionsTable + " doesn't name this partition"}
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// where names a table and its partition, before what is wrong with it.
func where(table, partition string) string {
	if partition == "" {
		return table + ": "
	}
	return table + ", partition " + partition + ": "
}

// SchemaChanges names the columns that the next publishing adds.
func (d *Destination) SchemaChanges(ctx context.Context) ([]string, error) {
	s, err := d.inspect(ctx)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.foreign(d.database), s.altered(d.database)); err != nil {
		return nil, err
	}
	var out []string
	for _, t := range schemas.Tables() {
		live := s.live[t.ID]
		if live == nil {
			continue
		}
		for _, c := range columnsOf(t) {
			if !slices.Contains(live.columns, c) {
				name, typ, _ := strings.Cut(c, " ")
				out = append(out, fmt.Sprintf("%s gets the column %s %s", t.Name, name, typ))
			}
		}
	}
	return out, nil
}
