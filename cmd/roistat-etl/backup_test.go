package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"roistat-etl/internal/s3test"
)

// pods are workers without a disk: all they share is a bucket.
type pods struct{ *inBucket }

const backed = `load: [{parquet: {path: "s3://bucket/bi/tables"}}]
    mirror_backup: s3://bucket/mirrors/demo`

func newPods(t testing.TB) *pods { return &pods{newBucket(t)} }

// pod is an empty disk.
func (p *pods) pod(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	p.configure(t, dir, backed)
	return dir
}

// store is where the server keeps the copies.
func (p *pods) store() string { return p.server.File("bucket", "mirrors/demo") }

// due is what a run's report says was due, and read.
func due(t testing.TB, f finished) (due, fetched int64) {
	t.Helper()
	var r struct{ Feeds struct{ Due, Fetched int64 } }
	if err := json.Unmarshal([]byte(f.stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, f.stdout)
	}
	return r.Feeds.Due, r.Feeds.Fetched
}

// expire makes the lease of a dead pod old.
func (p *pods) expire(t testing.TB) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(p.store(), "lease.json"), old, old); err != nil {
		t.Fatal(err)
	}
}

func TestThreeNightsOnEmptyDisks(t *testing.T) {
	p := newPods(t)
	f := want(t, 0, p.etl(p.pod(t), nil, "run", "--json"))
	if _, fetched := due(t, f); fetched != 60 {
		t.Fatalf("%d feeds were read", fetched)
	}
	shown := p.shown(t)
	for range 2 {
		p.night(t)
		before := p.sim.feedCalls(t)
		dir := p.pod(t)
		f := want(t, 0, p.etl(dir, nil, "run", "--json"))
		n, fetched := due(t, f) // the clients whose row has changed, and no other
		if calls := p.sim.feedCalls(t) - before; n == 0 || n > 30 || fetched != n || calls != n {
			t.Errorf("%d feeds were due, %d read with %d calls", n, fetched, calls)
		}
		if p.shown(t) == shown {
			t.Error("nothing new is shown")
		}
		shown = p.shown(t)
		want(t, 0, p.etl(dir, nil, "verify"))
	}
	f = want(t, 0, p.etl(p.pod(t), nil, "run", "--no-extract"))
	if p.shown(t) != shown {
		t.Errorf("the restored mirror projects to something else:\n%s", f.stdout)
	}
	if f := want(t, 0, p.etl(p.pod(t), nil, "check")); !strings.Contains(f.stdout, "mirror_backup") {
		t.Errorf("check doesn't look at the copies:\n%s", f.stdout)
	}
}

func TestAnOlderCopyIsRefused(t *testing.T) {
	p := newPods(t)
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	former := t.TempDir()
	if err := os.CopyFS(former, os.DirFS(p.store())); err != nil {
		t.Fatal(err)
	}
	p.night(t)
	stale := p.pod(t)
	want(t, 0, p.etl(stale, nil, "run"))
	shown := p.shown(t)
	p.night(t)
	text, err := os.ReadFile(filepath.Join(former, "copy.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(p.store(), "copy.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f := want(t, 2, p.etl(p.pod(t), nil, "run"))
		if !strings.Contains(f.stdout, "an older copy than what is published") || !strings.Contains(f.stdout, "--adopt") || p.shown(t) != shown {
			t.Errorf("%s", f.stdout)
		}
	}
	want(t, 0, p.etl(p.pod(t), nil, "run", "--adopt"))
	p.night(t)
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	f := want(t, 2, p.etl(stale, nil, "run")) // its disk has come back
	if !strings.Contains(f.stdout, "older than its own copy") {
		t.Errorf("%s", f.stdout)
	}
	if err := os.Remove(filepath.Join(stale, "data", "demo", "mirror.db")); err != nil {
		t.Fatal(err)
	}
	want(t, 0, p.etl(stale, nil, "run"))
}

// TestTwoPodsAtOnce holds one up in the midst of its feeds and starts another.
func TestTwoPodsAtOnce(t *testing.T) {
	p := newPods(t)
	p.sim.faults(t, `[{"kind":"delay","method":"feed","n":400}]`)
	first := p.etl(p.pod(t), nil, "run", "--json")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	holds(t, filepath.Join(p.store(), "lease.json"))
	f := want(t, 1, p.etl(p.pod(t), nil, "run"))
	if host, _ := os.Hostname(); !strings.Contains(f.stdout, "is held by run") || !strings.Contains(f.stdout, host) {
		t.Errorf("%s", f.stdout)
	}
	want(t, 0, p.etl(p.pod(t), nil, "run", "--wait", "2m"))
	if err := first.Wait(); err != nil {
		t.Errorf("the first: %v", err)
	}
	if calls := p.sim.feedCalls(t); calls != 60 {
		t.Errorf("%d feeds were read for 60 clients", calls)
	}
}

// TestReadingOnAnEmptyDisk asks a machine without the mirror what another has
// done, while that is at it again.
func TestReadingOnAnEmptyDisk(t *testing.T) {
	p := newPods(t)
	temp := t.TempDir()
	env := []string{"TMPDIR=" + temp}
	if f := want(t, 0, p.etl(p.pod(t), env, "plan")); !strings.Contains(f.stdout, "60 never read") {
		t.Errorf("before the first run:\n%s", f.stdout)
	}
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	p.sim.faults(t, `[{"kind":"delay","method":"feed","n":2000}]`)
	at := p.etl(p.pod(t), nil, "run", "--full")
	if err := at.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = at.Process.Kill(); _ = at.Wait() }() // it was only to hold the lease
	holds(t, filepath.Join(p.store(), "lease.json"))
	for says, args := range map[string][]string{
		"0 never read":           {"plan"},
		"as the mirror projects": {"verify"},
		`"table":"raw"`:          {"show", "1", "--json"},
		`"outcome":"ok"`:         {"status", "--json"},
		"":                       {"rejects"},
	} {
		dir := p.pod(t)
		f := want(t, 0, p.etl(dir, env, args...))
		if !strings.Contains(f.stdout, says) {
			t.Errorf("%s doesn't say %q:\n%s", args, says, f.stdout)
		}
		if left := append(names(t, temp), names(t, dir)...); len(left) != 1 { // pipelines.yaml
			t.Errorf("%s has left %q", args, left)
		}
	}
	for code, fault := range map[int]s3test.Fault{
		1: {Match: "/mirrors/", Cut: true},
		2: {Match: "/mirrors/", Status: 403, Code: "AccessDenied"},
	} {
		p.proxy.Set(fault)
		want(t, code, p.etl(p.pod(t), env, "status"))
		if left := names(t, temp); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
}

// TestThePodsDiskIsFull gives a first night too little room: for the feeds, and for
// the copy of the mirror. Nothing is shown, and with room it goes on.
func TestThePodsDiskIsFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk that is full soon; make test runs as root")
	}
	for _, size := range []string{"200k", "600k"} {
		t.Run(size, func(t *testing.T) {
			p := newPods(t)
			dir := p.pod(t)
			data := filepath.Join(dir, "data")
			if err := errors.Join(os.Mkdir(data, 0o700), syscall.Mount("pod", data, "tmpfs", 0, "size="+size)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(data, 0); err != nil {
					t.Error(err)
				}
			})
			f := want(t, 1, p.etl(dir, nil, "run"))
			for _, says := range []string{"the disk is full", "nothing was published", "run again later", "keep the report"} {
				if !strings.Contains(f.stdout, says) || p.shown(t) != "" {
					t.Errorf("shows %q and doesn't say %q:\n%s", p.shown(t), says, f.stdout)
				}
			}
			before := p.sim.feedCalls(t)
			if err := syscall.Mount("pod", data, "tmpfs", syscall.MS_REMOUNT, "size=100m"); err != nil {
				t.Fatal(err)
			}
			want(t, 0, p.etl(dir, nil, "run"))
			if calls := p.sim.feedCalls(t); p.shown(t) == "" || calls > 60+8 { // those in flight
				t.Errorf("shows %q, %d feeds were read for 60 clients, %d of them before", p.shown(t), calls, before)
			}
		})
	}
}

// TestASignalSavesTheMirror interrupts a first night and goes on on an empty disk.
func TestASignalSavesTheMirror(t *testing.T) {
	p := newPods(t)
	p.sim.faults(t, `[{"kind":"delay","method":"feed","n":200}]`)
	dir := p.pod(t)
	cmd := p.etl(dir, nil, "run", "--json")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for p.sim.feedCalls(t) < 20 {
		time.Sleep(5 * time.Millisecond)
	}
	at := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code is compared
	if code, took := cmd.ProcessState.ExitCode(), time.Since(at); code != 130 || took > 10*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
	p.sim.faults(t, `[]`)
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	if calls := p.sim.feedCalls(t); calls > 60+8 { // those in flight
		t.Errorf("%d feeds were read for 60 clients", calls)
	}
}

// TestAKilledPod loses its disk with it, and its lease is waited for.
func TestAKilledPod(t *testing.T) {
	p := newPods(t)
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	shown := p.shown(t)
	p.night(t)
	p.sim.faults(t, `[{"kind":"delay","method":"feed","n":300}]`)
	cmd := p.etl(p.pod(t), nil, "run", "--full")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for before := p.sim.feedCalls(t); p.sim.feedCalls(t) < before+8; {
		time.Sleep(5 * time.Millisecond)
	}
	_ = cmd.Process.Kill() // it can't have ended
	_ = cmd.Wait()
	p.sim.faults(t, `[]`)
	want(t, 1, p.etl(p.pod(t), nil, "run"))
	p.expire(t)
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	if p.shown(t) == shown {
		t.Error("nothing new is shown")
	}
}

// TestBackupTrouble lets the copies' bucket fail, and wants nothing published that
// was not saved.
func TestBackupTrouble(t *testing.T) {
	p := newPods(t)
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	for _, c := range []struct {
		name  string
		code  int
		says  string
		fault s3test.Fault
	}{
		{"no lease may be written", 2, "s3:PutObject", s3test.Fault{Method: "PUT", Match: "lease.json", Status: 403, Code: "AccessDenied"}},
		{"no copy can be put", 1, "nothing was published", s3test.Fault{Method: "PUT", Match: "/copies/", Status: 500, Code: "InternalError"}},
		{"the copy comes half", 1, "restore the mirror", s3test.Fault{Method: "GET", Match: "/copies/", Half: true}},
		{"the copy is gone", 2, "copy.json", s3test.Fault{Method: "GET", Match: "/copies/", Status: 404, Code: "NoSuchKey"}},
		{"the pointer can't be put", 1, "nothing was published", s3test.Fault{Method: "PUT", Match: "copy.json", Cut: true}},
		{"away", 1, "lease", s3test.Fault{Match: "/mirrors/", Cut: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := p.shown(t)
			p.night(t)
			p.proxy.Set(c.fault)
			dir := p.pod(t)
			f := want(t, c.code, p.etl(dir, nil, "run"))
			if !strings.Contains(f.stdout, c.says) || p.shown(t) != before {
				t.Errorf("it doesn't say %q, or shows something else:\n%s", c.says, f.stdout)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "data/demo/mirror.db.*")); err != nil || len(left) > 0 {
				t.Errorf("left: %q", left)
			}
			p.proxy.Set()
			want(t, 0, p.etl(p.pod(t), nil, "run", "--wait", "10s"))
			if p.shown(t) == before {
				t.Error("the next night did not go on")
			}
		})
	}
}

// TestForgottenInTheCopies erases a client and looks for it in every copy.
func TestForgottenInTheCopies(t *testing.T) {
	p := newPods(t)
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	p.night(t)
	want(t, 0, p.etl(p.pod(t), nil, "run"))
	if n := p.feedsOf(t, 7); n == 0 {
		t.Fatal("client 7 has no feed")
	}
	want(t, 0, p.etl(p.pod(t), nil, "forget", "7"))
	if n := p.feedsOf(t, 7); n != 0 {
		t.Errorf("client 7 is in %d copies", n)
	}
	if list := p.snapshots(t); len(list) != 1 {
		t.Errorf("snapshots: %q", list)
	}
	p.night(t)
	want(t, 0, p.etl(p.pod(t), nil, "run", "--full"))
	if n := p.feedsOf(t, 7); n != 0 {
		t.Errorf("client 7 is in %d copies again", n)
	}
}

// feedsOf is in how many copies a client has a feed.
func (p *pods) feedsOf(t testing.TB, client int) (n int) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(p.store(), "copies", "*"))
	if err != nil || len(list) == 0 {
		t.Fatalf("%d copies: %v", len(list), err)
	}
	for _, name := range list {
		var found int
		plain := unpacked(t, name)
		db, err := sql.Open("sqlite", plain)
		if err == nil {
			err = errors.Join(db.QueryRow("SELECT (SELECT count(*) FROM feeds WHERE id = ?1) + (SELECT count(*) FROM feeds_before WHERE id = ?1)", client).Scan(&found), db.Close())
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n += min(found, 1)
	}
	return n
}

// unpacked decompresses a copy.
func unpacked(t testing.TB, name string) string {
	t.Helper()
	packed, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text, err := z.DecodeAll(packed, nil)
	plain := filepath.Join(t.TempDir(), "copy.db")
	if err := errors.Join(err, os.WriteFile(plain, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	return plain
}
