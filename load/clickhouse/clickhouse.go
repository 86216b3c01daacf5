package clickhouse

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"roistat-etl/internal/endpoint"
	"roistat-etl/schemas"
)

const (
	dialTimeout = 10 * time.Second
	readTimeout = 10 * time.Minute // of one packet: a server that checks a large partition sends progress
	clientName  = "roistat-etl"
)

// Options configures a destination.
type Options struct {
	// URL is clickhouse://user@host:port/database, with ?secure=true for TLS.
	// The port is 9000, or 9440 with TLS, if there is none.
	URL      string
	Password string
	CAFile   string // PEM certificates trusted besides the system's; wants TLS
}

// Destination is a database that shows one run at a time, as the package doc
// describes it. It is safe for concurrent use.
type Destination struct {
	addr, user, password, database string
	tls                            *tls.Config // nil: none
	target                         string

	mu    sync.Mutex
	conn  driver.Conn  // nil: not opened yet
	cloud bool         // ClickHouse Cloud; known once it is opened
	idle  []*ch.Client // connections for blocks that nobody uses now
}

// New makes a destination. It touches nothing. No error holds the password.
func New(o Options) (*Destination, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "clickhouse" || u.Hostname() == "" {
		return nil, errors.New("the URL is not of the form clickhouse://user@host:port/database")
	}
	secure, err := secured(u.Query())
	if err != nil {
		return nil, err
	}
	d := &Destination{
		user: cmp.Or(u.User.Username(), "default"), password: o.Password, database: strings.TrimPrefix(u.Path, "/"),
	}
	if d.database == "" || strings.Contains(d.database, "/") {
		return nil, errors.New("the URL names no database")
	}
	port := "9000"
	if secure {
		port = "9440"
		if d.tls, err = trust(u.Hostname(), o.CAFile); err != nil {
			return nil, err
		}
	} else if o.CAFile != "" {
		return nil, errors.New("ca_file wants TLS: add ?secure=true to the URL")
	}
	d.addr = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
	d.target = fmt.Sprintf("clickhouse://%s@%s/%s", d.user, d.addr, d.database)
	return d, nil
}

// secured reads the URL's options. Verification can't be switched off.
func secured(q url.Values) (secure bool, err error) {
	for name, values := range q {
		switch value := values[len(values)-1]; {
		case name != "secure":
			return false, fmt.Errorf("the URL has the option %q: only secure=true is known", name)
		case value == "true" || value == "1":
			secure = true
		case value != "false" && value != "0":
			return false, fmt.Errorf("the URL's option secure is %q, not true or false", value)
		}
	}
	return secure, nil
}

func trust(host, file string) (*tls.Config, error) {
	roots, err := endpoint.Roots(file)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}, nil
}

// String names the destination, without the password.
func (d *Destination) String() string { return "clickhouse " + d.target }

// local tells whether the server is on this machine, where packing costs more than it saves.
func (d *Destination) local() bool {
	host, _, err := net.SplitHostPort(d.addr)
	return err == nil && endpoint.Loopback(host)
}

// Close closes the connections. The destination can be used again.
func (d *Destination) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []error
	for _, c := range d.idle {
		all = append(all, c.Close())
	}
	d.idle = nil
	if d.conn != nil {
		all = append(all, d.conn.Close())
		d.conn = nil
	}
	return errors.Join(all...)
}

// errNoDatabase says that the server doesn't know the database.
var errNoDatabase = errors.New("there is no such database")

// open returns the connections to the database, which must exist.
func (d *Destination) open(ctx context.Context) (driver.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		return d.conn, nil
	}
	engine, err := d.exists(ctx)
	if err != nil {
		return nil, err
	}
	d.cloud = engine == sharedDatabase
	conn, err := d.connect(ctx, d.database, d.cloud)
	d.conn = conn
	return conn, err
}

// exists gives the database's engine. It fails with errNoDatabase if the database
// is absent, or if the user may do nothing there, and refuses one of the wrong kind.
func (d *Destination) exists(ctx context.Context) (engine string, err error) {
	conn, err := d.connect(ctx, "", false)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return d.engine(ctx, conn)
}

// connect opens connections and tries one. In ClickHouse Cloud each may come to
// another replica, which hears of a change a little later: there is only one, then,
// for which statements queue, and what is read of the rows that blocks brought
// waits until the replica has them.
func (d *Destination) connect(ctx context.Context, database string, cloud bool) (driver.Conn, error) {
	connections, wait := 4, dialTimeout
	if cloud {
		connections, wait = 1, readTimeout
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{d.addr}, TLS: d.tls,
		Auth:        clickhouse.Auth{Database: database, Username: d.user, Password: d.password},
		DialTimeout: wait, ReadTimeout: readTimeout, MaxOpenConns: connections, MaxIdleConns: min(connections, 2),
		ClientInfo: clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: clientName}}},
		Settings:   clickhouse.Settings{"alter_sync": 1, "mutations_sync": 1, "async_insert": 0, "select_sequential_consistency": 1},
	})
	if err != nil {
		return nil, err
	}
	if err := conn.Ping(ctx); err != nil {
		return nil, errors.Join(classify(err), conn.Close())
	}
	return conn, nil
}

// create makes the database where it is absent.
func (d *Destination) create(ctx context.Context) (err error) {
	if _, err := d.open(ctx); !errors.Is(err, errNoDatabase) {
		return err
	}
	conn, err := d.connect(ctx, "", false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return classify(conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+schemas.Ident(d.database)))
}

// exec runs a statement that returns nothing.
func (d *Destination) exec(ctx context.Context, query string) error {
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	return classify(conn.Exec(ctx, query))
}

// query runs a question and gives its rows one by one.
func (d *Destination) query(ctx context.Context, query string, each func(scan func(...any) error) error) error {
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return classify(err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return classify(rows.Err())
}

// add inserts the rows that each gives into one of the tables that keep the books.
func (d *Destination) add(ctx context.Context, table string, columns []string, each func(row func(...any) error) error) error {
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+schemas.Ident(table)+" ("+columnList(columns)+")")
	if err != nil {
		return fmt.Errorf("write %s: %w", table, classify(err))
	}
	if err := each(batch.Append); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", table, err), batch.Abort())
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("write %s: %w", table, classify(err))
	}
	return nil
}

// quoted writes texts as a list of literals.
func quoted(texts []string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = schemas.Quote(t)
	}
	return strings.Join(out, ", ")
}
