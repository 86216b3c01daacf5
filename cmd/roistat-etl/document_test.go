package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"roistat-etl/schemas"
)

// The documents of the design's table of --json, by their keys. A list's first
// element stands for all; null fits anything.
const (
	runDocument = `{"schema":0,"run":"","pipeline":"","project":"","exit_code":0,"outcome":"","reasons":[""],"started_at":"","finished_at":"",
		"calls":{"list":0,"feed":0,"campaign":0,"retried":0,"refused":0},
		"clients":{"listed":0,"total":0,"list_complete":true,"new":0,"changed":0,"gone":0},
		"feeds":{"due":0,"fetched":0,"failed":0,"left":0,"never_fetched":0,"oldest_at":null},
		"failed_clients":[{"client_id":0,"code":"","error":""}],
		"tables":{"*":{"rows":0,"rows_before":0,"partitions":0,"changed":0}},
		"rejects":{"items":0,"fields":0},
		"gates":[{"name":"","value":0,"limit":0,"passed":true}],
		"destinations":[{"kind":"","target":"","state":"","run":""}],"error":null}`
	statusDocument = `{"pipeline":"","runs":[` + runDocument + `],"feeds":{"live":0,"never_fetched":0,"p50_age_s":null,"p95_age_s":null},"destinations":[null]}`
	planDocument   = `{"pipeline":"","clients":0,"feeds_due":{"never":0,"changed":0,"aged":0},"calls":0,"seconds":0,"schema_changes":[""]}`
	checkDocument  = `{"check":"","ok":true,"detail":"","remedy":""}`
	// What forget adds to a run's document; not of the design.
	forgetKeys     = `,"forgotten":[{"client_id":0,"state":"","at":""}],"contacts":0,"unlisted":0,"imported":0,"mirror":"","still_shows":[""]}`
	verifyDocument = `{"destination":"","table":"","partition":"","rows":0,"expected":0,"ok":true,"detail":""}`
	importDocument = `{"schema":0,"run":"","pipeline":"","project":"","file":"","sha256":"","format":"","dry_run":true,"exit_code":0,"outcome":"",
		"reasons":[""],"started_at":"","finished_at":"","sent_before":null,
		"rows":{"total":0,"before":0,"sent":0,"rejected":0,"left":0},"calls":{"import":0,"retried":0,"refused":0},
		"faults":0,"first_faults":[{"row":0,"line":0,"column":0,"field":"","reason":"","fault":""}],"faults_file":null,
		"repeated_ids":0,"first_rows":[null],"error":null}`
	manifestDocument = `{"schema":0,"run":"","pipeline":"","project":"","mirror":"","writer":"","live_clients":0,"views":"","checksum":"",
		"tables":{"*":{"version":0,"rows":0,"files":[{"path":"","partition":"","rows":0,"bytes":0,"sha256":"","digest":""}]}}}`
)

// documents are the documents by name; those of rejects and show follow from the tables.
func documents() map[string]string {
	return map[string]string{
		"run": runDocument, "status": statusDocument, "verify": verifyDocument, "manifest": manifestDocument,
		"forget": strings.TrimSuffix(runDocument, "}") + forgetKeys,
		"plan":   planDocument, "check": checkDocument, "import": importDocument,
		"rejects": tableDocument(schemas.Rejects),
	}
}

// tableDocument has a table's columns as its keys.
func tableDocument(id schemas.ID) string {
	var keys []string
	for _, c := range schemas.Get(id).Columns {
		keys = append(keys, fmt.Sprintf("%q:null", c.Name))
	}
	return "{" + strings.Join(keys, ",") + "}"
}

// conform compares a JSON text with a document: the same keys everywhere, no
// more, no fewer, and values of the same kinds.
func conform(document, text string) error {
	var want, got any
	if err := json.Unmarshal([]byte(document), &want); err != nil {
		return fmt.Errorf("the document: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	return fits("", want, got)
}

func fits(path string, want, got any) error {
	switch w := want.(type) {
	case nil:
		return nil
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object", path)
		}
		return fitsObject(path, w, g)
	case []any:
		g, ok := got.([]any)
		if !ok {
			return fmt.Errorf("%s is no list, but %v", path, got)
		}
		for i, v := range g {
			if err := fits(fmt.Sprintf("%s[%d]", path, i), w[0], v); err != nil {
				return err
			}
		}
		return nil
	default:
		if reflect.TypeOf(want) != reflect.TypeOf(got) {
			return fmt.Errorf("%s is %T, want %T", path, got, want)
		}
		return nil
	}
}

func fitsObject(path string, want, got map[string]any) error {
	every, names := want["*"]
	for key, v := range got {
		w, ok := want[key]
		if names {
			w, ok = every, true
		}
		if !ok {
			return fmt.Errorf("%s.%s is not in the design", path, key)
		}
		if err := fits(path+"."+key, w, v); err != nil {
			return err
		}
	}
	for key := range want {
		if _, ok := got[key]; !ok && !names {
			return fmt.Errorf("%s.%s is missing", path, key)
		}
	}
	return nil
}

// find walks into a JSON value: feeds.due, gates.0.passed, tables.visits.rows;
// count counts, and a name picks the element of a list with that name or table.
func find(v any, path string) (any, error) {
	for _, step := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[step]
			if step == "count" {
				next, ok = float64(len(at)), true
			}
			if !ok {
				return nil, fmt.Errorf("%s: there is no %s", path, step)
			}
			v = next
		case []any:
			next, err := element(at, step)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			v = next
		default:
			return nil, fmt.Errorf("%s: nothing is below %v", path, v)
		}
	}
	return v, nil
}

func element(list []any, step string) (any, error) {
	if step == "count" {
		return float64(len(list)), nil
	}
	if i, err := strconv.Atoi(step); err == nil && i < len(list) {
		return list[i], nil
	}
	i := slices.IndexFunc(list, func(v any) bool { m, ok := v.(map[string]any); return ok && m["name"] == step })
	if i < 0 {
		return nil, fmt.Errorf("there is no element %s", step)
	}
	return list[i], nil
}

// agrees compares a value with what a script says: a text, or a number after >, < or ~ (contains).
func agrees(v any, want string) (bool, error) {
	text := fmt.Sprint(v)
	if v == nil {
		text = "null"
	}
	if f, ok := v.(float64); ok {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if want == "" || !strings.ContainsRune("<>~", rune(want[0])) {
		return text == want, nil
	}
	if want[0] == '~' {
		return strings.Contains(text, want[1:]), nil
	}
	limit, err := strconv.ParseFloat(want[1:], 64)
	number, err2 := strconv.ParseFloat(text, 64)
	if err != nil || err2 != nil {
		return false, fmt.Errorf("%s %s: no numbers", text, want)
	}
	return want[0] == '>' && number > limit || want[0] == '<' && number < limit, nil
}

func TestConformFindsWhatDiffers(t *testing.T) {
	const document = `{"a":[{"b":0}],"c":null,"t":{"*":{"n":0}}}`
	for text, want := range map[string]string{
		`{"a":[],"c":1,"t":{}}`:                     "",
		`{"a":[{"b":1}],"c":"x","t":{"v":{"n":1}}}`: "",
		`{"a":[],"t":{}}`:                           ".c is missing",
		`{"a":[],"c":1,"t":{},"d":2}`:               ".d is not in the design",
		`{"a":[{"b":"1"}],"c":1,"t":{}}`:            ".a[0].b is string, want float64",
		`{"a":[{}],"c":1,"t":{}}`:                   ".a[0].b is missing",
		`{"a":null,"c":1,"t":{}}`:                   ".a is no list, but <nil>",
		`{"a":[],"c":1,"t":{"v":{"n":1,"m":1}}}`:    ".t.v.m is not in the design",
		`{"a":[],"c":1,"t":[]}`:                     ".t is no object",
	} {
		got := ""
		if err := conform(document, text); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
