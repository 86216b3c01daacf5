package config

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"roistat-etl/schemas"
)

// comparing compares all that is public; time zones by name.
func comparing() cmp.Options {
	return cmp.Options{
		cmpopts.IgnoreUnexported(Pipeline{}),
		cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
	}
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	at, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// defaulted is a pipeline with the defaults as DESIGN gives them.
func defaulted() *Pipeline {
	return &Pipeline{
		API: API{
			BaseURL: "https://cloud.roistat.com/api/v1", PerSecond: 5, PerHour: 4000, Concurrency: 8,
			Timeout: 60 * time.Second, MaxAttempts: 6, MaxResponse: 67108864,
		},
		Extract: Extract{
			PageSize: 1000,
			Refresh:  Refresh{MaxAge: 2160 * time.Hour, MinAge: 20 * time.Hour},
		},
		Transform: Transform{
			Timezone: time.UTC, ReportTimezone: time.UTC,
			GoneClients: "drop", RetainGone: 720 * time.Hour,
		},
		Gates: Gates{MaxFailedClients: 0.01, MaxClientDrop: 0.20, MaxRowDrop: 0.20, MaxRejects: 0.01},
	}
}

func allMetrics() []string {
	return []string{"sent", "delivered", "opened", "click", "unsubscribe", "spam"}
}

func TestMinimalFileHasTheDefaults(t *testing.T) {
	f, err := Load("testdata/minimal.yml", environment(map[string]string{"ROISTAT_API_KEY": "k1"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Pipelines[0].Resolve(NeedAll); err != nil {
		t.Fatal(err)
	}
	want := defaulted()
	want.Name, want.Project, want.API.Key = "demo", "00123", NewSecret("k1")
	want.Mirror = "testdata/data/demo/mirror.db"
	want.Load = []Destination{{Parquet: &Parquet{Path: "testdata/out", Compression: "zstd", Keep: 3}}}
	if diff := cmp.Diff(&File{Path: "testdata/minimal.yml", Version: 1, Pipelines: []*Pipeline{want}}, f, comparing()); diff != "" {
		t.Error(diff)
	}
}

func TestFullFile(t *testing.T) {
	f, err := Load("testdata/full.yml", environment(map[string]string{"PER_HOUR": "9000", "WHO": `a"b`, "SHARED_KEY": "shared", "COMPANY": ""}))
	if err != nil {
		t.Fatal(err)
	}
	if err := Resolve(f.Pipelines, NeedAll); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*Pipeline{north(t), south()}, f.Pipelines, comparing()); diff != "" {
		t.Error(diff)
	}
}

func north(t *testing.T) *Pipeline {
	p := defaulted()
	p.Name, p.Project = "north", "12345"
	p.API.BaseURL, p.API.PerSecond, p.API.PerHour, p.API.Timeout = "http://[::1]:8080/api/v1", 1000, 9000, 90*time.Second
	p.API.Key, p.API.KeyFile, p.API.CAFile = NewSecret("filekey"), "testdata/secrets/key", "testdata/ca.pem"
	p.Extract = Extract{
		PageSize: 100,
		Filters: json.RawMessage(`{"and":[["revenue",">=",12.50],["name","like","%<b>&a\"b%"],["id","in",[1,"2","lead_3"]],` +
			`["phone","null",null],["is_new","=",true],["since",">","2024-01-01"]]}`),
		Refresh:   Refresh{Budget: 500, MinAge: 20 * time.Hour},
		Campaigns: []Campaign{{ID: 9007199254740993, Metrics: []string{"sent", "bounced"}}},
	}
	p.Transform.Timezone, p.Transform.GoneClients, p.Transform.RetainGone = zoneOf(t, "Europe/Moscow"), "keep", 0
	p.Gates.MaxRowDrop = 0.005
	p.Mirror = "state/$HOME/m$.db"
	p.Load = []Destination{{Parquet: &Parquet{Path: "/srv/nobody/tables", Compression: "zstd", Keep: 3}}}
	return p
}

func south() *Pipeline {
	p := defaulted()
	p.Name, p.Project = "south_2", "777"
	p.API.BaseURL, p.API.PerSecond, p.API.PerHour, p.API.Timeout = "http://[::1]:8080/api/v1", 2.5, 9000, 90*time.Second
	p.API.Key, p.API.MaxResponse, p.API.MaxAttempts, p.API.Concurrency = NewSecret("shared"), 1<<20, 1, 1024
	p.Extract.Campaigns = []Campaign{}
	p.Mirror = "testdata/data/south_2/mirror.db"
	p.Load = []Destination{
		{Parquet: &Parquet{Path: "testdata/s", Compression: "none", Keep: 1}},
		{Parquet: &Parquet{Path: "testdata/s2", Compression: "zstd", Keep: 3}},
	}
	return p
}

// TestDesignExample reads the example of the design word for word.
func TestDesignExample(t *testing.T) {
	const path = "testdata/design.yml"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parse(path, data, environment(map[string]string{"ROISTAT_API_KEY": "k", "ROISTAT_ETL_SALT": "0123456789abcdef", "CH_PASSWORD": "p"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := Resolve(f.Pipelines, NeedAll); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*Pipeline{designed()}, f.Pipelines, comparing()); diff != "" {
		t.Error(diff)
	}
}

func designed() *Pipeline {
	p := defaulted()
	p.Name, p.Project = "demo", "12345"
	p.API.BaseURL, p.API.Key = "http://127.0.0.1:8080/api/v1", NewSecret("k")
	p.Extract.Campaigns = []Campaign{{ID: 2, Metrics: allMetrics()}}
	p.Transform.Privacy = schemas.Rules{"clients.phone": "hash", "clients.email": "mask", "calls.caller": "drop"}
	p.Transform.Salt = NewSecret("0123456789abcdef")
	p.Mirror = "testdata/data/demo/mirror.db"
	p.Load = []Destination{
		{Parquet: &Parquet{Path: "testdata/data/demo/tables", Compression: "zstd", Keep: 3}},
		{ClickHouse: &ClickHouse{URL: "clickhouse://user@127.0.0.1:9000/roistat_demo", Password: NewSecret("p")}},
	}
	return p
}

func TestAcceptedSpellings(t *testing.T) {
	tests := map[string]struct{ line, want string }{
		"https anywhere":       {"base_url: https://roistat.example.com:8443/x/", "https://roistat.example.com:8443/x"},
		"http on localhost":    {"base_url: http://LocalHost:80/api/v1", "http://localhost:80/api/v1"},
		"http on 127.8.9.10":   {"base_url: http://127.8.9.10/api/v1//", "http://127.8.9.10/api/v1"},
		"high rates elsewhere": {"base_url: https://127.0.0.1\n      per_second: 100000\n      per_hour: 1000000000", "https://127.0.0.1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := parseText("version: 1\npipelines:\n  - name: a\n    project: 1\n    load: [{parquet: {path: x}}]\n    api:\n      key: k\n      " + tt.line + "\n")
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Pipelines[0].API.BaseURL; got != tt.want {
				t.Errorf("base URL %q, want %q", got, tt.want)
			}
		})
	}
}

// parseText reads a file that stands in /etc/etl.
func parseText(text string) (*File, error) {
	return parse("/etc/etl/pipelines.yaml", []byte(text), environment(nil))
}

func TestWindowsTextIsTaken(t *testing.T) {
	data, err := os.ReadFile("testdata/minimal.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := "\ufeff" + strings.ReplaceAll(string(data), "\n", "\r\n")
	f, err := parseText(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Pipelines[0].Load[0].Parquet.Path; got != "/etc/etl/out" {
		t.Errorf("path %q", got)
	}
}

func TestOwnKeysWin(t *testing.T) {
	const rest = "    project: 1\n    load: [{parquet: {path: x}}]\n"
	tests := map[string]struct{ text, key, file string }{
		"own key over a file":        {"defaults: {api: {key_file: f}}\npipelines:\n  - name: a\n    api: {key: own}\n", "own", ""},
		"own file over a key":        {"defaults: {api: {key: shared}}\npipelines:\n  - name: a\n    api: {key_file: f}\n", "", "/etc/etl/f"},
		"nothing own":                {"defaults: {api: {key: shared}}\npipelines:\n  - name: a\n    api:\n", "shared", ""},
		"an empty map":               {"defaults: {api: {key: shared}}\npipelines:\n  - name: a\n    api: {}\n", "shared", ""},
		"a merge key over a default": {"defaults: {api: &d {key: shared}}\npipelines:\n  - name: a\n    api: {<<: {key_file: f}}\n", "", "/etc/etl/f"},
		"the first of merge keys":    {"pipelines:\n  - name: a\n    api: {<<: [{key: first}, {key: second}]}\n", "first", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := parseText("version: 1\n" + tt.text + rest)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Pipelines[0].API; got.Key.Reveal() != tt.key || got.KeyFile != tt.file {
				t.Errorf("key %q, file %q", got.Key.Reveal(), got.KeyFile)
			}
		})
	}
}
