package endpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"": false, "example.com": false, "10.0.0.1": false, "localhost.example.com": false, "127.0.0.1:80": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestRootsRefusesWhatIsNoCertificate(t *testing.T) {
	if roots, err := Roots(""); roots != nil || err != nil {
		t.Errorf("no file: %v, %v", roots, err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := Roots(file); err == nil || !strings.Contains(err.Error(), "read ca_file") {
		t.Errorf("an absent file: %v", err)
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Roots(file); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("a file without one: %v", err)
	}
}
