package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/rogpeppe/go-internal/testscript"
)

// clientRow is the row of a client in a generated file.
func clientRow(format string, id int) string {
	if format == ".csv" {
		return fmt.Sprintf("%d,Client %d,7%010d,c%d@example.com,gold\n", id, id, id, id)
	}
	return fmt.Sprintf(`{"id":"%d","name":"Client %d","phone":"7%010d","email":"c%d@example.com","segment":"gold"}`+"\n", id, id, id, id)
}

// writeClients writes clients to a file of CSV or NDJSON, or appends them to it; a
// file of Parquet is written whole, with one row group.
func writeClients(path string, first, last int) error {
	format := filepath.Ext(path)
	if format == ".parquet" {
		return writeParquetClients(path, first, last)
	}
	_, err := os.Stat(path)
	fresh := errors.Is(err, os.ErrNotExist)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var b strings.Builder
	if fresh && format == ".csv" {
		b.WriteString("id,name,phone,email,segment\n")
	}
	for id := first; id <= last; id++ {
		b.WriteString(clientRow(format, id))
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}

func writeParquetClients(path string, first, last int) (err error) {
	var fields []arrow.Field
	for _, name := range []string{"id", "name", "phone", "email", "segment"} {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	schema := arrow.NewSchema(fields, nil)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy)), pqarrow.DefaultWriterProps())
	if err != nil {
		return errors.Join(err, f.Close())
	}
	defer func() { err = errors.Join(err, w.Close()) }() // closes the file, too
	b := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	defer b.Release()
	for id := first; id <= last; id++ {
		values := strings.Split(strings.TrimSuffix(clientRow(".csv", id), "\n"), ",")
		for i, v := range values {
			b.Field(i).(*array.StringBuilder).Append(v)
		}
		if id < last && id%10_000 > 0 {
			continue
		}
		record := b.NewRecord()
		err := w.WriteBuffered(record)
		record.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// clients writes clients to a file, or appends them: clients FILE FIRST LAST.
func clients(ts *testscript.TestScript, _ bool, args []string) {
	first, err := strconv.Atoi(args[1])
	ts.Check(err)
	last, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(writeClients(ts.MkAbs(args[0]), first, last))
}

// importedValue demands values of what the stand-in was sent: imported PATH VALUE [PATH VALUE]….
func importedValue(ts *testscript.TestScript, neg bool, args []string) {
	text, err := control(ts.Getenv("SIM"), http.MethodGet, "/_sim/imported", "")
	ts.Check(err)
	var doc any
	ts.Check(json.Unmarshal(text, &doc))
	demand(ts, doc, neg, args)
}

// sent is what the stand-in was sent: how often each id, and how many calls.
func (s *standIn) sent(t testing.TB) (times map[string]int, calls int) {
	t.Helper()
	var doc struct {
		Bodies [][]struct{ ID string }
	}
	text, err := s.control(http.MethodGet, "/_sim/imported", "")
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	times = map[string]int{}
	for _, body := range doc.Bodies {
		for _, c := range body {
			times[c.ID]++
		}
	}
	return times, len(doc.Bodies)
}

// TestKilledImportsSendEachRow kills the real process again and again: each row
// arrives, and a kill costs at most the batch in flight a second time.
func TestKilledImportsSendEachRow(t *testing.T) {
	t.Parallel()
	const rows, batch = 3000, 50
	for _, format := range []string{".csv", ".ndjson", ".parquet"} {
		s := newSim(t, "--clients", "5", "--latency", "8ms", "--fault", "kind=reset,method=import,share=3%")
		dir := t.TempDir()
		configure(t, dir, s.url)
		file := "clients" + format
		if err := writeClients(filepath.Join(dir, file), 1, rows); err != nil {
			t.Fatal(err)
		}
		kills := 0
		for ; ; kills++ {
			cmd := etl(dir, "import", file, "demo", "--batch", strconv.Itoa(batch), "--json", "--progress", "none")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Duration(150+30*kills)*time.Millisecond, func() { _ = cmd.Process.Kill() }) // later each time, however slow the machine
			err := cmd.Wait()
			timer.Stop()
			if err == nil {
				break
			}
			if code := cmd.ProcessState.ExitCode(); code != -1 {
				t.Fatalf("exit code %d", code)
			}
		}
		times, calls := s.sent(t)
		lost := s.outcomes(t, "import")["reset"]
		for id := 1; id <= rows; id++ {
			if times[strconv.Itoa(id)] == 0 {
				t.Fatalf("%s: client %d was never sent", format, id)
			}
		}
		if most := rows/batch + kills + lost; calls > most || kills < 2 {
			t.Errorf("%s: %d calls were accepted, %d kills and %d lost answers: at most %d, and 2 kills", format, calls, kills, lost, most)
		}
		t.Logf("%s: %d kills, %d lost answers, %d calls for %d batches", format, kills, lost, calls, rows/batch)
		if f := want(t, 0, etl(dir, "import", file, "demo")); !strings.Contains(f.stdout, "sent whole before") {
			t.Errorf("%s: once more: %s", format, f.stdout)
		}
	}
}

// outcomes counts the calls of a method by their outcome.
func (s *standIn) outcomes(t testing.TB, method string) map[string]int {
	t.Helper()
	var doc struct{ Calls map[string]map[string]int }
	text, err := s.control(http.MethodGet, "/_sim/stats", "")
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc.Calls[method]
}

// peakUntilEnd watches the peak of a process's memory until it ends. The kernel's
// account of a child that has ended counts the memory of its parent, too.
func peakUntilEnd(pid int) (bytes int) {
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, line, found := strings.Cut(string(text), "VmHWM:")
		if err != nil || !found { // a process that has ended has no memory
			return bytes
		}
		if kib, err := strconv.Atoi(strings.Fields(line)[0]); err == nil {
			bytes = max(bytes, kib<<10)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// maxImportMemory is what an import of a million rows may take.
const maxImportMemory = 150_000_000

// TestMillionRowsInBoundedMemory sends a million rows of each format.
func TestMillionRowsInBoundedMemory(t *testing.T) {
	t.Parallel()
	const rows = 1_000_000
	s := newSim(t, "--clients", "5", "--count-imports")
	dir := t.TempDir()
	configure(t, dir, s.url)
	for i, format := range []string{".csv", ".ndjson", ".parquet"} {
		file := "clients" + format
		if err := writeClients(filepath.Join(dir, file), 1, rows); err != nil {
			t.Fatal(err)
		}
		cmd := etl(dir, "import", file, "demo", "--batch", "2000", "--json", "--progress", "none")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		peak := peakUntilEnd(cmd.Process.Pid)
		if err := cmd.Wait(); err != nil {
			t.Fatal(format, err)
		}
		if t.Logf("%s: at most %d MB", format, peak/1e6); peak > maxImportMemory {
			t.Errorf("%s: it took %d bytes", format, peak)
		}
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		var got struct{ Rows int }
		text, err := s.control(http.MethodGet, "/_sim/imported", "")
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err != nil || got.Rows != (i+1)*rows {
			t.Errorf("%s: %d rows arrived, %v", format, got.Rows, err)
		}
	}
}
