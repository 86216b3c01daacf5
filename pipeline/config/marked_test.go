package config

import (
	"os"
	"path/filepath"
	"testing"
)

// TestAByteOrderMarkIsNoPartOfASecret takes it off each file that holds one.
func TestAByteOrderMarkIsNoPartOfASecret(t *testing.T) {
	dir := t.TempDir()
	secret := "sixteen letters or more"
	for name, text := range map[string]string{
		"marked": "\ufeff" + secret + "\r\n",
		"pipelines.yaml": `version: 1
pipelines:
  - name: demo
    project: 12345
    api: {base_url: "http://127.0.0.1:1/api/v1", key_file: marked}
    transform: {privacy: {clients.phone: hash}, salt_file: marked}
    load: [{clickhouse: {url: "clickhouse://user@127.0.0.1:9000/db", password_file: marked}}]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Load(filepath.Join(dir, "pipelines.yaml"), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Pipelines[0]
	if err := p.Resolve(NeedAll); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]Secret{"key_file": p.API.Key, "salt_file": p.Transform.Salt, "password_file": p.Load[0].ClickHouse.Password} {
		if got.Reveal() != secret {
			t.Errorf("%s: %q", name, got.Reveal())
		}
	}
}
