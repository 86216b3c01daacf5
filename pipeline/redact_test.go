package pipeline

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roistat-etl/extract/mirror"
)

// talkative answers the feed of one client with an error that names a person.
type talkative struct {
	http.RoundTripper
	text string
}

func (t talkative) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/feed") && !strings.HasSuffix(r.URL.Path, "/contacts") || r.URL.Query().Get("client") != "7" && strings.HasSuffix(r.URL.Path, "/feed") {
		return t.RoundTripper.RoundTrip(r)
	}
	body, _ := json.Marshal(map[string]string{"status": "error", "error": "incorrect_request", "description": t.text})
	return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

const spokenOf = "feed of PERSONNAME (person7@mail.ru, \"+79161230707\")\nerror: can't\x1b[2J be \u202ebuilt"

// TestWhatTheAPISaysIsToldButNotKept: the report shows Roistat's words, on one
// line; the mirror keeps the code.
func TestWhatTheAPISaysIsToldButNotKept(t *testing.T) {
	s := quickStand(t, 50)
	s.pipeline.Extract.Campaigns = nil
	s.options.Transport = talkative{s.options.Transport, spokenOf}
	r := s.run(t, nil).want(t, Partial)
	if len(r.FailedClients) != 1 || !strings.Contains(r.FailedClients[0].Error, "person7@mail.ru") || strings.ContainsAny(r.FailedClients[0].Error, "\n\x1b\u202e") {
		t.Errorf("%+v", r.FailedClients)
	}
	st, err := ReadStatus(t.Context(), s.pipeline, StatusOptions{Runs: 5})
	if err != nil {
		t.Fatal(err)
	}
	if f := st.Runs[0].FailedClients; len(f) != 1 || f[0].Code != "incorrect_request" || !strings.HasPrefix(f[0].Error, "incorrect_request (HTTP 400): ") {
		t.Errorf("%+v", f)
	}
	kept, err := os.ReadFile(s.pipeline.Mirror)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.pipeline.Mirror + "-wal")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, word := range []string{"PERSONNAME", "person7@mail.ru", "79161230707"} {
		if bytes.Contains(append(kept, log...), []byte(word)) {
			t.Errorf("the mirror keeps %s", word)
		}
	}
}

// TestForgetRedactsReportsOfOlderPrograms, which kept what the API said.
func TestForgetRedactsReportsOfOlderPrograms(t *testing.T) {
	s := quickStand(t, 50)
	s.run(t, nil).want(t, OK)
	m, err := mirror.Open(t.Context(), s.pipeline.Mirror, mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	old := `{"schema":1,"run":"19990101T000000Z-aaaaaa","pipeline":"demo","exit_code":3,"outcome":"partial","reasons":["campaign 2 failed: oops: PERSONNAME","1 clients failed"],
		"failed_clients":[{"client_id":7,"code":"incorrect_request","error":"incorrect_request (HTTP 400): feed of PERSONNAME"},{"client_id":8,"code":"network","error":"network: connection refused"}],
		"error":"read page 1: internal_error (HTTP 500): ask PERSONNAME; run again later","details":{"calls":{"list":9}}}`
	if err := m.SaveRun(t.Context(), mirror.Run{Run: "19990101T000000Z-aaaaaa", ExitCode: 3, Report: old}); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	s.forget(t, 7).want(t, OK)
	names, err := filepath.Glob(filepath.Join(filepath.Dir(s.pipeline.Mirror), "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err != nil || bytes.Contains(text, []byte("PERSONNAME")) {
			t.Errorf("%s holds the name, %v", name, err)
		}
	}
	st, err := ReadStatus(t.Context(), s.pipeline, StatusOptions{Runs: 5})
	if err != nil {
		t.Fatal(err)
	}
	r := st.Runs[len(st.Runs)-1]
	if r.Reasons[0] != "campaign 2 failed: oops" || r.Reasons[1] != "1 clients failed" || r.FailedClients[0].Error != "incorrect_request (HTTP 400)" ||
		r.FailedClients[1].Error != "network: connection refused" || *r.Error != "read page 1: internal_error (HTTP 500)" || r.Details.Calls.List != 9 {
		b, _ := json.Marshal(r) // a report always marshals
		t.Errorf("%s", b)
	}
}

func TestRedactOfAReport(t *testing.T) {
	nobody, everybody := func(string) bool { return false }, func(string) bool { return true }
	for _, trial := range []struct {
		report string
		names  func(string) bool
		want   string
	}{
		{"", everybody, ""},
		{"no JSON PERSONNAME", nobody, "{}"},
		{`{"error":"mirror_backup: write s3://b: AccessDenied: no"}`, nobody, "mirror_backup: write s3://b: AccessDenied: no"},
		{`{"error":"x: incorrect_request (HTTP 400): the API says \"PERSONNAME\"; nothing was published"}`, nobody, "x: incorrect_request (HTTP 400)"},
		{`{"error":"clickhouse says PERSONNAME"}`, everybody, "it was erased"},
	} {
		got, err := redact(trial.report, trial.names)
		if err != nil || !strings.Contains(got, trial.want) || strings.Contains(got, "PERSONNAME") || strings.Contains(got, "details") {
			t.Errorf("%s becomes %s, %v", trial.report, got, err)
		}
		if again, err := redact(got, trial.names); got != "{}" && (err != nil || again != got) {
			t.Errorf("%s becomes %s the second time, %v", got, again, err)
		}
	}
}
