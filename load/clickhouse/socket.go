package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	pingWait = 30 * time.Second // for the answer to a ping; a server gives it while it works on whatever
	lookWait = time.Minute      // for what is read of tables, columns and books
)

// errNoAnswer says that a server keeps silent.
var errNoAnswer = errors.New("the server keeps silent")

// socket is a connection of the driver's that the destination can end.
type socket struct {
	net.Conn
	d *Destination
}

// Close closes the connection.
func (s *socket) Close() error {
	s.d.socketMu.Lock()
	delete(s.d.sockets, s)
	s.d.socketMu.Unlock()
	return s.Conn.Close()
}

// dialSocket connects to the server for the driver.
func (d *Destination) dialSocket(ctx context.Context, addr string) (net.Conn, error) {
	var conn net.Conn
	var err error
	plain := net.Dialer{Timeout: dialTimeout}
	if d.tls == nil {
		conn, err = plain.DialContext(ctx, "tcp", addr)
	} else {
		conn, err = (&tls.Dialer{NetDialer: &plain, Config: d.tls}).DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	s := &socket{conn, d}
	d.socketMu.Lock()
	defer d.socketMu.Unlock()
	d.sockets[s] = struct{}{}
	return s, nil
}

// closeSockets ends all connections of the driver's: what reads from them fails
// at once, and what comes after it connects anew.
func (d *Destination) closeSockets() {
	d.socketMu.Lock()
	defer d.socketMu.Unlock()
	for s := range d.sockets {
		_ = s.(*socket).Conn.Close() // it is to break
	}
	clear(d.sockets)
}

// boundSilence gives what only looks at the server an end: a server that has
// fallen silent is told so.
func boundSilence(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, lookWait, errNoAnswer)
}

// recoverPanic makes an error of a panic of the driver's, which trusts the lengths
// that a server tells it.
func recoverPanic(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("what the server says can't be read: %v", p)
	}
}
