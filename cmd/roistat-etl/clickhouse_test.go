package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/clickhousetest"
)

// warehouse is a folder whose pipeline publishes into a folder of Parquet files
// and, after it, into a ClickHouse.
type warehouse struct {
	dir, sim, database string
	server             *clickhousetest.Server
	proxy              *clickhousetest.Proxy
}

// newWarehouse publishes a world, and lets it go on by a night that is not published yet.
func newWarehouse(t *testing.T, server *clickhousetest.Server) *warehouse {
	t.Helper()
	s := newSim(t, "--clients", "60", "--months", "2", "--share", "50%")
	w := &warehouse{dir: t.TempDir(), sim: s.url, server: server}
	w.database = w.server.Database(t)
	w.proxy = clickhousetest.StartProxy(t, w.server.Native)
	w.run(t, 0, w.server.URL("etl", w.database))
	if _, err := s.control("POST", "/_sim/night?n=1", ""); err != nil {
		t.Fatal(err)
	}
	return w
}

// through is the server's URL by way of the proxy.
func (w *warehouse) through() string { return "clickhouse://etl@" + w.proxy.Addr + "/" + w.database }

// trouble is how a run ended.
type trouble struct {
	Outcome      string
	Error        string
	Calls        struct{ List, Feed int64 }
	Destinations []struct{ State, Run string }
}

// run runs the pipeline with this ClickHouse, and other lines of the pipeline if there are any.
func (w *warehouse) run(t *testing.T, code int, url string, lines ...string) (r trouble) {
	t.Helper()
	text := fmt.Sprintf(`version: 1
pipelines:
  - name: demo
    project: "12345"
    api: {base_url: "%s/api/v1", key: "${ROISTAT_API_KEY}", per_second: 100000, per_hour: 10000000, max_attempts: 2}
    load: [{parquet: {path: out}}, {clickhouse: {url: %q, password: "${CH_PASSWORD:-%s}"}}]
`, w.sim, url, clickhousetest.Password)
	for _, line := range lines {
		text += "    " + line + "\n"
	}
	if err := os.WriteFile(filepath.Join(w.dir, "pipelines.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := want(t, code, etl(w.dir, "run", "--json")).stdout
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// shown is all that readers may see, and what lies beside it.
func (w *warehouse) shown(t *testing.T) string {
	t.Helper()
	current, err := os.Readlink(filepath.Join(w.dir, "out", "current"))
	if err != nil {
		t.Fatal(err)
	}
	return current + "\n" + w.server.Query(t, "SELECT name, uuid, engine, comment, total_rows FROM system.tables WHERE database = '"+w.database+"' ORDER BY name")
}

// verify demands that all destinations hold what they should.
func (w *warehouse) verify(t *testing.T) {
	t.Helper()
	want(t, 0, etl(w.dir, "verify"))
}

// TestWhatClickHouseRefuses meets what a person must put right, and a disk that
// is full: the exit code, a message that says what it is, and nothing touched, in
// no destination. In the end the same mirror publishes all the same.
func TestWhatClickHouseRefuses(t *testing.T) {
	w := newWarehouse(t, clickhousetest.Start(t, clickhousetest.Options{}))
	etl := w.server.URL("etl", w.database)
	for _, c := range []struct {
		name, url    string
		before, undo string // what somebody does to the tables
		lines        []string
		code         int
		wants        []string
		spared       bool // not even the list is asked for
	}{
		{name: "no right to insert", url: w.server.URL("without_insert", w.database), code: 2, wants: []string{"grant INSERT"}},
		{name: "no right to make tables", url: w.server.URL("without_create_table", w.database), code: 2, wants: []string{"grant CREATE TABLE"}},
		{name: "no right to the engine", url: w.server.URL("without_table_engine", w.database), code: 2, wants: []string{"TABLE ENGINE ON MergeTree"}},
		{name: "no right at all", url: w.server.URL("nothing", w.database), code: 2, wants: []string{"Not enough privileges"}},
		{name: "a user who may only read", url: w.server.URL("etl_readonly", w.database), code: 2, wants: []string{"readonly"}},
		{name: "a full disk", url: w.server.URL("etl_full", w.database), code: 1, wants: []string{"insert block 0", "free", "run again"}},
		{
			name: "another's table", url: etl, code: 2, spared: true, wants: []string{"visits is not ours", "rename it, or give another database"},
			before: "RENAME TABLE %[1]s.visits TO %[1]s.kept; CREATE TABLE %[1]s.visits (mine String) ENGINE = MergeTree ORDER BY mine",
			undo:   "DROP TABLE %[1]s.visits SYNC; RENAME TABLE %[1]s.kept TO %[1]s.visits",
		},
		{
			name: "a table that somebody altered", url: etl, code: 2, spared: true, wants: []string{"visits was altered: it has the column note String"},
			before: "ALTER TABLE %[1]s.visits ADD COLUMN note String", undo: "ALTER TABLE %[1]s.visits DROP COLUMN note",
		},
		{
			name: "a view of another's", url: etl, code: 2, spared: true, wants: []string{"daily_funnel is a MergeTree, not a View"},
			before: "RENAME TABLE %[1]s.daily_funnel TO %[1]s.kept; CREATE TABLE %[1]s.daily_funnel (n Int8) ENGINE = MergeTree ORDER BY n",
			undo:   "DROP TABLE %[1]s.daily_funnel SYNC; RENAME TABLE %[1]s.kept TO %[1]s.daily_funnel",
		},
		{
			name: "another mirror's tables", url: etl, code: 5, lines: []string{"mirror: another.db"},
			wants: []string{"was published from mirror", "run once with --adopt"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.statements(t, c.before)
			before := w.shown(t)
			r := w.run(t, c.code, c.url, c.lines...)
			if after := w.shown(t); after != before {
				t.Errorf("was\n%s\nis\n%s", before, after)
			}
			w.statements(t, c.undo)
			for _, text := range c.wants {
				if !strings.Contains(r.Error, text) {
					t.Errorf("no %q in the error: %s", text, r.Error)
				}
			}
			if c.spared && r.Calls.List > 0 {
				t.Errorf("it cost calls: %+v", r.Calls)
			}
			for _, d := range r.Destinations {
				if d.State == "published" || d.State == "unchanged" {
					t.Errorf("destinations %+v", r.Destinations)
				}
			}
		})
	}
	if r := w.run(t, 0, etl); r.Destinations[1].State != "published" {
		t.Errorf("%+v", r)
	}
	w.verify(t)
}

// statements are done by somebody who may do everything.
func (w *warehouse) statements(t *testing.T, list string) {
	t.Helper()
	for q := range strings.SplitSeq(list, "; ") {
		if q != "" {
			w.server.Query(t, strings.ReplaceAll(q, "%[1]s", w.database))
		}
	}
}

// refusesLogins listens as a ClickHouse that refuses every password, and returns
// its address. The real one of the tests ends when it does that, sometimes before
// it has answered; in package load/clickhouse it is asked all the same.
func refusesLogins(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), g.Wait()); err != nil {
			t.Error(err)
		}
	})
	g.Go(func() error {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			if err == nil {
				err = refuseLogin(conn)
			}
			if err != nil {
				return err
			}
		}
	})
	return l.Addr().String()
}

// refuseLogin answers a hello with the exception of a wrong password: its packet
// type, code, name, text, trace, and that no other is nested in it.
func refuseLogin(conn net.Conn) error {
	if _, err := conn.Read(make([]byte, 4096)); err != nil {
		return errors.Join(err, conn.Close())
	}
	answer := binary.LittleEndian.AppendUint32([]byte{2}, 516)
	for _, text := range []string{"DB::Exception", "etl: Authentication failed: password is incorrect.", ""} {
		answer = append(binary.AppendUvarint(answer, uint64(len(text))), text...)
	}
	_, err := conn.Write(append(answer, 0))
	return errors.Join(err, conn.Close())
}

// TestAWrongPasswordForClickHouse wants no call spent, and no word of the password.
func TestAWrongPasswordForClickHouse(t *testing.T) {
	w := &warehouse{dir: t.TempDir(), sim: newSim(t, "--clients", "5").url}
	t.Setenv("CH_PASSWORD", "wr0ng-p4ssword")
	r := w.run(t, 2, "clickhouse://etl@"+refusesLogins(t)+"/roistat_none")
	if !strings.Contains(r.Error, "Authentication failed") || strings.Contains(r.Error, "wr0ng") || r.Calls.List > 0 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "out")); !os.IsNotExist(err) {
		t.Errorf("the other destination was touched: %v", err)
	}
	checked := want(t, 2, etl(w.dir, "check"))
	if !strings.Contains(checked.stdout, "give the user and the password that the server knows") || strings.Contains(checked.stdout+checked.stderr, "wr0ng") {
		t.Error(checked.stdout)
	}
}

// TestClickHouseGoesAway breaks the way to the server at each step of a
// publishing. A run says what came of it, and the next one puts all right.
func TestClickHouseGoesAway(t *testing.T) {
	const cut, swallow = clickhousetest.Cut, clickhousetest.Swallow
	server := clickhousetest.Start(t, clickhousetest.Options{})
	for _, c := range []struct {
		name  string
		fault clickhousetest.Fault
		code  int
		moved bool // the tables may show the new run already
	}{
		{name: "in the midst of a block, for good", fault: clickhousetest.Fault{Action: cut, Match: "INSERT INTO `clients__next_", After: 300, Always: true}, code: 1},
		{name: "in the midst of a block, once", fault: clickhousetest.Fault{Action: cut, Match: "INSERT INTO `clients__next_", After: 300}, moved: true},
		{name: "a block's answer lost", fault: clickhousetest.Fault{Action: swallow, Match: "INSERT INTO `clients__next_", After: 1 << 10}, moved: true},
		{name: "between insert and exchange", fault: clickhousetest.Fault{Action: cut, Match: "sum(xxHash64(r))", Always: true}, code: 1},
		{name: "before the exchange, for good", fault: clickhousetest.Fault{Action: cut, Match: "EXCHANGE TABLES", Always: true}, code: 1},
		{name: "the exchange's answer lost", fault: clickhousetest.Fault{Action: swallow, Match: "EXCHANGE TABLES"}, moved: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWarehouse(t, server)
			before := w.shown(t)
			w.proxy.Set(c.fault)
			r := w.run(t, c.code, w.through())
			if w.proxy.Struck() == 0 {
				t.Error("the fault did not strike")
			}
			w.proxy.Set(clickhousetest.Fault{})
			failed := r.Destinations[1].State == "failed"
			if failed != (c.code == 1) || failed && !strings.Contains(r.Error, "clickhouse") {
				t.Errorf("%+v", r)
			}
			if after := w.shown(t); !c.moved && tables(after) != tables(before) {
				t.Errorf("was\n%s\nis\n%s", before, after)
			}
			if again := w.run(t, 0, w.through()); again.Calls.Feed > 0 {
				t.Errorf("what was fetched was asked for again: %+v", again.Calls)
			}
			w.verify(t)
		})
	}
}

// tables is what the warehouse shows in ClickHouse.
func tables(shown string) string {
	_, rest, _ := strings.Cut(shown, "\n")
	return rest
}

// TestClickHouseIsAwayAtTheStart wants no call wasted on what can't be published
// twice: what was fetched is kept, and published when the server is back.
func TestClickHouseIsAwayAtTheStart(t *testing.T) {
	w := newWarehouse(t, clickhousetest.Start(t, clickhousetest.Options{}))
	before := w.shown(t)
	w.proxy.Refuse(t)
	r := w.run(t, 1, w.through())
	if !strings.Contains(r.Error, "connection refused") || !strings.Contains(r.Error, "run again later") {
		t.Errorf("%+v", r)
	}
	if after := w.shown(t); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	w.proxy.Admit(t)
	if again := w.run(t, 0, w.through()); again.Calls.Feed > 0 || again.Destinations[1].State != "published" {
		t.Errorf("%+v", again)
	}
	w.verify(t)
}
