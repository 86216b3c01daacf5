package sim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"roistat-etl/internal/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is a client of a server in process; it sends what it is told.
type api struct {
	t       testing.TB
	server  *sim.Server
	client  *http.Client
	headers http.Header
	base    string
}

// newAPI starts a world of 100 clients, changed as told.
func newAPI(t testing.TB, change func(*sim.Options)) *api {
	t.Helper()
	o := sim.DefaultOptions()
	o.World.Clients, o.World.Whale = 100, false
	if change != nil {
		change(&o)
	}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"Api-Key": {o.Key}}
	return &api{t: t, server: s, client: &http.Client{Transport: sim.Transport(s)}, headers: h, base: "http://sim.test"}
}

// overPort serves over a real port until the test ends.
func (a *api) overPort() *api {
	srv := httptest.NewServer(a.server)
	tr := &http.Transport{}
	a.t.Cleanup(func() { tr.CloseIdleConnections(); srv.Close() })
	a.base, a.client = srv.URL, &http.Client{Transport: tr}
	return a
}

// response is an answer whose body was read as far as it came.
type response struct {
	*http.Response
	body []byte
	err  error // of reading
}

func (a *api) do(method, path, body string) response {
	a.t.Helper()
	r, err := a.send(method, path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

func (a *api) send(method, path, body string) (response, error) {
	req, err := http.NewRequest(method, a.base+path, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	req.Header = a.headers.Clone()
	res, err := a.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return response{res, raw, err}, nil
}

const (
	listPath     = "/api/v1/project/clients?project=12345"
	contactsPath = "/api/v1/project/clients/campaign/contact/list?project=12345"
	importPath   = "/api/v1/project/clients/import?project=12345"
)

func feedPath(id int64) string {
	return fmt.Sprintf("/api/v1/project/clients/detail/feed?project=12345&client=%d", id)
}

// document is any answer of the API.
type document struct {
	Status, Error string
	Clients       []map[string]any
	Total         int
	Feed          []any
	Data          []map[string]any
	Count         int
	TotalCount    int `json:"total_count"`
	Details       map[string]any
}

func (r response) doc(t testing.TB) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(r.body, &d); err != nil {
		t.Fatalf("%v: %.200s", err, r.body)
	}
	return d
}

// list asks for a page of the client list.
func (a *api) list(body string) document {
	a.t.Helper()
	return a.do("POST", listPath, body).doc(a.t)
}

// ids are the usable ids of a page.
func (d document) ids() []string {
	var out []string
	for _, c := range d.Clients {
		if v := strings.TrimSuffix(fmt.Sprint(c["id"]), ".0"); v != "" && v != "<nil>" {
			out = append(out, v)
		}
	}
	return out
}

func (a *api) wantError(method, path, body, code string) response {
	a.t.Helper()
	r := a.do(method, path, body)
	if d := r.doc(a.t); d.Status != "error" || d.Error != code {
		a.t.Errorf("%s %s: %.200s, want %s", method, path, r.body, code)
	}
	return r
}

func (a *api) wantFeed(id int64) []byte {
	a.t.Helper()
	r := a.do("GET", feedPath(id), "")
	if r.StatusCode != 200 || r.err != nil || !bytes.HasPrefix(r.body, []byte(`{"feed":[`)) || !json.Valid(r.body) {
		a.t.Fatalf("feed %d: %d, %v, %.200s", id, r.StatusCode, r.err, r.body)
	}
	return r.body
}
