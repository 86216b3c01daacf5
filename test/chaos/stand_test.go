package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/sim"
	"roistat-etl/internal/sim/world"
	"roistat-etl/load"
	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
	"roistat-etl/test/exits"
)

// maxResponse is the largest answer that the runs take.
const maxResponse = 1 << 20

// stand is a pipeline in a folder against a recorded API.
type stand struct {
	schedule *schedule
	dir      string
	disk     *disk
	watcher  *watcher
	recorder *recorder
	model    *model
	pipeline *config.Pipeline
	last     *snapshot         // what is published
	bytes    map[string]string // the sums of its files
	owner    string            // the mirror that published it: a number of ours
	mirrors  int               // how many mirrors there were
	passed   time.Duration     // of the right time, since the first step
	copies   []*backup         // of the mirror, made between nights
	chances  []chance          // what runs that failed may still come to show
	found    []string
}

// play runs a schedule in process and in virtual time, and returns what is wrong.
func play(t *testing.T, s *schedule) (found []string) {
	t.Helper()
	dir, err := os.MkdirTemp(scratch(), "chaos-")
	if err != nil {
		return []string{err.Error()}
	}
	d, err := newDisk(dir)
	if err != nil {
		return []string{err.Error()}
	}
	w := &watcher{root: d.tables}
	watching, stop := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return w.run(watching) })
	st, err := newStand(s, dir, d, w, true)
	if err == nil {
		err = st.steps(t)
		found = st.found
	}
	if err != nil {
		found = append(found, "the checker: "+err.Error())
	}
	stop()
	err = g.Wait()
	found = append(found, w.found...)
	found = append(found, openFiles(dir)...)
	if err := errors.Join(err, d.close(), os.RemoveAll(dir)); err != nil {
		found = append(found, "the checker: "+err.Error())
	}
	return found
}

// scratch is where seeds have their folders: in memory, where that is to be had.
func scratch() string {
	if s, err := os.Stat("/dev/shm"); err == nil && s.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func newStand(s *schedule, dir string, d *disk, w *watcher, exact bool) (*stand, error) {
	p := s.World
	o := sim.DefaultOptions()
	o.World.Seed, o.World.Clients, o.World.Months, o.World.Whale, o.World.Plain = s.Seed, p.Clients, p.Months, false, p.Plain
	o.World.Loose, o.Projects = p.Loose, []string{"12345", otherProject}
	o.MaxPage, o.ContactPage, o.PerHour, o.PerSecond = p.MaxPage, p.ContactPage, p.SimHour, p.SimSecond
	if !exact {
		o.Latency = 2 * time.Millisecond // time to be killed in
	}
	server, err := sim.New(o)
	if err != nil {
		return nil, err
	}
	st := &stand{schedule: s, dir: dir, disk: d, watcher: w, recorder: &recorder{server: server, gossip: p.Loose}, model: newModel(p, exact)}
	st.pipeline = &config.Pipeline{
		Name: "chaos", Project: "12345", Mirror: mirrorPath(d.mirror),
		API: config.API{
			BaseURL: "http://127.0.0.1:1/api/v1", Key: config.NewSecret("sim-key"), PerSecond: 10, PerHour: p.PerHour,
			Concurrency: p.Concurrency, Timeout: time.Minute, MaxAttempts: p.Attempts, MaxResponse: maxResponse,
		},
		Extract:   config.Extract{PageSize: p.PageSize, Refresh: config.Refresh{MaxAge: 2160 * time.Hour, MinAge: 20 * time.Hour}},
		Transform: config.Transform{Timezone: time.UTC, ReportTimezone: time.UTC, GoneClients: config.GoneDrop, RetainGone: 720 * time.Hour},
		Gates:     config.Gates{MaxFailedClients: 0.01, MaxClientDrop: 0.2, MaxRowDrop: 0.2, MaxRejects: 0.01},
		Load:      []config.Destination{{Parquet: &config.Parquet{Path: d.tables, Compression: "zstd", Keep: p.Keep}}},
	}
	if p.KeepGone {
		st.pipeline.Transform.GoneClients = config.GoneKeep
	}
	for _, id := range p.Campaigns {
		st.pipeline.Extract.Campaigns = append(st.pipeline.Extract.Campaigns,
			config.Campaign{ID: id, Metrics: []string{"sent", "delivered", "opened", "click", "unsubscribe", "spam"}})
	}
	return st, nil
}

func (s *stand) options(t *step) pipeline.Options {
	o := pipeline.Options{
		Log: slog.New(slog.DiscardHandler), ExitCode: exits.Code, Transport: sim.Transport(s.recorder), Workers: s.schedule.World.Workers,
		Full: t.Full, NoExtract: t.NoExtract, NoPublish: t.NoPublish, Adopt: t.Adopt,
	}
	if t.Budget > 0 {
		o.Budget = &t.Budget
	}
	if t.Deadline > 0 {
		o.Deadline = &t.Deadline
	}
	if t.Accept {
		o.Accept = pipeline.GateNames()
	}
	return o
}

// loseMirror removes the mirror, as if its disk had gone.
func (s *stand) loseMirror() error {
	s.mirrors++
	s.model = newModel(s.schedule.World, s.model.exact)
	list, err := filepath.Glob(filepath.Join(s.disk.mirror, "*"))
	for _, name := range list {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// run runs the pipeline with what the step lets happen meanwhile.
func (s *stand) run(t *step) (*facts, []string) {
	v := &verdict{}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	f := &facts{step: t, start: time.Now(), before: s.last, perHour: s.schedule.World.PerHour}
	if t.Full && (s.model.fullSince.IsZero() || s.model.fullSince.After(f.start)) {
		s.model.fullSince = f.start
	}
	f.fullSince = s.model.fullSince
	var fired, runaway atomic.Bool
	most := 5000 + 100*s.schedule.World.Clients
	s.recorder.begin(func(n int) {
		switch {
		case n == most:
			runaway.Store(true)
			cancel(errRunaway)
		case n != t.At:
		case t.Cancel:
			fired.Store(true)
			cancel(pipeline.ErrInterrupted)
		case t.Second:
			v.found = append(v.found, s.second(ctx, t.Linked)...)
		case t.Moves > 0:
			s.recorder.server.Night(1, t.Moves)
		case t.Then != nil:
			if err := s.recorder.server.SetFaults(t.Then); err != nil {
				v.add("the checker: %v", err)
			}
		}
	})
	f.report = pipeline.Run(ctx, s.pipeline, s.options(t))
	f.end = time.Now()
	f.fired = fired.Load()
	if runaway.Load() {
		v.add("%d calls, and no end of them", most)
	}
	f.calls = s.recorder.calls()
	return f, v.found
}

// errRunaway ends a run that asks without end.
var errRunaway = errors.New("the run asks without end")

// afterwards takes the run up into the model and checks what it left.
func (s *stand) afterwards(f *facts) ([]string, error) {
	v := &verdict{}
	start := map[int64]client{}
	for id, c := range s.model.clients {
		start[id] = *c
	}
	s.follow(f)
	after, err := s.shown()
	if err != nil && !errors.Is(err, errNothing) {
		v.add("what is published can't be read: %v", err)
		return v.found, nil
	}
	f.after, f.foreign = after, s.last != nil && s.owner != s.mirrorName()
	gated := f.report != nil && f.report.ExitCode == 5 && !f.foreign
	if gated { // judged by what was fetched, which the mirror then takes back
		if err := s.judge(f, v); err != nil {
			return nil, err
		}
		s.model.restore()
	}
	if !s.absent() {
		var faults []string
		f.lost, faults = s.model.reconcile(context.Background(), s.pipeline.Mirror, f.calls, start, f.disturbed())
		v.found = append(v.found, faults...)
		v.that(f.lost <= s.schedule.World.Concurrency, "%d answers were lost, and at most %d calls are in flight", f.lost, s.schedule.World.Concurrency)
		v.found = append(v.found, s.journal()...)
	}
	if f.report != nil && !gated {
		if err := s.judge(f, v); err != nil {
			return nil, err
		}
	}
	found, err := s.settle(f)
	v.found = append(append(v.found, found...), s.leaks(f)...)
	return v.found, err
}

// judge applies the oracles of a run that ended by itself.
func (s *stand) judge(f *facts, v *verdict) error {
	want, err := s.projection()
	if err == nil {
		v.found = append(v.found, f.check(s.model, want)...)
	}
	return err
}

func (s *stand) projection() (map[int64]rows, error) {
	return s.model.projection(s.recorder.server.State().World())
}

// absent tells whether there is no mirror at all, which is right only where
// nothing was fetched.
func (s *stand) absent() bool {
	info, err := os.Stat(s.pipeline.Mirror)
	return len(s.model.clients) == 0 && (errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 || s.unborn())
}

// unborn tells whether the mirror was never finished being made.
func (s *stand) unborn() bool {
	r, err := mirror.OpenReader(context.Background(), s.pipeline.Mirror)
	if err != nil {
		return errors.Is(err, mirror.ErrEmpty)
	}
	return r.Close() != nil
}

func (s *stand) mirrorName() string { return fmt.Sprint("mirror ", s.mirrors) }

// follow takes the calls of the run up into the model.
func (s *stand) follow(f *facts) {
	pages := s.model.list(f.calls)
	beyond := slices.ContainsFunc(f.calls, func(x *exchange) bool { return x.Method != "list" })
	ended := beyond || f.report != nil && !f.fired && f.report.ExitCode != 1 && f.report.ExitCode != 4 && pages > 0 && f.step.Deadline == 0
	if ended && pages > 0 {
		complete := int64(len(s.model.listed)+len(s.model.junk)) >= s.model.total
		if f.report != nil {
			complete = f.report.Clients.ListComplete
		}
		s.model.finished(complete, true)
	} else if pages > 0 {
		s.model.finished(true, false)
	}
	for _, x := range f.calls {
		if c := s.model.clients[x.Client]; x.Method == "feed" && c != nil {
			c.answer(x, s.model.book)
		}
	}
}

// settle checks that what is published is what was fetched, or what it was, and
// lets the model accept it.
func (s *stand) settle(f *facts) (found []string, err error) {
	now := map[string]string{}
	if f.after != nil {
		if now, err = sums(f.after.dir); err != nil {
			return nil, err
		}
	}
	code, shown := -1, f.after != nil && (f.before == nil || f.after.run != f.before.run)
	if f.report != nil {
		code = f.report.ExitCode
	}
	published := (code == 0 || code == 3) && !f.step.NoPublish
	switch {
	case published && f.after == nil && s.schedule.World.ClickHouse == alone:
	case published && f.after == nil:
		found = append(found, "nothing is published")
	case published, shown:
		want, err := s.projection()
		if err != nil {
			return nil, err
		}
		if differs := f.after.shows(s.model, want); published || len(differs) > 0 && !f.overdue(s.chances) {
			found = append(found, differs...)
		}
		s.owner = s.mirrorName()
	case !maps.Equal(now, s.bytes):
		found = append(found, fmt.Sprintf("the run ended with %d, but what was published has changed", code))
	}
	if f.passed() {
		s.model.accept()
	}
	if code == 0 && f.step.Full {
		s.model.fullSince = time.Time{}
	}
	s.last, s.bytes = f.after, now
	return found, nil
}

// journal checks that no call was made that the mirror doesn't know. A clock that
// was wrong has given stamps by which nobody can tell.
func (s *stand) journal() []string {
	if slices.ContainsFunc(s.schedule.Steps, func(t step) bool { return t.Clock != 0 }) {
		return nil
	}
	since := time.Now().Add(-58 * time.Minute)
	r, err := mirror.OpenReader(context.Background(), s.pipeline.Mirror)
	if err != nil {
		return []string{err.Error()}
	}
	defer r.Close()
	list, err := r.Journal(context.Background(), since)
	if err != nil {
		return []string{err.Error()}
	}
	n := int64(0)
	for _, c := range list {
		n += c.N
	}
	if made := s.recorder.since(since); n < made && s.mirrors == 1 {
		return []string{fmt.Sprintf("%d calls were made, the journal knows %d", made, n)}
	}
	return nil
}

// leaks finds files that should not be there.
func (s *stand) leaks(f *facts) (found []string) {
	for _, name := range names(s.disk.mirror) {
		log := (strings.HasSuffix(name, "-wal") || strings.HasSuffix(name, "-shm")) && (f.step.Disk != "" || f.broken())
		if name != "mirror.db" && !log && f.report != nil && !f.broken() {
			found = append(found, "beside the mirror lies "+name)
		}
	}
	if f.report == nil || f.step.Disk != "" || f.broken() || !f.step.Clean && f.real {
		return found // what a killed run left, the next that publishes removes
	}
	for _, name := range names(s.disk.tables) {
		if !slices.Contains([]string{"current", "current.json", "snapshots", ".lock"}, name) {
			found = append(found, "in the destination lies "+name)
		}
	}
	runs := names(filepath.Join(s.disk.tables, "snapshots"))
	for _, name := range runs {
		if !load.ValidRun(name) {
			found = append(found, "among the snapshots lies "+name)
		}
	}
	if keep := s.schedule.World.Keep; f.after != nil && f.after.run == f.report.Run && len(runs) != 0 && len(runs) > keep {
		found = append(found, fmt.Sprintf("%d snapshots are kept, not %d", len(runs), keep))
	}
	return found
}

func names(dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// final checks, after a run without faults, that the tables are the world.
func (s *stand) final() {
	state := s.recorder.server.State()
	for _, id := range state.Clients() {
		if s.model.forgotten[id] != nil {
			continue
		}
		if c := s.model.clients[id]; c == nil || c.gone || c.stored == nil || !current(state, c) || c.rowOf != s.model.book.of(state, id) {
			s.found = append(s.found, fmt.Sprintf("after a run without faults client %d is not what it is", id))
		}
	}
	for id, c := range s.model.clients {
		if !state.Has(id) && !c.gone {
			s.found = append(s.found, fmt.Sprintf("after a run without faults client %d is still there", id))
		}
	}
}

// current tells whether what is stored of a client is its feed now.
func current(state *world.State, c *client) bool {
	f, ok := state.Feed(c.id)
	return ok && string(world.AppendFeed(nil, f)) == feedHead+string(c.stored.feed)+feedTail
}

// openFiles finds descriptors that were left open below a folder.
func openFiles(dir string) (found []string) {
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return nil
	}
	for _, l := range links {
		if target, err := os.Readlink(l); err == nil && strings.HasPrefix(target, dir+"/") {
			found = append(found, "still open: "+target)
		}
	}
	return found
}
