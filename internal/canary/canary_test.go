package canary

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWordsAreFoundInEverySpelling(t *testing.T) {
	w := Words{Key, "Зимородок"}
	asJSON, _ := json.Marshal(map[string]string{"k": Key})
	for _, text := range []string{
		"key " + Key + ".", string(asJSON), strings.ReplaceAll(string(asJSON), "/", `\/`), "?key=" + url.QueryEscape(Key), fmt.Sprintf("%q", Key),
		fmt.Sprintf("%q", fmt.Sprintf("%q", "no such key: "+Key)), fmt.Sprintf("%q", string(asJSON)), fmt.Sprintf("%+q", "имя Зимородок"), "/" + url.PathEscape("Зимородок"),
		strings.ToUpper(Key), strings.ToLower(Key), fmt.Sprintf("%x", Key), html.EscapeString(Key), Escapes(Key)[0], Escapes(Key)[2], Escapes(Key)[4], Escapes(Key)[6],
		base64.RawURLEncoding.EncodeToString([]byte("x" + Key + "y")), base64.StdEncoding.EncodeToString([]byte("xy" + Key)),
	} {
		if w.In([]byte(text)) == "" {
			t.Errorf("nothing is found in %s", text)
		}
	}
	if s := w.In([]byte(Key[1:] + "зимородок" + Salt)); s != "" {
		t.Errorf("%s is found where it isn't", s)
	}
}

func TestFilesAreFoundByWhatTheyHoldAndByTheirNames(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a/good": "nothing", "a/bad": "a " + Salt, "skipped": Salt, "halcyon.txt": ""} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Words{Salt, "halcyon"}.Files(dir, func(path string) bool { return filepath.Base(path) == "skipped" })
	if err != nil || len(found) != 2 || !strings.Contains(found[0], "a/bad") || !strings.Contains(found[1], "halcyon.txt") {
		t.Errorf("%q, %v", found, err)
	}
	if found, err := (Words{Salt}).Files(filepath.Join(dir, "absent"), nil); err != nil || found != nil {
		t.Errorf("%q, %v", found, err)
	}
}
