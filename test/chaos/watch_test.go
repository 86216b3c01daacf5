package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// watcher is a reader that reads all the time, in real time and from outside of
// the run: it resolves the link once and demands that manifest and files agree.
// It also puts obstacles where a run is about to write, if it is told to.
type watcher struct {
	root     string
	obstacle atomic.Bool // in the place of the next link
	broken   atomic.Bool // the link leads nowhere, by our doing
	passes   atomic.Int64
	look     sync.Mutex // held while it must not look
	found    []string   // belongs to run until it ends
}

// rest is between two looks of the watcher.
const rest = 500 * time.Microsecond

// run reads until the context ends.
func (w *watcher) run(ctx context.Context) error {
	seen, since := "", 0
	for ctx.Err() == nil {
		if w.obstacle.Load() {
			w.obstruct()
		}
		if w.look.TryLock() { // not Lock: who holds it waits in virtual time
			seen, since = w.read(seen, since)
			w.look.Unlock()
		}
		time.Sleep(rest)
	}
	return nil
}

// read looks once. What it has seen twice it looks at less often.
func (w *watcher) read(seen string, since int) (string, int) {
	dir, err := resolve(w.root)
	switch {
	case errors.Is(err, errNothing):
		return "", 0
	case err != nil:
		w.found = append(w.found, fmt.Sprintf("a reader: %v", err))
		return "", 0
	case dir != seen:
		since = 0
	}
	if (since < 2 || since%200 == 0) && !w.broken.Load() {
		w.passes.Add(1)
		if err := whole(dir); err != nil {
			if now, again := resolve(w.root); again == nil && now == dir { // else it had to make room meanwhile
				w.found = append(w.found, fmt.Sprintf("a reader of %s: %v", filepath.Base(dir), err))
			}
		}
	}
	return dir, since + 1
}

// whole checks a snapshot against its own manifest.
func whole(dir string) error {
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	if m.Run != filepath.Base(dir) {
		return fmt.Errorf("the manifest is that of %s", m.Run)
	}
	have, err := sums(dir)
	if err != nil {
		return err
	}
	files := 2 // manifest and views
	for _, t := range m.Tables {
		for _, f := range t.Files {
			files++
			if have[f.Path] != f.SHA256 {
				return fmt.Errorf("%s has the sum %q, the manifest says %s", f.Path, have[f.Path], f.SHA256)
			}
		}
	}
	if len(have) != files || have["views.sql"] == "" {
		return fmt.Errorf("there are %d files, the manifest makes it %d", len(have), files)
	}
	return nil
}

// obstruct puts a folder where the run that is staging will put its link.
func (w *watcher) obstruct() {
	list, err := filepath.Glob(filepath.Join(w.root, "snapshots", ".staging-*"))
	if err != nil || len(list) == 0 {
		return
	}
	run := strings.TrimPrefix(filepath.Base(list[0]), ".staging-")
	if i := strings.LastIndex(run, "-"); len(run) > 23 && i > 0 {
		run = run[:23]
	}
	name := filepath.Join(w.root, ".current-"+run)
	if os.Mkdir(name, 0o700) == nil {
		w.obstacle.Store(false)
	}
}
