package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// oldest is the oldest version that is known to do all that is asked of it.
func oldest() proto.Version { return proto.Version{Major: 24, Minor: 8} }

// Check tries everything that a publishing needs: the way there, version and
// kind of the database, and each right on a table of its own that it drops again.
func (d *Destination) Check(ctx context.Context) []load.Checked {
	c := &checks{d: d}
	c.all(ctx)
	return c.list
}

type checks struct {
	d    *Destination
	list []load.Checked
}

func (c *checks) say(what, detail, remedy string, err error) bool {
	x := load.Checked{What: what, Detail: detail}
	if err != nil {
		x.Err, x.Detail, x.Remedy = err, "", remedy
	}
	c.list = append(c.list, x)
	return err == nil
}

func (c *checks) all(ctx context.Context) {
	if !c.greet(ctx) {
		return
	}
	settings, err := c.d.allowedSettings(ctx)
	var forbidden *settingsError
	if errors.As(err, &forbidden) {
		c.say("settings", "", forbidden.remedy(), err)
		return
	}
	var conn driver.Conn
	if err == nil {
		conn, err = c.d.connect(ctx, "", settings)
	}
	if !c.say("settings", fmt.Sprintf("%d of %d may be set", len(settings), len(statementSettings())), remedyFor(err), err) {
		return
	}
	defer conn.Close() //nolint:errcheck // it was only asked
	engine, err := c.d.engine(ctx, conn)
	if errors.Is(err, errNoDatabase) {
		err = c.mayCreate(ctx, conn)
		c.say("database", c.d.database+" will be made by the first run",
			fmt.Sprintf("GRANT CREATE DATABASE ON %s.* TO %s, or make the database", schemas.Ident(c.d.database), schemas.Ident(c.d.user)), err)
		return
	}
	if !c.say("database", fmt.Sprintf("%s, engine %s", c.d.database, engine), "give a database with the engine Atomic", err) {
		return
	}
	c.rights(ctx)
}

// greet sees that the server answers, and that it is new enough.
func (c *checks) greet(ctx context.Context) bool {
	conn, err := c.d.connect(ctx, "", nil)
	if !c.say("clickhouse", c.d.target+" answers", remedyFor(err), err) {
		return false
	}
	defer conn.Close() //nolint:errcheck // it was only asked
	return c.version(conn)
}

// remedyFor says what helps against an error of reaching the server.
func remedyFor(err error) string {
	switch code(err) {
	case 192, 193, 194, 516:
		return "give the user and the password that the server knows"
	case 195:
		return "let the server's users.xml admit this machine's address"
	case 201, 202, 745:
		return "the server is at its limit of queries for this user: try again later, or raise the limit"
	case 0:
		return "see that the server is up, and that host and port are right"
	}
	return "see the server's message"
}

func (c *checks) version(conn driver.Conn) bool {
	v, err := conn.ServerVersion()
	if err != nil {
		return c.say("version", "", "try again later", err)
	}
	if !proto.CheckMinVersion(oldest(), v.Version) {
		err = refuse("the server is %s, %s is the oldest that will do", v.Version, oldest())
	}
	return c.say("version", v.Version.String(), "update the server", err)
}

// mayCreate tells whether the user may make the database.
func (c *checks) mayCreate(ctx context.Context, conn driver.Conn) error {
	var may uint8
	err := conn.QueryRow(ctx, "CHECK GRANT CREATE DATABASE ON "+schemas.Ident(c.d.database)+".*").Scan(&may)
	if err == nil && may == 0 {
		err = refuse("the database %s is absent, and the user %s may not make it", c.d.database, c.d.user)
	}
	return classify(err)
}

// engine reads the database's engine, and refuses what a publishing can't use.
func (d *Destination) engine(ctx context.Context, conn driver.Conn) (string, error) {
	rows, err := conn.Query(ctx, "SELECT engine FROM system.databases WHERE name = "+schemas.Quote(d.database))
	if err != nil {
		return "", classify(err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	engine := ""
	for rows.Next() {
		if err := rows.Scan(&engine); err != nil {
			return "", err
		}
	}
	if err := rows.Err(); err != nil {
		return "", classify(err)
	}
	return engine, judgeDatabase(d.database, engine)
}

// sharedDatabase is the engine that ClickHouse Cloud gives its databases.
const sharedDatabase = "Shared"

// judgeDatabase refuses the engines that a publishing can't use.
func judgeDatabase(name, engine string) error {
	switch engine {
	case "Atomic", sharedDatabase:
		return nil
	case "":
		return errNoDatabase
	case "Replicated":
		return refuse("the database %s is Replicated: tables are exchanged on one node, and the others would show another state", name)
	default:
		return refuse("the database %s has the engine %s, which can't exchange tables at once", name, engine)
	}
}

// rights asks for each right, and then does with a table of its own what a
// publishing does: a user may be read-only, or the disk full, with all rights.
func (c *checks) rights(ctx context.Context) {
	on, to := schemas.Ident(c.d.database)+".*", schemas.Ident(c.d.user)
	all := true
	for _, grant := range []string{
		"SELECT ON " + on, "INSERT ON " + on, "CREATE TABLE ON " + on, "CREATE VIEW ON " + on, "DROP TABLE ON " + on, "DROP VIEW ON " + on,
		"ALTER TABLE ON " + on, "TABLE ENGINE ON MergeTree", "SELECT ON system.parts",
	} {
		var may uint8
		err := c.d.query(ctx, "CHECK GRANT "+grant, func(scan func(...any) error) error { return scan(&may) })
		if err == nil && may == 0 {
			err = refuse("the user %s lacks the right %s", c.d.user, grant)
		}
		all = c.say("right "+grant, "granted", "GRANT "+grant+" TO "+to, err) && all
	}
	if all {
		c.unaltered(ctx)
		c.say("trial", "a table was made, filled, exchanged and dropped", "see the message", c.trial(ctx))
	}
}

// unaltered says of tables that were altered what helps.
func (c *checks) unaltered(ctx context.Context) {
	s, err := c.d.inspect(ctx)
	if err == nil {
		err = s.altered(c.d.database)
	}
	if err != nil {
		c.say("tables", "", "rename the table to keep what was added, and run", err)
	}
}

// trial does what a publishing does, with tables of its own: they are made, filled,
// counted and exchanged by the statements of a run, under the settings of a run.
func (c *checks) trial(ctx context.Context) (err error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	name := "_check_" + hex.EncodeToString(b[:])
	next, view := name+"_next", schemas.Ident(name+"_view")
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, c.d.exec(ctx, "DROP VIEW IF EXISTS "+view), c.d.drop(ctx, name), c.d.drop(ctx, next))
	}()
	t, m := schemas.Get(schemas.Orders), mark{"check", "check"}
	for _, ddl := range []string{c.d.ddl(t, name, m), c.d.ddl(t, next, m)} {
		if err := c.d.exec(ctx, ddl); err != nil {
			return fmt.Errorf("make a table: %w", err)
		}
	}
	if err := c.d.insertEmptyRow(ctx, t, name); err != nil {
		return fmt.Errorf("insert a row: %w", err)
	}
	for _, query := range []string{
		"ALTER TABLE " + schemas.Ident(next) + " ATTACH PARTITION ID '" + emptyRowPartition + "' FROM " + schemas.Ident(name),
		"EXCHANGE TABLES " + schemas.Ident(name) + " AND " + schemas.Ident(next),
		"CREATE OR REPLACE VIEW " + view + " AS SELECT event_id FROM " + schemas.Ident(name),
	} {
		if err := c.d.exec(ctx, query); err != nil {
			return err
		}
	}
	counts, err := c.d.count(ctx, name)
	if err != nil {
		return err
	}
	digests, err := c.d.digest(ctx, t, name, []string{emptyRowPartition})
	if err != nil {
		return err
	}
	if n, d := counts[emptyRowPartition].rows, digests[emptyRowPartition].rows; n != 1 || d != 1 {
		return refuse("one row was inserted, and the server counts %d and reads %d: see the settings and the row policies of the user %s", n, d, c.d.user)
	}
	return nil
}

// emptyRowPartition is the server's id of the partition of the row that
// insertEmptyRow inserts: its time is 1970-01-01.
const emptyRowPartition = "197001"

// insertEmptyRow inserts a row as a run does.
func (d *Destination) insertEmptyRow(ctx context.Context, t *schemas.Table, into string) error {
	b := array.NewRecordBuilder(memory.NewGoAllocator(), t.Arrow())
	defer b.Release()
	for _, f := range b.Fields() {
		f.AppendEmptyValue()
	}
	rec := b.NewRecord()
	defer rec.Release()
	i := &inserter{d: d, into: into, token: into, block: newBlock(t)}
	err := i.block.add(rec)
	if err == nil {
		err = i.send(ctx)
	}
	return i.release(err)
}
