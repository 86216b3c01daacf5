package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"roistat-etl/internal/s3test"
)

// inBucket is a folder whose pipeline publishes into a bucket.
type inBucket struct {
	dir    string
	sim    *standIn
	server *s3test.Server
	proxy  *s3test.Proxy
}

// newBucket starts a stand-in and an S3 server and writes a pipelines.yaml.
func newBucket(t testing.TB) *inBucket {
	t.Helper()
	b := &inBucket{dir: t.TempDir(), sim: newSim(t, "--clients", "60", "--months", "3"), server: s3test.Start(t, "bucket")}
	b.proxy = b.server.Proxy(t)
	b.configure(t, b.dir, "load: [{parquet: {path: \"s3://bucket/bi/tables\"}}]")
	return b
}

// configure writes a pipelines.yaml that ends with the given lines.
func (b *inBucket) configure(t testing.TB, dir string, lines ...string) {
	t.Helper()
	text := fmt.Sprintf(`version: 1
pipelines:
  - name: demo
    project: "12345"
    api: {base_url: "%s/api/v1", key: "${ROISTAT_API_KEY}", per_second: 100000, per_hour: 10000000, max_attempts: 2}
    %s
`, b.sim.url, strings.Join(lines, "\n    "))
	if err := os.WriteFile(filepath.Join(dir, "pipelines.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// etl is a command line of the program that asks the proxy.
func (b *inBucket) etl(dir string, env []string, args ...string) *exec.Cmd {
	cmd := etl(dir, args...)
	cmd.Env = append(append(cmd.Env, s3test.Environ(b.proxy.Addr)...), env...)
	return cmd
}

// shown is the run that current.json shows, and that its snapshot is there.
func (b *inBucket) shown(t testing.TB) string {
	t.Helper()
	var p struct{ Run, Prefix string }
	text, err := os.ReadFile(b.server.File("bucket", "bi/tables/current.json"))
	if os.IsNotExist(err) {
		return ""
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil {
		_, err = readManifest(b.server.File("bucket", p.Prefix))
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.Run
}

// snapshots lists what lies beside the shown one.
func (b *inBucket) snapshots(t testing.TB) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(b.server.File("bucket", "bi/tables/snapshots"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func (b *inBucket) night(t testing.TB) {
	t.Helper()
	if _, err := b.sim.control(http.MethodPost, "/_sim/night?n=1&share=30%25", ""); err != nil {
		t.Fatal(err)
	}
}

func TestBucketNights(t *testing.T) {
	b := newBucket(t)
	f := want(t, 0, b.etl(b.dir, nil, "check"))
	for _, says := range []string{"s3", "s3 rights", "nothing is published yet"} {
		if !strings.Contains(f.stdout, says) {
			t.Errorf("check doesn't say %q:\n%s", says, f.stdout)
		}
	}
	want(t, 0, b.etl(b.dir, nil, "run"))
	first := b.shown(t)
	want(t, 0, b.etl(b.dir, nil, "run"))
	if b.shown(t) != first {
		t.Error("the same rows were published again")
	}
	for range 4 {
		b.night(t)
		want(t, 0, b.etl(b.dir, nil, "run", "--full"))
	}
	if list := b.snapshots(t); len(list) != 3 || b.shown(t) == first {
		t.Errorf("%q are there, %s is shown", list, b.shown(t))
	}
	want(t, 0, b.etl(b.dir, nil, "verify"))
	if f := want(t, 0, b.etl(b.dir, nil, "status")); !strings.Contains(f.stdout, b.shown(t)) {
		t.Errorf("status doesn't name the run:\n%s", f.stdout)
	}
	visits := b.server.File("bucket", "bi/tables/snapshots/"+b.shown(t)+"/clients/part-0000.parquet")
	text, err := os.ReadFile(visits)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(visits, text, 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, 1, b.etl(b.dir, nil, "verify"))
}

// TestBucketTrouble lets S3 fail in many ways, and wants the exit code, a message
// with the remedy, what was published before, and a next run that goes on.
func TestBucketTrouble(t *testing.T) {
	b := newBucket(t)
	want(t, 0, b.etl(b.dir, nil, "run"))
	for _, c := range []struct {
		name  string
		code  int
		says  string
		fault s3test.Fault
		env   string
	}{
		{"wrong secret", 2, "AWS_SECRET_ACCESS_KEY", s3test.Fault{}, "AWS_SECRET_ACCESS_KEY=other"},
		{"wrong key", 2, "AWS_ACCESS_KEY_ID", s3test.Fault{}, "AWS_ACCESS_KEY_ID=other"},
		{"no credentials", 2, "AWS_PROFILE", s3test.Fault{}, "AWS_ACCESS_KEY_ID="},
		{"plain http elsewhere", 2, "wants https", s3test.Fault{}, "AWS_ENDPOINT_URL_S3=http://10.0.0.1:9000"},
		{"wrong region", 2, "AWS_REGION", s3test.Fault{}, "AWS_REGION=eu-west-9"},
		{"no bucket", 2, "make the bucket", s3test.Fault{Status: 404, Code: "NoSuchBucket"}, ""},
		{"denied", 2, "s3:PutObject", s3test.Fault{Method: "PUT", Status: 403, Code: "AccessDenied"}, ""},
		{"expired half way", 2, "expired", s3test.Fault{Skip: 15, Status: 400, Code: "ExpiredToken"}, ""},
		{"clock", 2, "clock", s3test.Fault{Status: 403, Code: "RequestTimeTooSkewed"}, ""},
		{"between two puts", 1, "InternalError", s3test.Fault{Method: "PUT", Match: "part-0000", Skip: 3, Status: 500, Code: "InternalError"}, ""},
		{"away", 1, "closed by foreign host", s3test.Fault{Cut: true}, ""},
		{"away before the pointer", 1, "show the snapshot", s3test.Fault{Method: "PUT", Match: "current.json", Cut: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := b.shown(t)
			b.night(t)
			env := []string{c.env}
			if c.env == "" {
				env = nil
				b.proxy.Set(c.fault)
			}
			calls := b.sim.feedCalls(t)
			f := want(t, c.code, b.etl(b.dir, env, "run", "--full"))
			if !strings.Contains(f.stdout+f.stderr, c.says) || strings.Contains(f.stdout+f.stderr, s3test.SecretKey) {
				t.Errorf("it doesn't say %q:\n%s%s", c.says, f.stdout, f.stderr)
			}
			if b.shown(t) != before {
				t.Error("another run is shown")
			}
			if c.env != "" && b.sim.feedCalls(t) != calls {
				t.Error("feeds were read for nothing")
			}
			b.proxy.Set()
			want(t, 0, b.etl(b.dir, nil, "run", "--full"))
			if b.shown(t) == before || len(b.snapshots(t)) > 3 {
				t.Errorf("%s is shown still, %q are there", before, b.snapshots(t))
			}
		})
	}
}

func TestBucketTwoWriters(t *testing.T) {
	b := newBucket(t)
	want(t, 0, b.etl(b.dir, nil, "run"))
	other := t.TempDir()
	b.configure(t, other, "load: [{parquet: {path: \"s3://bucket/bi/tables\"}}]")
	b.night(t)
	want(t, 5, b.etl(other, nil, "run"))
	before := b.shown(t)
	// Both stand before the pointer when either puts it.
	var both sync.WaitGroup
	both.Add(2)
	b.proxy.Set(s3test.Fault{Method: "PUT", Match: "current.json", Times: 2, Do: func() { both.Done(); both.Wait() }})
	ours, theirs := b.etl(b.dir, nil, "run", "--full"), b.etl(other, nil, "run", "--adopt")
	for _, cmd := range []*exec.Cmd{ours, theirs} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	_ = ours.Wait() // the exit codes are compared
	_ = theirs.Wait()
	if x, y := ours.ProcessState.ExitCode(), theirs.ProcessState.ExitCode(); x+y != 1 || x*y != 0 {
		t.Errorf("exit codes %d and %d", x, y)
	}
	b.proxy.Set()
	if list := b.snapshots(t); b.shown(t) == before || len(list) != 2 {
		t.Errorf("%s is shown, %q are there", b.shown(t), list)
	}
}
