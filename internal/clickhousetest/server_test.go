package clickhousetest

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// open connects as etl.
func open(t *testing.T, addr string, config *tls.Config) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{addr}, TLS: config, Auth: clickhouse.Auth{Username: "etl", Password: Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// insert sends n rows in one INSERT.
func insert(t *testing.T, conn driver.Conn, table string, n int) error {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+table)
	if err != nil {
		return err
	}
	for i := range n {
		if err := batch.Append(int64(i), strings.Repeat("x", i%100)); err != nil {
			t.Fatal(err)
		}
	}
	return batch.Send()
}

// table makes an empty table of a number and a text.
func table(t *testing.T, s *Server) string {
	t.Helper()
	db := s.Database(t)
	s.Query(t, "CREATE DATABASE "+db)
	s.Query(t, "CREATE TABLE "+db+".t (n Int64, s String) ENGINE = MergeTree ORDER BY n")
	return db + ".t"
}

func count(t *testing.T, s *Server, table string) string {
	t.Helper()
	return strings.TrimSpace(s.Query(t, "SELECT count() FROM "+table))
}

func TestDataSurvives(t *testing.T) {
	s := Start(t, Options{})
	name := table(t, s)
	conn := open(t, s.Native, nil)
	if err := insert(t, conn, name, 1000); err != nil {
		t.Fatal(err)
	}
	native, http := s.Native, s.HTTP
	for _, end := range []func(){s.Kill, s.Stop, func() {}} {
		end()
		s.Restart()
		if got := count(t, s, name); got != "1000" {
			t.Errorf("%s rows after a restart, want 1000", got)
		}
		if err := conn.Ping(t.Context()); err != nil && conn.Ping(t.Context()) != nil {
			t.Errorf("ping after a restart: %v", err)
		}
	}
	if s.Native != native || s.HTTP != http {
		t.Errorf("the server moved from %s, %s to %s, %s", native, http, s.Native, s.HTTP)
	}
}

func TestConfigIsTaken(t *testing.T) {
	s := Start(t, Options{Config: "<max_table_size_to_drop>1234</max_table_size_to_drop>"})
	const setting = "SELECT value FROM system.server_settings WHERE name = 'max_table_size_to_drop'"
	text := func() string { return strings.TrimSpace(s.Query(t, setting)) }
	if got := text(); got != "1234" {
		t.Errorf("the setting is %s, want 1234", got)
	}
	s.RestartWith(Options{Config: "<max_table_size_to_drop>5678</max_table_size_to_drop>"})
	if got := text(); got != "5678" {
		t.Errorf("the setting after the restart is %s, want 5678", got)
	}
}

func TestRights(t *testing.T) {
	s := Shared(t)
	name := table(t, s)
	view := name + "_view"
	s.Query(t, "CREATE VIEW "+view+" AS SELECT 1")
	for _, c := range []struct{ user, statement, err string }{
		{"etl", "INSERT INTO T VALUES (1, '')", ""},
		{"etl", "CREATE DATABASE other", "CREATE DATABASE ON other"},
		{"etl_full", "INSERT INTO T VALUES (1, '')", "NOT_ENOUGH_SPACE"},
		{"etl_full", "ALTER TABLE T MODIFY COMMENT 'c'", ""},
		{"etl_readonly", "INSERT INTO T VALUES (1, '')", "READONLY"},
		{"etl_poor", "INSERT INTO T VALUES (1, '')", "grant INSERT"},
		{"etl_poor", "SELECT count() FROM T", ""},
		{"bi", "SELECT count() FROM T", ""},
		{"bi", "INSERT INTO T VALUES (1, '')", "ACCESS_DENIED"},
		{"nothing", "SELECT 1", ""},
		{"nothing", "SELECT count() FROM T", "grant SELECT"},
		{"without_select", "SELECT count() FROM T", "grant SELECT"},
		{"without_insert", "INSERT INTO T VALUES (1, '')", "grant INSERT"},
		{"without_alter", "ALTER TABLE T MODIFY COMMENT 'c'", "grant ALTER"},
		{"without_create_database", "CREATE DATABASE roistat_none", "grant CREATE DATABASE"},
		{"without_create_table", "CREATE TABLE T2 (n Int64) ENGINE = MergeTree ORDER BY n", "grant CREATE TABLE"},
		{"without_create_view", "CREATE VIEW T2 AS SELECT 1", "grant CREATE VIEW"},
		{"without_drop_table", "DROP TABLE T", "grant DROP TABLE"},
		{"without_drop_view", "DROP VIEW V", "grant DROP VIEW"},
		{"without_table_engine", "CREATE TABLE T2 (n Int64) ENGINE = MergeTree ORDER BY n", "grant TABLE ENGINE"},
		{"without_select_on_system_parts", "SELECT count() FROM system.parts", "system.parts"},
	} {
		t.Run(c.user+"/"+c.statement, func(t *testing.T) {
			statement := strings.NewReplacer(" T2 ", " "+name+"2 ", " T ", " "+name+" ", " V ", " "+view+" ").Replace(c.statement + " ")
			_, err := s.QueryAs(t.Context(), c.user, Password, statement)
			switch {
			case c.err == "" && err != nil:
				t.Error(err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("error %v, want one with %q", err, c.err)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	if _, err := Shared(t).QueryAs(t.Context(), "etl", "wrong", "SELECT 1"); err == nil {
		t.Error("a wrong password is taken")
	}
}

func TestDatabaseIsDropped(t *testing.T) {
	s := Shared(t)
	var name string
	t.Run("inner", func(t *testing.T) {
		name = s.Database(t)
		if other := s.Database(t); other == name {
			t.Errorf("two databases are called %s", name)
		}
		s.Query(t, "CREATE DATABASE "+name)
	})
	if got := s.Query(t, "EXISTS DATABASE "+name); strings.TrimSpace(got) != "0" {
		t.Errorf("%s is still there", name)
	}
}

func TestTLS(t *testing.T) {
	p := StartTLSProxy(t, Shared(t).Native)
	pem, err := os.ReadFile(p.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	if err := open(t, p.Addr, &tls.Config{RootCAs: roots}).Ping(t.Context()); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
	if err := open(t, p.Addr, &tls.Config{}).Ping(t.Context()); err == nil {
		t.Error("an unknown certificate is trusted")
	}
	if err := open(t, p.Addr, nil).Ping(t.Context()); err == nil {
		t.Error("plain text is taken for TLS")
	}
}
