package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/rogpeppe/go-internal/testscript"
)

// person is what gives a client away: texts that nobody else has.
type person struct {
	Client int64
	Marks  []string
}

// personIn makes a person of what show --json printed of a client.
func personIn(show string) (person, error) {
	var raw struct {
		Client int64 `json:"client_id"`
		Row    struct{ Phone, Email json.RawMessage }
	}
	line, _, _ := strings.Cut(show, "\n")
	if err := json.Unmarshal([]byte(line), &raw); err != nil {
		return person{}, fmt.Errorf("%w: %s", err, line)
	}
	p := person{Client: raw.Client}
	for _, v := range []json.RawMessage{raw.Row.Phone, raw.Row.Email} {
		if text := strings.Trim(string(v), `"`); len(text) > 5 {
			p.Marks = append(p.Marks, text)
		}
	}
	if len(p.Marks) == 0 {
		return p, fmt.Errorf("client %d has neither phone nor email", p.Client)
	}
	return p, nil
}

// tracesIn lists the files below a folder that hold something of the persons: in
// their bytes, and in the rows of Parquet files.
func tracesIn(dir string, persons []person) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".parquet") {
			rows, err := parquetRows(path)
			if err != nil {
				return err
			}
			text = append(text, rows...)
		}
		for _, p := range persons {
			for _, mark := range append(p.Marks, fmt.Sprintf(`"client_id":%d,`, p.Client)) {
				if bytes.Contains(text, []byte(mark)) {
					found = append(found, fmt.Sprintf("%s holds %s of client %d", path, mark, p.Client))
				}
			}
		}
		return nil
	})
	return found, err
}

// parquetRows reads a file's rows as JSON.
func parquetRows(path string) (text []byte, err error) {
	mem := memory.NewGoAllocator()
	r, err := file.OpenParquetFile(path, false, file.WithReadProps(parquet.NewReaderProperties(mem)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, mem)
	if err != nil {
		return nil, err
	}
	records, err := reader.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return nil, err
	}
	defer records.Release()
	for records.Next() {
		b, err := records.Record().MarshalJSON()
		if err != nil {
			return nil, err
		}
		text = append(text, b...)
	}
	return text, nil
}

// persons remembers what gives clients away: persons NAME CLIENT….
func persons(ts *testscript.TestScript, _ bool, args []string) {
	var list []person
	for _, id := range args[1:] {
		ts.Check(ts.Exec("roistat-etl", "show", id, "--json"))
		p, err := personIn(ts.ReadFile("stdout"))
		ts.Check(err)
		list = append(list, p)
	}
	text, err := json.Marshal(list)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("../persons-"+args[0]), text, 0o600))
}

// traceless demands that no file below the folders, and nothing that was printed
// last, holds anything of the persons: traceless NAME DIR….
func traceless(ts *testscript.TestScript, neg bool, args []string) {
	var list []person
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("../persons-"+args[0])), &list))
	var found []string
	for _, dir := range args[1:] {
		more, err := tracesIn(ts.MkAbs(dir), list)
		ts.Check(err)
		found = append(found, more...)
	}
	for _, p := range list {
		for _, mark := range p.Marks {
			if !neg && strings.Contains(ts.ReadFile("stdout")+ts.ReadFile("stderr"), mark) {
				found = append(found, "the output holds "+mark)
			}
		}
	}
	if neg != (len(found) > 0) {
		ts.Fatalf("%d traces: %s", len(found), strings.Join(found, "\n"))
	}
}

// TestTheSearchForTracesFindsThem: or a search that finds nothing would say nothing.
func TestTheSearchForTracesFindsThem(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a-wal": "xx79161234567yy", "b.json": `{"client_id":7,"x":1}`, "c": `{"client_id":77,"phone":"7916123456"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := personIn(`{"client_id":7,"row":{"phone":"79161234567","email":null}}` + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if found, err := tracesIn(dir, []person{p}); err != nil || len(found) != 2 {
		t.Error(found, err)
	}
}
