package s3test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// The credentials that the server knows.
const (
	AccessKey = "test-access"
	SecretKey = "test-secret"
)

// Server is an S3 server on 127.0.0.1.
type Server struct {
	Addr string // host:port

	dir  string // its buckets
	said string // its log
}

const (
	startWait = 60 * time.Second // the most that a start takes on a busy machine
	stopWait  = 30 * time.Second
)

// Start starts a server that ends with the test and has the named buckets.
func Start(t testing.TB, buckets ...string) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir(), said: filepath.Join(t.TempDir(), "log")}
	for _, name := range buckets {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatalf("make the bucket: %v", err)
		}
	}
	binary, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.start(t, binary); err != nil {
		text, _ := os.ReadFile(s.said)
		t.Fatalf("start versitygw: %v\n%s", err, text)
	}
	return s
}

// binary finds the program.
func binary() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the sources can't be found")
	}
	name := filepath.Join(filepath.Dir(file), "..", "..", ".s3", "versitygw")
	if _, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("the S3 server of the tests is missing: run `make s3-server` (Go alone is needed): %w", err)
	}
	return name, nil
}

// start runs the program on a free port, and tries another if somebody was faster.
func (s *Server) start(t testing.TB, binary string) (err error) {
	for range 5 {
		if s.Addr, err = freePort(t.Context()); err != nil {
			return err
		}
		if err = s.launch(t, binary); err == nil {
			return nil
		}
	}
	return err
}

func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *Server) launch(t testing.TB, binary string) error {
	ctx := context.WithoutCancel(t.Context())
	log, err := os.OpenFile(s.said, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, "--quiet", "--health", "/health", "--access", AccessKey, "--secret", SecretKey,
		"--port", s.Addr, "posix", s.dir)
	cmd.Stdout, cmd.Stderr = log, log
	// The server must not outlive a test process that was killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := errors.Join(cmd.Start(), log.Close()); err != nil {
		return err
	}
	gone := make(chan struct{})
	var group errgroup.Group
	group.Go(func() error { defer close(gone); return cmd.Wait() })
	if err := s.await(ctx, gone); err != nil {
		return errors.Join(err, cmd.Process.Kill(), group.Wait())
	}
	t.Cleanup(func() { stop(t, cmd, gone) })
	return nil
}

// await returns once the server answers.
func (s *Server) await(ctx context.Context, gone <-chan struct{}) error {
	for late := time.Now().Add(startWait); time.Now().Before(late); {
		if healthy(ctx, "http://"+s.Addr+"/health") {
			return nil
		}
		select {
		case <-gone:
			return errors.New("it ended before it answered")
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("it did not answer within %v", startWait)
}

func healthy(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, res.Body)
	return errors.Join(err, res.Body.Close()) == nil && res.StatusCode == http.StatusOK
}

func stop(t testing.TB, cmd *exec.Cmd, gone <-chan struct{}) {
	select {
	case <-gone:
		t.Errorf("versitygw ended by itself: %v", cmd.ProcessState)
		return
	default:
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop versitygw: %v", err)
	}
	select {
	case <-gone:
	case <-time.After(stopWait):
		t.Errorf("versitygw did not end: %v", cmd.Process.Kill())
		<-gone
	}
}

// File is where the server keeps an object of a bucket, or the folder of those
// that begin so.
func (s *Server) File(bucket, key string) string {
	return filepath.Join(s.dir, bucket, filepath.FromSlash(key))
}

// Environ is the environment of a program that is to use the server at addr,
// its own or that of a proxy before it.
func Environ(addr string) []string {
	var out []string
	for name, value := range environment("http://" + addr) {
		out = append(out, name+"="+value)
	}
	return out
}

// Use lets the test itself use the server at addr.
func Use(t testing.TB, addr string) { use(t, "http://"+addr) }

func use(t testing.TB, endpoint string) {
	t.Helper()
	for name, value := range environment(endpoint) {
		t.Setenv(name, value)
	}
}

// environment leaves nothing of the machine's own in the way.
func environment(endpoint string) map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL_S3": endpoint, "AWS_ENDPOINT_URL": "", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "", "AWS_CA_BUNDLE": "",
		"AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_CONFIG_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
		"HTTP_PROXY": "", "HTTPS_PROXY": "", "http_proxy": "", "https_proxy": "",
	}
}
