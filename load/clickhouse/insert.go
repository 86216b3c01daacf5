package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

const (
	sends     = 3               // how often a block is sent, at most: with its token it counts once
	patience  = 2 * time.Minute // for the answer to a block
	readEvery = 3 * time.Second // how long ch-go reads before it looks whether it should stop
)

// inserter sends blocks to one table. It is not safe for concurrent use.
type inserter struct {
	d      *Destination
	into   string // the table
	token  string // of its blocks, without their number
	client *ch.Client
	block  *block
	sent   int
}

// insert brings the rows of a partition to the table in blocks of its own, or
// leaves them to those that travel together. It returns how many there were.
func (l *loader) insert(ctx context.Context, t *schemas.Table, into string, p load.Partition, rows load.Rows) (n int64, err error) {
	i := &inserter{d: l.d, into: into, token: into + "/" + partitionID(p), block: newBlock(t)}
	defer func() { err = i.release(err) }()
	for rec, err := range rows {
		if err != nil {
			return n, err
		}
		if i.block.full(rec) {
			err = i.send(ctx)
		}
		if err == nil {
			err = i.block.add(rec)
		}
		n += rec.NumRows()
		rec.Release()
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return n, err
		}
	}
	if i.sent == 0 && i.block.size() <= maxShared {
		return n, l.share(ctx, t, into, i.block)
	}
	return n, i.send(ctx)
}

// release gives back the connection, or closes it after an error.
func (i *inserter) release(err error) error {
	if err != nil {
		return errors.Join(err, i.close())
	}
	i.d.keep(i.client)
	return nil
}

// send inserts the block. A connection that breaks is replaced, and the block
// sent again under the same token.
func (i *inserter) send(ctx context.Context) error {
	if i.block.rows == 0 {
		return nil
	}
	token := fmt.Sprintf("%s/%d", i.token, i.sent)
	var err error
	for range sends {
		if err = untilPossible(ctx, func() error { return i.try(ctx, token) }); err == nil {
			break
		}
		err = fmt.Errorf("insert block %d: %w", i.sent, err)
		if code(err) != 0 || context.Cause(ctx) != nil {
			return classify(err)
		}
	}
	i.sent++
	i.block.reset()
	return err
}

func (i *inserter) try(ctx context.Context, token string) (err error) {
	defer recoverPanic(&err)
	if i.client == nil {
		if i.client, err = i.d.dial(ctx); err != nil {
			return i.d.explain(ctx, err)
		}
	}
	in := i.block.input()
	waiting, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	err = i.client.Do(waiting, ch.Query{
		Body: "INSERT INTO " + schemas.Ident(i.into) + " (" + columnList(i.block.names) + ") VALUES", Input: in,
		Settings: append(forBlocks(i.d.carriedSettings()), ch.Setting{Key: "insert_deduplication_token", Value: token, Important: true}),
	})
	if err != nil {
		return errors.Join(i.d.explain(waiting, err), i.close())
	}
	return nil
}

// errSilent says that the server took a block and didn't answer.
var errSilent = fmt.Errorf("the server has not answered for %s", patience)

func columnList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = schemas.Ident(n)
	}
	return strings.Join(quoted, ", ")
}

func (i *inserter) close() error {
	if i.client == nil || i.client.IsClosed() {
		i.client = nil
		return nil
	}
	err := i.client.Close()
	i.client = nil
	return err
}

// keep takes a connection that is well and not used any more.
func (d *Destination) keep(c *ch.Client) {
	if c == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, c)
}

// dial gives a connection for blocks, one that was kept or a new one.
func (d *Destination) dial(ctx context.Context) (*ch.Client, error) {
	d.mu.Lock()
	for len(d.idle) > 0 {
		c := d.idle[len(d.idle)-1]
		d.idle = d.idle[:len(d.idle)-1]
		if !c.IsClosed() {
			d.mu.Unlock()
			return c, nil
		}
	}
	d.mu.Unlock()
	o := ch.Options{
		Address: d.addr, Database: d.database, User: d.user, Password: d.password, ClientName: clientName,
		DialTimeout: dialTimeout, ReadTimeout: readEvery, HandshakeTimeout: time.Minute, TLS: d.tls,
	}
	if !d.local() {
		o.Compression = ch.CompressionLZ4
	}
	return ch.Dial(ctx, o)
}
