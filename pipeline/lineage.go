package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"roistat-etl/extract/mirror"
	"roistat-etl/load"
	"roistat-etl/pipeline/config"
)

// lineage judges whether what a destination shows was published from a mirror as
// it is now. Whoever publishes from another one, or from an older copy, would
// bring back what was, and pay for the rest once more.
type lineage struct {
	path     string
	id       string // of the mirror; empty: there is none
	knowsRun func(context.Context, string) (bool, error)
}

// lineageOf is the lineage of a mirror; m may be nil.
func lineageOf(ctx context.Context, p *config.Pipeline, m *mirror.Reader) (l lineage, err error) {
	l.path = p.Mirror
	if m != nil {
		l.knowsRun = m.KnowsRun
		l.id, err = m.ID(ctx)
	}
	return l, err
}

// judge fails with class Stopped where a destination shows another mirror's work,
// or this mirror doesn't exist, and with Misconfigured where this mirror is older
// than what was published from it. m is nil where nothing is published.
func (l lineage) judge(ctx context.Context, d destination, m *load.Manifest) error {
	switch {
	case m == nil:
		return nil
	case l.id == "":
		return classed(Stopped, "the mirror %s does not exist or is empty, but %s shows run %s, which was published from mirror %s: is the disk mounted? Mount it, or restore the mirror; if everything is to be fetched anew, run once with --adopt",
			l.path, d, m.Run, m.Mirror)
	case m.Mirror != l.id:
		return classed(Stopped, "%s shows run %s of another mirror, %s, and this is mirror %s: is it the right file? Bring back the one that published; if this one is to take over, run once with --adopt",
			d, m.Run, m.Mirror, l.id)
	}
	if l.knowsRun == nil {
		return nil // its copy is only restored by a run
	}
	known, err := l.knowsRun(ctx, m.Run)
	if err == nil && !known {
		err = classed(Misconfigured, "%s shows run %s, of which the mirror %s knows nothing, though it is the mirror of that run: it is an older copy than what is published. Bring back a newer copy; or run once with --adopt to go on from this one, then what was fetched since is fetched again",
			d, m.Run, l.path)
	}
	return err
}

// refuses tells, for people, why a run would refuse to publish there; empty if it
// would not, or nobody knows.
func (l lineage) refuses(ctx context.Context, d destination, m *load.Manifest) string {
	var known *Error
	if err := l.judge(ctx, d, m); errors.As(err, &known) {
		return err.Error()
	}
	return ""
}

// isAbsent reports whether there is no mirror at a path, or an empty file: a disk
// may not be mounted.
func isAbsent(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

// refuseAbsent refuses to make a mirror where something is published: it would
// cost every call, and end with another mirror's work.
func (r *running) refuseAbsent(ctx context.Context) (err error) {
	if r.options.Adopt {
		return nil
	}
	destinations, err := openWith(r.pipeline, r.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDestinations(destinations)) }()
	l := lineage{path: r.pipeline.Mirror}
	for _, d := range destinations {
		m, err := d.Published(ctx)
		if err != nil {
			r.log.Warn("what is published can't be read yet, it is asked again before anything is published", "destination", d.String(), "error", err)
			continue
		}
		if err := l.judge(ctx, d, m); err != nil {
			return err
		}
	}
	return nil
}

// foresee fails as a run with this mirror would before its first call. m may be nil.
func foresee(ctx context.Context, p *config.Pipeline, m *mirror.Reader) (err error) {
	l, err := lineageOf(ctx, p, m)
	if err == nil && m != nil {
		var project, address string
		if project, address, err = filledFrom(ctx, m); err == nil {
			err = refuseOther(p, project, address, false)
		}
	}
	if err != nil {
		return err
	}
	destinations, err := openDestinations(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDestinations(destinations)) }()
	for _, d := range destinations {
		m, err := d.Published(ctx)
		if err != nil {
			continue // the rest of the plan says so
		}
		if err := l.judge(ctx, d, m); err != nil {
			return err
		}
	}
	return nil
}

// lookAhead opens the destinations and reads what they show, before the first
// call. A mirror that may not be published there is refused; a destination that
// can't be read is asked again at publishing.
func (r *running) lookAhead(ctx context.Context) (err error) {
	if r.destinations, err = openWith(r.pipeline, r.log); err != nil {
		return err
	}
	published, unread := r.published(ctx)
	if err := r.nameAfter(ctx, published); err != nil {
		return err
	}
	if err := r.judgeLineage(ctx, published); err != nil {
		return err
	}
	if r.held.restored { // nobody knows how old the copy is
		return unread
	}
	return nil
}

// judgeLineage refuses to publish from the held mirror over what it has not
// published. A destination with another mirror's work stops a run, but an erasure
// serves each destination by itself.
func (r *running) judgeLineage(ctx context.Context, published []*load.Manifest) error {
	if r.options.Adopt {
		return nil
	}
	l, err := lineageOf(ctx, r.pipeline, r.mirror.Reader)
	if err != nil {
		return err
	}
	for i, m := range published {
		err := l.judge(ctx, r.destinations[i], m)
		var known *Error
		if errors.As(err, &known) && known.Class == Stopped && r.eachApart {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nameAfter gives the run a later name if a clock that was ahead gave one to a run
// that is published, or that the mirror knows: the latest name counts.
func (r *running) nameAfter(ctx context.Context, published []*load.Manifest) error {
	last, err := r.mirror.LastRun(ctx, metaExtracted)
	if err != nil {
		return err
	}
	for _, m := range published {
		if m != nil && (m.Mirror == r.mirrorID || r.options.Adopt) {
			last = max(last, m.Run)
		}
	}
	name, err := nextRun(r.report.Run, last)
	if err != nil || name == r.report.Run {
		return err
	}
	r.report.Run = name
	reason := fmt.Sprintf("run %s has a later name than the clock gives, which was ahead then or is behind now: this run goes on from that name, as %s", last, name)
	r.report.Reasons = append(r.report.Reasons, reason)
	r.log.Warn(reason)
	return nil
}
