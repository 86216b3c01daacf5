package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/extract/mirror"
	"roistat-etl/load"
	"roistat-etl/pipeline/config"
)

// Verified is a finding of an audit: one partition of one destination.
type Verified struct {
	Destination string `json:"destination"`
	Table       string `json:"table"`
	Partition   string `json:"partition"`
	Rows        int64  `json:"rows"`
	Expected    int64  `json:"expected"`
	OK          bool   `json:"ok"`
	Detail      string `json:"detail"`
}

// Verify audits what a pipeline has published: against the manifest always, and
// against the mirror where nothing was extracted since. The findings go to each;
// one that is not right names the file or table, and the remedy. A mirror that is
// damaged keeps nothing from being audited, and is the error in the end.
func Verify(ctx context.Context, p *config.Pipeline, each func(Verified) error) (err error) {
	destinations, err := openDestinations(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDestinations(destinations)) }()
	v := &verifier{pipeline: p, destinations: destinations, each: each}
	for _, d := range destinations {
		if err := v.destination(ctx, d); err != nil {
			return err
		}
	}
	return v.unreadable
}

// verifier is one audit. The mirror is projected once, when it is first needed.
type verifier struct {
	pipeline     *config.Pipeline
	destinations []destination
	each         func(Verified) error
	mirror       *mirrorRows
	unreadable   error // why the mirror is not compared with; nil: it can be read, or there is none
}

// mirrorRows is what the mirror projects to.
type mirrorRows struct {
	id         string
	extracted  string            // run that last extracted into the mirror
	shown      map[string]string // by destination
	rules      map[string]string // by destination: the protection of what it shows
	now        string            // the protection of these rows
	erasing    bool              // who was erased may still be shown
	digests    map[partitionKey]load.Digest
	partitions []load.Partition
}

type partitionKey struct {
	table string
	month string
}

func (v *verifier) destination(ctx context.Context, d destination) error {
	m, err := d.Published(ctx)
	if err != nil {
		return v.each(Verified{Destination: d.target, Detail: unaudited(err)})
	}
	if m == nil {
		return v.nothing(ctx, d)
	}
	rows, note, err := v.comparable(ctx, d, m)
	if err != nil {
		return err
	}
	remedy := v.remedy(m)
	if detail := v.foreign(d, m); detail != "" {
		if err := v.each(Verified{Destination: d.target, Detail: detail}); err != nil {
			return err
		}
	}
	seen := map[partitionKey]bool{}
	a, ok := d.Destination.(load.Auditor)
	if !ok {
		return v.each(Verified{Destination: d.target, Detail: "it can't be audited"})
	}
	err = a.Verify(ctx, func(r load.Finding) error {
		seen[partitionKey{r.Table, r.Partition}] = true
		f := Verified{Destination: d.target, Table: r.Table, Partition: r.Partition, Rows: r.Rows, Expected: r.Expected, OK: r.OK, Detail: r.Detail}
		if f.OK && rows != nil && rows.digests[partitionKey{r.Table, r.Partition}] != r.Digest {
			f.OK, f.Detail = false, place(d, r)+"not what the mirror projects to"
		}
		switch {
		case f.OK:
			f.Detail = note
		case r.Detail != m.Unlinked || m.Unlinked == "": // which says what mends it
			f.Detail += remedy
		}
		return v.each(f)
	})
	if err != nil && ctx.Err() == nil {
		return v.each(Verified{Destination: d.target, Detail: unaudited(err)})
	}
	return errors.Join(err, v.missing(d, rows, seen, remedy))
}

// place names what is wrong where the destination found nothing wrong.
func place(d destination, f load.Finding) string {
	name := f.Table
	if f.Partition != "" {
		name += ", partition " + f.Partition
	}
	return fmt.Sprintf("%s: %s: ", d.target, name)
}

// remedy says what mends damage.
func (v *verifier) remedy(m *load.Manifest) string {
	if v.mirror != nil && v.mirror.id != m.Mirror {
		return fmt.Sprintf(": it was published from mirror %s, and this is mirror %s: repair it where that one is", m.Mirror, v.mirror.id)
	}
	return ": " + v.repairing()
}

// repairing is the command that mends damage.
func (v *verifier) repairing() string {
	return "roistat-etl verify --repair " + v.pipeline.Name + " rebuilds it from the mirror, without a call"
}

// unaudited says why nothing can be told of a destination, and what may help.
func unaudited(err error) string {
	if load.Refuses(err) { // which says what helps
		return err.Error()
	}
	return err.Error() + ": nothing can be told of it; see that it can be reached, and verify again"
}

// nothing says why nothing whole is published: nothing ever was, or readers are
// led to what is broken.
func (v *verifier) nothing(ctx context.Context, d destination) error {
	said := false
	if a, ok := d.Destination.(load.Auditor); ok {
		err := a.Verify(ctx, func(r load.Finding) error {
			said = true
			return v.each(Verified{Destination: d.target, Detail: r.Detail})
		})
		if err != nil && ctx.Err() != nil {
			return err
		}
	}
	if said {
		return nil
	}
	return v.each(Verified{Destination: d.target, Detail: "nothing is published: run publishes it; " + v.repairing()})
}

// foreign says why a manifest, good as it may be, is not the one that should be there.
func (v *verifier) foreign(d destination, m *load.Manifest) string {
	if m.Project != "" && m.Project != v.pipeline.Project { // a database that was never told
		return "what is published is of project " + m.Project + ", the configuration says " + v.pipeline.Project
	}
	if v.mirror == nil || v.mirror.id != m.Mirror {
		return ""
	}
	if v.mirror.erasing {
		return "it may still show clients that were erased from the mirror: forget them again, or run"
	}
	if last, _, _ := strings.Cut(v.mirror.shown[d.String()], " of "); last > m.Run { // run names sort in time
		return "run " + m.Run + " is shown, but run " + last + " was published last: " + v.repairing()
	}
	return ""
}

// missing reports partitions that the mirror projects to and the destination doesn't have.
func (v *verifier) missing(d destination, rows *mirrorRows, seen map[partitionKey]bool, remedy string) error {
	if rows == nil {
		return nil
	}
	for _, p := range rows.partitions {
		if seen[partitionKey{p.Table.String(), p.Month}] {
			continue
		}
		f := Verified{Destination: d.target, Table: p.Table.String(), Partition: p.Month, Expected: p.Rows, Detail: place(d, load.Finding{Table: p.Table.String(), Partition: p.Month}) + "the mirror projects to it, but it is not published" + remedy}
		if err := v.each(f); err != nil {
			return err
		}
	}
	return nil
}

// comparable returns the mirror's rows if they must be those published, or a note why they need not.
func (v *verifier) comparable(ctx context.Context, d destination, m *load.Manifest) (*mirrorRows, string, error) {
	const manifestOnly = "as the manifest says; not compared with the mirror: "
	if v.unreadable != nil {
		return nil, manifestOnly + "it can't be read", nil
	}
	if v.mirror == nil {
		rows, err := v.projectMirror(ctx)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, mirror.ErrEmpty) {
			return nil, manifestOnly + "there is none here", nil
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, "", err
			}
			v.unreadable = err
			return nil, manifestOnly + "it can't be read", nil
		}
		v.mirror = rows
	}
	switch {
	case v.mirror.id != m.Mirror:
		return nil, manifestOnly + "another one was published", nil
	case v.mirror.erasing:
		return nil, manifestOnly + "an erasure has not come to its end", nil
	case v.mirror.shown[d.String()] != shown(m.Run, v.mirror.extracted):
		return nil, manifestOnly + "run " + v.mirror.extracted + " has extracted since", nil
	case v.mirror.rules[d.String()] != v.mirror.now:
		return nil, manifestOnly + "the privacy rules or the salt have changed since", nil
	}
	return v.mirror, "as the manifest says and as the mirror projects", nil
}

// note reads what the mirror says of itself and of the destinations.
func (r *mirrorRows) note(ctx context.Context, m *mirror.Reader, destinations []destination) (err error) {
	if r.id, err = m.ID(ctx); err != nil {
		return err
	}
	if r.erasing, err = erasing(ctx, m); err != nil {
		return err
	}
	if r.extracted, err = m.Meta(ctx, metaExtracted); err != nil {
		return err
	}
	for _, d := range destinations {
		if r.shown[d.String()], err = m.Meta(ctx, metaShown(d)); err != nil {
			return err
		}
		if r.rules[d.String()], err = m.Meta(ctx, metaProtection(d)); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) projectMirror(ctx context.Context) (_ *mirrorRows, err error) {
	m, err := read(ctx, v.pipeline)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	rows := &mirrorRows{digests: map[partitionKey]load.Digest{}, shown: map[string]string{}, rules: map[string]string{}}
	if rows.now, err = protectionOf(v.pipeline).encode(); err != nil {
		return nil, err
	}
	if err := rows.note(ctx, m.Reader, v.destinations); err != nil {
		return nil, err
	}
	spool, err := load.NewSpool(filepath.Dir(m.Path()))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	projected, err := project(ctx, memory.NewGoAllocator(), m.Reader, spool, transformOptions(v.pipeline), runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	rows.partitions = projected.snapshot.Partitions()
	for _, p := range rows.partitions {
		rows.digests[partitionKey{p.Table.String(), p.Month}] = p.Digest
	}
	return rows, nil
}
