package regular

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestReplaceReplacesRegularFilesAlone(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, want := range []string{"one", "two"} {
		if err := Replace(at("file"), text(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(at("file")); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, err := range []error{
		syscall.Mkfifo(at("fifo"), 0o600), os.Symlink(at("file"), at("link")), os.Symlink(at("absent"), at("dangling")), os.Mkdir(at("folder"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"fifo", "link", "dangling", "folder", "socket"} {
		before, err := os.Lstat(at(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := Replace(at(name), text("three")); !errors.Is(err, ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
		after, err := os.Lstat(at(name))
		if err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s became %v, %v", name, after.Mode(), err)
		}
	}
	if got, err := os.ReadFile(at("file")); err != nil || string(got) != "two" {
		t.Errorf("what the link leads to is %q, %v", got, err)
	}
	if left, err := filepath.Glob(at(".*-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// A device is judged, and nothing is written to it.
func TestVerdictOnADevice(t *testing.T) {
	info, err := os.Lstat("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	if err := Verdict("/dev/null", info); !errors.Is(err, ErrOther) || err.Error() != "/dev/null is a device: "+ErrOther.Error() {
		t.Error(err)
	}
}

func TestReplaceThatFailsLeavesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Replace(path, text("old")); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, func(io.Writer) error { return fs.ErrInvalid }); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
}
