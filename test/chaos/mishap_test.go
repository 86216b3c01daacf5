package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"roistat-etl/internal/sim"
	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

// otherProject is one that the API knows, too, and that is not the pipeline's.
const otherProject = "67890"

// mishaps lists what may become of a mirror, or of what is published, between
// two nights. None of them may change what readers see.
func mishaps() []string {
	return []string{
		"older", "older", "older, adopted", "removed", "another project", "another address", "another's mirror",
		"linked file", "linked folder", "hard link", "removed, and the link lost", "removed, and the link dangling", "broken manifest",
	}
}

// backup is a copy of the mirror between two nights, and what it held.
type backup struct {
	dir   string
	run   string // that was published then
	owner string
	model *model
}

// copy is the model as it is now.
func (m *model) copy() *model {
	c := *m
	c.clients, c.listed, c.junk = map[int64]*client{}, maps.Clone(m.listed), maps.Clone(m.junk)
	c.campaigns, c.forgotten = maps.Clone(m.campaigns), maps.Clone(m.forgotten)
	for id, one := range m.clients {
		other := *one
		c.clients[id] = &other
	}
	return &c
}

// copyMirror copies the mirror, if some later step needs it.
func (s *stand) copyMirror() error {
	older := func(t step) bool { return t.Mishap == "older" || t.Mishap == "older, adopted" }
	if !slices.ContainsFunc(s.schedule.Steps, older) || s.last == nil || s.absent() {
		return nil
	}
	b := &backup{dir: filepath.Join(s.dir, fmt.Sprint("copy", len(s.copies))), run: s.last.run, owner: s.mirrorName(), model: s.model.copy()}
	s.copies = append(s.copies, b)
	return copyFiles(s.disk.mirror, b.dir)
}

func copyFiles(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, name := range names(from) {
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// moveAside moves the mirror's files into a folder; back undoes it.
func (s *stand) moveAside() (back func() error, err error) {
	aside := filepath.Join(s.dir, "aside-mirror")
	if err := copyFiles(s.disk.mirror, aside); err != nil {
		return nil, err
	}
	empty := func() (err error) {
		for _, name := range names(s.disk.mirror) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.disk.mirror, name)))
		}
		return err
	}
	return func() error {
		return errors.Join(empty(), copyFiles(aside, s.disk.mirror), os.RemoveAll(aside))
	}, empty()
}

// mishap lets something become of the mirror and runs: that must be refused, or
// be right. Then all is as it was before.
func (s *stand) mishap(t *step) ([]string, error) {
	if s.last == nil || s.owner != s.mirrorName() || s.absent() {
		return nil, nil
	}
	p := *s.pipeline
	switch t.Mishap {
	case "older", "older, adopted":
		return s.older(t.Mishap == "older, adopted")
	case "removed", "removed, and the link lost", "removed, and the link dangling":
		return s.removed(t.Mishap)
	case "broken manifest":
		return s.brokenManifest()
	case "another project":
		p.Project = otherProject
	case "another address":
		p.API.BaseURL = "http://127.0.0.1:1/another/api/v1" // of loopback any port is the same
	case "another's mirror":
		return s.swapped()
	default:
		return s.linked(t.Mishap)
	}
	return s.refused(t.Mishap, &p, 2)
}

// tryRun runs a pipeline with nothing in its way.
func (s *stand) tryRun(p *config.Pipeline, t *step) *pipeline.Report {
	s.recorder.begin(nil)
	return pipeline.Run(context.Background(), p, s.options(t))
}

// refused runs a pipeline, which must end with one of these codes, without a
// call, and leave what is published.
func (s *stand) refused(what string, p *config.Pipeline, codes ...int) ([]string, error) {
	v := &verdict{}
	r := s.tryRun(p, &step{})
	v.that(slices.Contains(codes, r.ExitCode), "%s: the exit code is %d, not %v: %s", what, r.ExitCode, codes, text(r.Error))
	v.that(len(s.recorder.calls()) == 0, "%s: %d calls were made", what, len(s.recorder.calls()))
	return append(v.found, s.untouched(what)...), nil
}

// untouched checks that what is published, and what was before, is as it was.
func (s *stand) untouched(what string) []string {
	now, err := sums(s.last.dir)
	if err != nil || !maps.Equal(now, s.bytes) {
		return []string{fmt.Sprintf("%s: what was published has changed: %v", what, err)}
	}
	dir, err := resolve(s.disk.tables)
	if dir != s.last.dir && !(s.watcher.broken.Load() || errors.Is(err, errNothing)) {
		return []string{fmt.Sprintf("%s: %s is shown", what, filepath.Base(dir))}
	}
	return nil
}

// older puts an older copy in the mirror's place.
func (s *stand) older(adopt bool) ([]string, error) {
	i := len(s.copies) - 1
	for i >= 0 && (s.copies[i].run >= s.last.run || s.copies[i].owner != s.owner) {
		i--
	}
	if i < 0 {
		return nil, nil
	}
	back, err := s.moveAside()
	if err == nil {
		err = copyFiles(s.copies[i].dir, s.disk.mirror)
	}
	if err != nil {
		return nil, err
	}
	found, err := s.refused("an older copy", s.pipeline, 2)
	if err != nil || len(found) > 0 || !adopt {
		return found, errors.Join(err, back())
	}
	s.model = s.copies[i].model.copy()
	return s.replay(&step{Adopt: true, Accept: true, Clean: true})
}

// replay plays a step in the middle of another.
func (s *stand) replay(t *step) ([]string, error) {
	f, found := s.run(t)
	more, err := s.afterwards(f)
	return append(found, more...), err
}

// removed takes the mirror away, and perhaps the link to what is published.
func (s *stand) removed(what string) ([]string, error) {
	back, err := s.moveAside()
	if err != nil {
		return nil, err
	}
	link := map[string]string{"removed, and the link lost": "lost", "removed, and the link dangling": "dangling"}[what]
	if err := s.vandalize(link); err != nil {
		return nil, err
	}
	found, err := s.refused(what, s.pipeline, 5)
	if err := errors.Join(err, back()); err != nil || len(found) > 0 {
		return found, err
	}
	return s.replay(&step{Hours: 1, Accept: true, Clean: true}) // mends the link
}

// brokenManifest spoils the manifest of what is published. The newest whole
// snapshot counts as published then, and the next run mends it all.
func (s *stand) brokenManifest() ([]string, error) {
	s.watcher.look.Lock()
	s.watcher.broken.Store(true)
	err := os.WriteFile(filepath.Join(s.last.dir, "_manifest.json"), []byte(`{"schema":1,"run":`), 0o600)
	s.watcher.look.Unlock()
	if err != nil {
		return nil, err
	}
	f, found := s.run(&step{Accept: true, Clean: true})
	s.watcher.broken.Store(false)
	f.before = nil // gates are passed anyway
	if f.report.ExitCode == 0 {
		s.last, s.bytes = nil, nil
	}
	more, err := s.afterwards(f)
	return append(found, more...), err
}

// swapped puts the mirror of another project into place.
func (s *stand) swapped() ([]string, error) {
	dir := filepath.Join(s.dir, "other")
	p := *s.pipeline
	p.Project, p.Mirror = otherProject, mirrorPath(dir)
	p.Load = []config.Destination{{Parquet: &config.Parquet{Path: filepath.Join(dir, "tables"), Compression: "zstd", Keep: 1}}}
	o := s.options(&step{Budget: 1, NoPublish: true})
	o.Transport = sim.Transport(s.recorder.server) // calls of another project
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if r := pipeline.Run(context.Background(), &p, o); r.ExitCode != 0 && r.ExitCode != 3 {
		return []string{fmt.Sprintf("another project's run ended with %d: %s", r.ExitCode, text(r.Error))}, nil
	}
	back, err := s.moveAside()
	if err == nil {
		err = copyFile(p.Mirror, s.pipeline.Mirror)
	}
	if err != nil {
		return nil, err
	}
	found, err := s.refused("another project's mirror", s.pipeline, 2, 5)
	return found, errors.Join(err, back(), os.RemoveAll(dir))
}

// linked lets a pipeline of another project reach the mirror by another path. By
// a symbolic link the pipeline's own must be at home.
func (s *stand) linked(how string) ([]string, error) {
	dir := filepath.Join(s.dir, "door")
	p := *s.pipeline
	p.Mirror = mirrorPath(dir)
	var err error
	switch how {
	case "linked folder":
		err = os.Symlink(s.disk.mirror, dir)
	case "linked file":
		err = errors.Join(os.Mkdir(dir, 0o700), os.Symlink(s.pipeline.Mirror, p.Mirror))
	default: // on the same disk
		dir = filepath.Join(s.disk.mirror, "door")
		p.Mirror = mirrorPath(dir)
		err = errors.Join(os.Mkdir(dir, 0o700), os.Link(s.pipeline.Mirror, p.Mirror))
	}
	if err != nil {
		return nil, err
	}
	other := p
	other.Project = otherProject
	other.Load = []config.Destination{{Parquet: &config.Parquet{Path: filepath.Join(s.dir, "elsewhere"), Compression: "zstd", Keep: 1}}}
	found, err := s.refused("another project by a "+how, &other, 2)
	if err == nil && len(found) == 0 && how != "hard link" {
		ours := s.pipeline
		s.pipeline = &p
		found, err = s.replay(&step{Accept: true, Clean: true})
		s.pipeline = ours
	}
	return found, errors.Join(err, os.RemoveAll(filepath.Join(s.dir, "elsewhere")), os.RemoveAll(dir))
}
