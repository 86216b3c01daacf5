package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roistat-etl/extract/mirror"
	"roistat-etl/schemas"
)

// importFile imports a text as CSV and checks what holds for every report.
func (s *stand) importFile(t testing.TB, csv string, change func(*ImportOptions)) *ImportReport {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := os.WriteFile(path, []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	o := ImportOptions{File: path, Batch: 100, Log: slog.New(slog.DiscardHandler), Progress: &Progress{}, ExitCode: s.options.ExitCode, Transport: s.options.Transport}
	if change != nil {
		change(&o)
	}
	r := Import(context.Background(), s.pipeline, o)
	if n := r.Rows; n.Total != n.Before+n.Sent+n.Rejected+n.Left {
		t.Errorf("rows don't add up: %+v", n)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Error(err)
	}
	return r
}

// roundTrip is a transport by a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// says is an answer.
func says(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// TestWhatTheAPIRefuses halves what is refused for what stands in it, or for its
// length, and ends at anything else.
func TestWhatTheAPIRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		answer  func(rows int) *http.Response
		outcome Outcome
		sent    int64
		calls   int64
		error   string
	}{
		"too long": {func(rows int) *http.Response {
			if rows > 1 {
				return says(413, "<html>too long</html>")
			}
			return says(200, `{"status":"success"}`)
		}, OK, 4, 6, ""}, // 4; 2; 1 1; the second half is not asked whole: 1 1
		"another code": {func(int) *http.Response {
			return says(400, `{"status":"error","error":"incorrect_request"}`)
		}, Failed, 0, 1, "sending again alone won't help"},
		"no right": {func(int) *http.Response {
			return says(402, `{"status":"error","error":"option_not_enabled"}`)
		}, Refused, 0, 1, "switch on Client Management"},
		"success without a status": {func(int) *http.Response { return says(200, `{}`) }, Failed, 0, 1, "the answer's status is"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, 1, nil)
			s.pipeline.API.PerSecond, s.pipeline.API.MaxAttempts = 1e6, 1
			r := s.importFile(t, "id,name\n1,a\n2,b\n3,c\n4,d\n", func(o *ImportOptions) {
				o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					var rows []any
					err := json.NewDecoder(r.Body).Decode(&rows)
					return c.answer(len(rows)), err
				})
			})
			if r.Outcome != c.outcome || r.Rows.Sent != c.sent || r.Calls.Import != c.calls || (r.Error == nil) != (c.error == "") {
				t.Errorf("%+v, error %v", r, r.Error)
			}
			if r.Error != nil && !strings.Contains(*r.Error, c.error) {
				t.Errorf("%s", *r.Error)
			}
		})
	}
}

// TestRejectsOfImportsMayGo without a gate that takes them for a loss.
func TestRejectsOfImportsMayGo(t *testing.T) {
	s := newStand(t, 20, nil)
	s.pipeline.API.PerSecond = 1e6
	imported := func(again bool, rejects int) {
		t.Helper()
		m, err := mirror.Open(t.Context(), s.pipeline.Mirror, mirror.Options{Run: "r"})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		i := mirror.Import{SHA256: []byte("a"), Run: "r", StartedAt: time.Now()}
		if _, err := m.StartImport(t.Context(), i, again); err != nil {
			t.Fatal(err)
		}
		step := mirror.ImportStep{Next: int64(rejects), Last: true}
		for n := range rejects {
			step.Rejects = append(step.Rejects, schemas.ImportReject{Ordinal: int64(n), Reason: schemas.NoID, Raw: []byte("{}")})
		}
		if err := m.StepImport(t.Context(), i.SHA256, step, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	imported(false, 1500)
	if r := s.run(t, nil).want(t, OK); r.Tables["rejects"].Rows < 1500 {
		t.Errorf("%+v", r.Tables["rejects"])
	}
	imported(true, 0)
	if r := s.run(t, nil).want(t, OK); r.Tables["rejects"].Rows >= 1500 {
		t.Errorf("%+v", r.Tables["rejects"])
	}

	// But what goes in another way is a loss, as in any table.
	imported(false, 1500)
	s.run(t, nil).want(t, OK)
	m, err := mirror.Open(t.Context(), s.pipeline.Mirror, mirror.Options{Run: "r"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.StartImport(t.Context(), mirror.Import{SHA256: []byte("a"), Run: "r", StartedAt: time.Now()}, true)
	if err == nil {
		err = m.SetMeta(t.Context(), mirror.MetaRejectsDropped, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	s.run(t, nil).want(t, Gated)
}
