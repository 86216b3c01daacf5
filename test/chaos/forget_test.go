package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/canary"
	"roistat-etl/pipeline"
)

// person is a client who was forgotten: the words that must be nowhere any more.
type person struct{ words []string }

// personOf takes the words from the client's row, as the typed world has it.
func personOf(c *client) *person {
	p := &person{}
	for _, row := range c.rowOf.row["clients"] {
		for _, column := range []string{"email", "phone"} {
			_, value, _ := strings.Cut(" ¦ "+row, " ¦ "+column+"=")
			value, _, _ = strings.Cut(value, " ¦ ")
			if len(value) > 5 && value != null { // less is no contact
				p.words = append(p.words, value)
			}
		}
	}
	return p
}

// knows reports whether a row of a campaign names somebody who was forgotten.
func (m *model) knows(row []byte) bool {
	row = bytes.ToLower(row)
	for _, p := range m.forgotten {
		if slices.ContainsFunc(p.words, func(w string) bool { return bytes.Contains(row, []byte(strings.ToLower(w))) }) {
			return true
		}
	}
	return false
}

// words are those of everybody who was forgotten.
func (m *model) words() (list canary.Words) {
	for _, id := range slices.Sorted(maps.Keys(m.forgotten)) {
		for _, w := range m.forgotten[id].words {
			list = append(list, w, strings.ToLower(w))
		}
	}
	return list
}

// forgotten checks that nobody who was forgotten is asked for.
func (f *facts) forgotten(v *verdict, m *model) {
	for _, x := range f.calls {
		v.that(x.Method != "feed" || m.forgotten[x.Client] == nil, "client %d was forgotten, and is asked for", x.Client)
	}
}

// forget lets clients be forgotten, with what is wrong with the disk first and
// then, where that failed, once more.
func (s *stand) forget(t *step) ([]string, error) {
	ids := s.known(t.Forget)
	if len(ids) == 0 || s.last != nil && s.owner != s.mirrorName() {
		return nil, nil
	}
	undo, err := s.disk.spoil(t.Disk, t.Room, s.watcher)
	if err != nil {
		return nil, err
	}
	e := pipeline.Forget(context.Background(), s.pipeline, ids, s.options(&step{Accept: true}))
	if err := undo(); err != nil {
		return nil, err
	}
	v := &verdict{}
	v.that(e.ExitCode == 0 || t.Disk != "", "forget ended with %d: %s", e.ExitCode, text(e.Error))
	if e.ExitCode != 0 && t.Disk != "" {
		e = pipeline.Forget(context.Background(), s.pipeline, ids, s.options(&step{Accept: true}))
		v.that(e.ExitCode == 0, "forget, once more after a full disk, ended with %d: %s", e.ExitCode, text(e.Error))
	}
	if len(v.found) > 0 {
		return v.found, nil
	}
	return s.erased(ids)
}

// known are those of the clients that the mirror knows.
func (s *stand) known(clients []int64) (ids []int64) {
	for _, id := range clients {
		if s.model.clients[id] != nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// forget lets the real program forget clients. It is killed a few times, each
// time a little later, and then comes to its end.
func (p *processes) forget(t *step) ([]string, error) {
	ids := p.known(t.Forget)
	if len(ids) == 0 {
		return nil, nil
	}
	name, err := program()
	if err != nil {
		return nil, err
	}
	args := []string{"forget", "--json", "--accept", strings.Join(pipeline.GateNames(), ",")}
	for _, id := range ids {
		args = append(args, fmt.Sprint(id))
	}
	for n := range 4 {
		cmd := exec.Command(name, args...)
		cmd.Dir = p.dir
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		if n < 3 {
			timer := time.AfterFunc(time.Duration(n+1)*t.After, func() { _ = cmd.Process.Kill() }) // it may have ended
			_ = cmd.Wait()                                                                         // however it ended, the last one says
			timer.Stop()
			continue
		}
		if err := cmd.Wait(); err != nil {
			return []string{fmt.Sprintf("forget, after it was killed, ended with %v: %s", err, said.String())}, nil
		}
	}
	return p.erased(ids)
}

// erased checks that an erasure has left nothing of the clients, and of all
// others everything.
func (s *stand) erased(ids []int64) ([]string, error) {
	v := &verdict{}
	for _, id := range ids {
		s.model.forgotten[id] = personOf(s.model.clients[id])
		delete(s.model.clients, id)
	}
	if s.last != nil {
		s.model.accept()
	}
	_, faults := s.model.reconcile(context.Background(), s.pipeline.Mirror, nil, nil, false)
	v.found = append(v.found, faults...)
	after, err := readSnapshot(s.disk.tables)
	switch {
	case errors.Is(err, errNothing):
		v.that(s.last == nil, "nothing is published after an erasure")
	case err != nil:
		v.add("what is published can't be read after an erasure: %v", err)
	default:
		want, err := s.projection()
		if err != nil {
			return nil, err
		}
		v.found = append(v.found, after.shows(s.model, want)...)
		runs := names(filepath.Join(s.disk.tables, "snapshots"))
		v.that(len(runs) == 1, "after an erasure there are the snapshots %v", runs)
		if s.bytes, err = sums(after.dir); err != nil {
			return nil, err
		}
		s.last = after
	}
	found, err := s.remains()
	return append(v.found, found...), err
}

// remains finds what is left of those who were forgotten: by bytes in all files,
// and by what is packed in mirror and tables.
func (s *stand) remains() (found []string, err error) {
	words := s.model.words()
	for _, dir := range []string{s.disk.mirror, s.disk.tables} {
		list, err := words.Files(dir, nil)
		if err != nil {
			return nil, err
		}
		found = append(found, list...)
	}
	look := func(where string, text []byte) {
		if w := words.In(bytes.ToLower(text)); w != "" && len(found) < 10 {
			found = append(found, where+" still holds "+w)
		}
	}
	if s.last != nil {
		if err := everyCell(s.last.dir, look); err != nil {
			return nil, err
		}
	}
	if s.absent() {
		return found, nil
	}
	return found, s.everyText(look)
}

// everyText looks at all that the mirror keeps packed.
func (s *stand) everyText(look func(where string, text []byte)) error {
	ctx := context.Background()
	r, err := mirror.OpenReader(ctx, s.pipeline.Mirror)
	if err != nil {
		return err
	}
	defer r.Close()
	var buffer mirror.Buffer
	for block, err := range r.Scan(ctx, 256) {
		if err != nil {
			return err
		}
		for i := range block {
			c, err := block[i].Unpack(&buffer)
			if err != nil {
				return err
			}
			look(fmt.Sprintf("the row of client %d in the mirror", c.ID), c.Row)
		}
	}
	for c, err := range r.Campaigns(ctx) {
		if err != nil {
			return err
		}
		for _, row := range c.Rows {
			look(fmt.Sprintf("campaign %d in the mirror", c.ID), row)
		}
	}
	runs, err := r.Runs(ctx, 1000)
	for _, run := range runs {
		look("the report of run "+run.Run, []byte(run.Report))
	}
	return err
}
