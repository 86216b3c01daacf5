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
	"roistat-etl/internal/untrusted"
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
	secrets                        *untrusted.Secrets

	mu        sync.Mutex
	conn      driver.Conn  // nil: not opened yet
	cloud     bool         // ClickHouse Cloud; known once it is opened
	settings  []setting    // that statements carry; known once it is opened
	idle      []*ch.Client // connections for blocks that nobody uses now
	stillRead []string     // tables that were dropped while somebody read them

	socketMu sync.Mutex            // guards sockets; never held for long
	sockets  map[net.Conn]struct{} // of the driver, that are open
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
		secrets: untrusted.NewSecrets(o.Password), sockets: map[net.Conn]struct{}{},
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
	settings, err := d.allowedSettings(ctx)
	if err != nil {
		return nil, err
	}
	d.settings = settings
	engine, err := d.lookUpDatabase(ctx)
	if err != nil {
		return nil, err
	}
	d.cloud = engine == sharedDatabase
	conn, err := d.connect(ctx, d.database, settings)
	d.conn = conn
	return conn, err
}

// lookUpDatabase gives the database's engine. It fails with errNoDatabase if the
// database is absent, or if the user may do nothing there, and refuses one of the
// wrong kind.
func (d *Destination) lookUpDatabase(ctx context.Context) (engine string, err error) {
	conn, err := d.connect(ctx, "", d.settings)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return d.engine(ctx, conn)
}

// connect opens connections whose statements carry the settings, and tries one. In
// ClickHouse Cloud each may come to another replica, which hears of a change a
// little later: there is only one, then, for which statements queue, and what is
// read of the rows that blocks brought waits until the replica has them.
func (d *Destination) connect(ctx context.Context, database string, settings []setting) (_ driver.Conn, err error) {
	defer recoverPanic(&err)
	connections, wait := 4, dialTimeout
	if d.cloud {
		connections, wait = 1, readTimeout
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{d.addr}, DialContext: d.dialSocket,
		Auth:        clickhouse.Auth{Database: database, Username: d.user, Password: d.password},
		DialTimeout: wait, ReadTimeout: readTimeout, MaxOpenConns: connections, MaxIdleConns: min(connections, 2),
		ClientInfo: clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: clientName}}},
		Settings:   forDriver(settings),
	})
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, d.closeSockets)() // neither the greeting nor a ping heeds a context
	hurried, stop := context.WithTimeoutCause(ctx, max(wait, pingWait), errNoAnswer)
	defer stop()
	if err := conn.Ping(hurried); err != nil {
		return nil, errors.Join(d.explain(hurried, err), conn.Close())
	}
	return conn, nil
}

// create makes the database where it is absent.
func (d *Destination) create(ctx context.Context) (err error) {
	if _, err := d.open(ctx); !errors.Is(err, errNoDatabase) {
		return err
	}
	conn, err := d.connect(ctx, "", d.settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return untilPossible(ctx, func() error {
		return d.explain(ctx, conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+schemas.Ident(d.database)))
	})
}

// exec runs a statement that returns nothing, and that may be run twice. It is run
// again where the server can't now.
func (d *Destination) exec(ctx context.Context, query string) error {
	return untilPossible(ctx, func() error { return d.execOnce(ctx, query) })
}

// execOnce runs a statement that returns nothing.
func (d *Destination) execOnce(ctx context.Context, query string) (err error) {
	defer recoverPanic(&err)
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	return d.explain(ctx, conn.Exec(ctx, query))
}

// query runs a question and gives its rows one by one. It is asked again where the
// server can't now and has given none yet.
func (d *Destination) query(ctx context.Context, query string, each func(scan func(...any) error) error) error {
	begun := false
	var failed error
	err := untilPossible(ctx, func() error {
		err := d.queryOnce(ctx, query, func(scan func(...any) error) error {
			begun = true
			return each(scan)
		})
		if begun {
			failed = err
			return nil
		}
		return err
	})
	return errors.Join(err, failed)
}

func (d *Destination) queryOnce(ctx context.Context, query string, each func(scan func(...any) error) error) (err error) {
	defer recoverPanic(&err)
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return d.explain(ctx, err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return d.explain(ctx, rows.Err())
}

// add inserts the rows that each gives into one of the tables that keep the books,
// which are read so that a row that came twice counts once.
func (d *Destination) add(ctx context.Context, table string, columns []string, each func(row func(...any) error) error) error {
	err := untilPossible(ctx, func() error { return d.addOnce(ctx, table, columns, each) })
	if err != nil {
		return fmt.Errorf("write %s: %w", table, err)
	}
	return nil
}

func (d *Destination) addOnce(ctx context.Context, table string, columns []string, each func(row func(...any) error) error) (err error) {
	defer recoverPanic(&err)
	conn, err := d.open(ctx)
	if err != nil {
		return err
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+schemas.Ident(table)+" ("+columnList(columns)+")")
	if err != nil {
		return d.explain(ctx, err)
	}
	if err := each(batch.Append); err != nil {
		return errors.Join(err, batch.Abort())
	}
	return d.explain(ctx, batch.Send())
}

// quoted writes texts as a list of literals.
func quoted(texts []string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = schemas.Quote(t)
	}
	return strings.Join(out, ", ")
}
