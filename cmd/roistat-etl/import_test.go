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

	"github.com/rogpeppe/go-internal/testscript"
)

// clientRow is the row of a client in a generated file.
func clientRow(format string, id int) string {
	if format == ".csv" {
		return fmt.Sprintf("%d,Client %d,7%010d,c%d@example.com,gold\n", id, id, id, id)
	}
	return fmt.Sprintf(`{"id":"%d","name":"Client %d","phone":"7%010d","email":"c%d@example.com","segment":"gold"}`+"\n", id, id, id, id)
}

// writeClients writes clients to a file of CSV or NDJSON, or appends them to it.
func writeClients(path string, first, last int) error {
	format := filepath.Ext(path)
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
	for ; len(args) > 1; args = args[2:] {
		v, err := find(doc, args[0])
		ts.Check(err)
		ok, err := agrees(v, args[1])
		ts.Check(err)
		if ok == neg {
			ts.Fatalf("imported %s is %v, want %s", args[0], v, args[1])
		}
	}
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
	for _, format := range []string{".csv", ".ndjson"} {
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
			timer := time.AfterFunc(time.Duration(150+40*(kills%4))*time.Millisecond, func() { _ = cmd.Process.Kill() }) // it may have ended
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
