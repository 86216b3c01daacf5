package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
)

// Load reads and judges a configuration file; env looks a variable up, as
// os.LookupEnv does. The error is about the file itself, or it joins an *Error
// for each fault, in line order. Variables that are not set and secrets wait for
// Resolve.
func Load(path string, env func(string) (string, bool)) (*File, error) {
	data, err := readBounded(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	f, err := parse(path, data, env)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// parse gives what could be read, beside all that is wrong.
func parse(path string, data []byte, env func(string) (string, bool)) (*File, error) {
	found := &problems{file: path}
	root := parseYAML(bytes.TrimPrefix(data, []byte("\ufeff")), found)
	if root == nil {
		return nil, found.err()
	}
	r := newReader(path, found, env)
	f := &File{Path: path}
	doc := r.document(root)
	f.Version = doc.version
	for i, n := range r.entries(doc) {
		if found.full() {
			break
		}
		f.Pipelines = append(f.Pipelines, r.pipeline(i, doc.defaults, n))
	}
	checkAll(f.Pipelines, found)
	return f, found.err()
}

// reader reads the nodes of one file.
type reader struct {
	found    *problems
	env      func(string) (string, bool)
	dir      string
	pipes    table[Pipeline]
	top      table[document]
	allKnown []known
}

func newReader(path string, found *problems, env func(string) (string, bool)) *reader {
	r := &reader{found: found, env: env, dir: filepath.Dir(path)}
	r.pipes = pipelineTable(r.dir)
	r.top = fileTable(r.pipes)
	r.allKnown = r.top.known()
	return r
}

func (r *reader) cursor(src *source) cursor {
	return cursor{problems: r.found, source: src, env: r.env, all: r.allKnown}
}

func (r *reader) source(at place) *source {
	return &source{file: r.found.file, at: at, marks: map[any]mark{}}
}

// document reads the top of the file, and the defaults for their own faults: a
// pipeline may hide them all.
func (r *reader) document(root *node) *document {
	doc := &document{}
	if root.kind != mapKind {
		c := r.cursor(nil)
		c.path = "the file"
		c.fault(root, "wants keys and values at its top, not %v", root.kind)
		return doc
	}
	r.top.read(r.cursor(r.source(root.at)), doc, root)
	if doc.defaults != nil {
		c := r.cursor(r.source(doc.defaults.at))
		c.partial = true
		if doc.defaults.kind != mapKind && doc.defaults.kind != nullKind {
			c.enter("defaults", doc.defaults.at, 0).fault(doc.defaults, "wants keys and values, not %v", doc.defaults.kind)
			doc.defaults = nil
			return doc
		}
		r.pipes.read(c, newPipeline(), doc.defaults)
	}
	return doc
}

// entries gives the nodes of the pipelines.
func (r *reader) entries(doc *document) []*node {
	n := doc.pipelines
	switch {
	case n == nil:
		return nil
	case n.kind != listKind && n.kind != nullKind:
		r.cursor(nil).enter("pipelines", n.at, 0).fault(n, "wants a list, not %v", n.kind)
	case len(n.items) == 0:
		r.found.add(n.at, "pipelines wants one or more pipelines")
	case len(n.items) > maxPipelines:
		r.found.add(n.at, "%d pipelines: at most %d are taken", len(n.items), maxPipelines)
	default:
		return n.items
	}
	return nil
}

func (r *reader) pipeline(i int, defaults, own *node) *Pipeline {
	p := newPipeline()
	p.src = r.source(own.at)
	if own.kind != mapKind {
		r.cursor(p.src).enter("pipelines", own.at, 0).entry(i).fault(own, "wants keys and values, not %v", own.kind)
		return p
	}
	c := r.cursor(p.src)
	r.pipes.read(c, p, withAPI(merge(defaults, own)))
	r.finish(p)
	check(p, r.found)
	return p
}

// withAPI gives a pipeline without api an empty one, whose key is then missed.
func withAPI(n *node) *node {
	if n.find("api") != nil {
		return n
	}
	out := *n
	out.pairs = append(out.pairs[:len(out.pairs):len(out.pairs)], pair{"api", n.at, &node{kind: nullKind, at: n.at}})
	return &out
}

// finish sets what depends on other keys, and empties what has no value yet: no
// command may take a default for it.
func (r *reader) finish(p *Pipeline) {
	if _, own := p.src.marks[&p.Mirror]; !own && p.Name != "" {
		p.Mirror = filepath.Join(r.dir, "data", p.Name, "mirror.db")
	}
	for field, m := range p.src.marks {
		if m.unset != "" {
			zero(field)
		}
	}
}

// Select gives the pipelines of these names, each once and in this order; all of
// them if there are no names. An unknown name is an error that names the nearest.
func (f *File) Select(names []string) ([]*Pipeline, error) {
	if len(names) == 0 {
		return f.Pipelines, nil
	}
	byName, known := map[string]*Pipeline{}, []string{}
	for _, p := range f.Pipelines {
		byName[p.Name] = p
		known = append(known, p.Name)
	}
	var out []*Pipeline
	for _, name := range names {
		p, ok := byName[name]
		if !ok {
			near, _ := nearest(name, known)
			return nil, fmt.Errorf("unknown pipeline %q: did you mean %q? %s holds %s", shorten(name), near, f.Path, strings.Join(known, ", "))
		}
		if p != nil {
			out = append(out, p)
		}
		byName[name] = nil
	}
	return out, nil
}
