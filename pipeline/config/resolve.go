package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"roistat-etl/transform/privacy"
)

// Need is a set of parts of a pipeline that a command uses.
type Need uint

// The parts, and all of them.
const (
	NeedAPI       Need = 1 << iota // api with its key, and extract
	NeedTransform                  // transform but for the salt
	NeedSalt                       // the salt, if any rule hashes
	NeedGates                      // gates
	NeedMirror                     // mirror and mirror_backup
	NeedLoad                       // load but for passwords
	NeedPassword                   // the passwords of destinations
	NeedProject                    // the project alone
	NeedAll       = NeedProject<<1 - 1
)

const (
	fileSuffix    = "_file"
	maxSecretFile = 64 << 10
)

// twin gives the name of the key that a key excludes, if there is one.
func twin(name string) string {
	if base, ok := strings.CutSuffix(name, fileSuffix); ok {
		return base
	}
	return name + fileSuffix
}

// Resolve reads the secrets of the parts that are needed and reports what is
// wrong with them, and every variable there that isn't set: errors of type
// *Error, joined in line order. It may be called again for other parts, but not
// by two goroutines at once.
func (p *Pipeline) Resolve(needs Need) error { return Resolve([]*Pipeline{p}, needs) }

// Resolve does what Pipeline.Resolve does for pipelines of one file; a fault in
// their common defaults is reported once.
func Resolve(pipelines []*Pipeline, needs Need) error {
	var found problems
	for _, p := range pipelines {
		if p.src == nil {
			continue
		}
		found.file = p.src.file
		for _, l := range p.src.later {
			if l.need&p.has(needs) == 0 {
				continue
			}
			if fault := l.run(); fault != "" {
				found.add(l.at, "%s", fault)
			}
		}
	}
	return found.err()
}

// has gives those of the needs that the pipeline has: without a rule that hashes
// nobody needs its salt.
func (p *Pipeline) has(needs Need) Need {
	if !p.Transform.Privacy.Hash() {
		return needs &^ NeedSalt
	}
	return needs
}

// secret is a key whose value is never shown. One without variables is looked
// into at once, any other when it is needed.
func secret[T any](name string, need Need, at func(*T) *Secret, check func(string) error) key[T] {
	set := func(c cursor, t *T, n *node) {
		c.marks[at(t)] = mark{at: n.at, path: c.path}
		if !c.single(n) {
			return
		}
		fill := func() string {
			text, err := expand(n.text, c.env)
			return c.keep(at(t), text, err, check)
		}
		if strings.Contains(n.text, "$") {
			c.later = append(c.later, deferred{need, n.at, fill})
		} else if fault := fill(); fault != "" {
			c.add(n.at, "%s", fault)
		}
	}
	return key[T]{name: name, need: need, set: set, show: showSecret(at)}
}

// keep fills the field if its text could be had and is good, or gives the fault.
func (c cursor) keep(field *Secret, text string, err error, check func(string) error) string {
	if err == nil {
		err = check(text)
	}
	if err != nil {
		return c.path + " " + err.Error()
	}
	*field = NewSecret(text)
	return ""
}

// showSecret shows that a secret stands here; one from a file does not.
func showSecret[T any](at func(*T) *Secret) func(*source, *T) any {
	return func(s *source, t *T) any {
		if _, ok := s.mark(at(t)); ok || s == nil && at(t).text != nil {
			return redacted
		}
		return nil
	}
}

// secretFile is a key with the path of a file that holds a secret.
func secretFile[T any](name string, need Need, dir string, at func(*T) *string, into func(*T) *Secret, check func(string) error) key[T] {
	path := leaf(name, at, filePath(dir))
	set := func(c cursor, t *T, n *node) {
		path.set(c, t, n)
		if *at(t) == "" {
			return
		}
		c.later = append(c.later, deferred{need, n.at, func() string {
			text, err := readSecret(*at(t))
			return c.keep(into(t), text, err, check)
		}})
	}
	show := func(s *source, t *T) any {
		if _, ok := s.mark(at(t)); !ok && *at(t) == "" {
			return nil
		}
		return path.show(s, t)
	}
	return key[T]{name: name, need: need, set: set, show: show}
}

// readSecret gives a file's text without its last line break and without the byte
// order mark that editors on Windows put before it.
func readSecret(path string) (string, error) {
	data, err := readBounded(path, maxSecretFile)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return "", fmt.Errorf("names a file in UTF-16: save %s as UTF-8", path)
	}
	text, cut := strings.CutSuffix(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	if cut {
		text = strings.TrimSuffix(text, "\r")
	}
	if text == "" {
		return "", fmt.Errorf("names an empty file: %s", path)
	}
	return text, nil
}

// readBounded gives a file's bytes, at most so many of them.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s is larger than %d KiB", path, most>>10)
	}
	return data, nil
}

// headerText takes what can be sent in a header.
func headerText(text string) error {
	switch {
	case text == "":
		return errors.New("is empty")
	case strings.ContainsFunc(text, isControl):
		return errors.New("holds a line break or another control character")
	case strings.TrimSpace(text) != text:
		return errors.New("begins or ends with a space")
	}
	return nil
}

func saltText(text string) error {
	if len(text) < privacy.MinSalt {
		return fmt.Errorf("is shorter than %d bytes", privacy.MinSalt)
	}
	return nil
}

func anyText(string) error { return nil }
