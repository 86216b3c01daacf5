package importer

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestTextsArriveAsTheyAre writes any texts as CSV and as NDJSON with the
// library's encoders and reads what would be sent with the library's decoder.
func TestTextsArriveAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	text := rapid.Custom(func(t *rapid.T) string {
		s := rapid.StringN(0, 40, 200).Draw(t, "text")
		// A line's end within quotes is a line feed, whatever it was; a file full of zeros passes for UTF-16.
		return strings.NewReplacer("\r", "", "\x00", "").Replace(s)
	})
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-zA-Zа-я_ ]{0,8}[a-zа-я]`).Draw(t, "column") + "x" // none of the known
		name = strings.TrimSpace(name)
		header := []string{"id", "name", "phone", name}
		n := rapid.IntRange(1, 3).Draw(t, "rows")
		var table, lines bytes.Buffer
		w, e := csv.NewWriter(&table), json.NewEncoder(&lines)
		want := []map[string]any{}
		_ = w.Write(header) // to memory
		for range n {
			values := []string{"i" + text.Draw(t, "id") + "d", "n" + text.Draw(t, "name"), text.Draw(t, "phone"), text.Draw(t, "extra")}
			_ = w.Write(values)
			row, sent := map[string]any{}, map[string]any{"id": values[0], "name": values[1], "phone": nil}
			for i, v := range values {
				row[header[i]] = v
			}
			if values[2] != "" {
				sent["phone"] = values[2]
			}
			if values[3] != "" {
				sent["fields"] = map[string]any{name: values[3]}
			}
			if err := e.Encode(row); err != nil {
				t.Fatal(err)
			}
			want = append(want, sent)
		}
		w.Flush()
		for file, content := range map[string][]byte{"a.csv": table.Bytes(), "a.ndjson": lines.Bytes()} {
			path := filepath.Join(dir, file)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			b := &bodies{}
			err = f.Send(t.Context(), Options{Batch: n, Sender: b, Journal: b})
			if err != nil || len(b.sent) != 1 {
				t.Fatal(file, err, b.sent, string(content))
			}
			var got []map[string]any
			if err := json.Unmarshal([]byte(b.sent[0]), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s:\n%s", file, diff)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
