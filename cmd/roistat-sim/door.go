package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// door is a listener that can be shut for a while: then its port refuses
// connections, while those that are open stay so.
type door struct {
	listen func(addr string) (net.Listener, error)
	gone   chan struct{} // closed by Close

	mu     sync.Mutex
	inner  net.Listener
	opens  time.Time // shut until then
	closed bool
}

// newDoor makes a door that is not open yet.
func newDoor(ctx context.Context) *door {
	var lc net.ListenConfig
	return &door{gone: make(chan struct{}), listen: func(addr string) (net.Listener, error) { return lc.Listen(ctx, "tcp", addr) }}
}

// open starts to listen.
func (d *door) open(addr string) (err error) {
	if d.inner, err = d.listen(addr); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// shut lets the port refuse connections for a while, from now on.
func (d *door) shut(while time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opens = time.Now().Add(while)
	_ = d.inner.Close() // closed already, or waking Accept
}

// Accept waits for a connection, also while the door is shut.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.now().Accept()
		if err == nil {
			return conn, nil
		}
		if again := d.reopen(err); again != nil {
			return nil, again
		}
	}
}

func (d *door) now() net.Listener {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inner
}

// reopen listens again after a door was shut; err is why accepting failed, which
// is returned if that was not the reason.
func (d *door) reopen(err error) error {
	for {
		d.mu.Lock()
		wait, closed, shut := time.Until(d.opens), d.closed, !d.opens.IsZero()
		if !closed && shut && wait <= 0 {
			defer d.mu.Unlock()
			d.opens = time.Time{}
			inner, err := d.listen(d.inner.Addr().String())
			if err != nil {
				return fmt.Errorf("listen again: %w", err)
			}
			d.inner = inner
			return nil
		}
		d.mu.Unlock()
		if closed || !shut {
			return err
		}
		select {
		case <-time.After(wait):
		case <-d.gone:
			return err
		}
	}
}

// Close ends the listening for good.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	close(d.gone)
	if err := d.inner.Close(); d.opens.IsZero() {
		return err
	}
	return nil // it was closed when the door was shut
}

// Addr is where the door is.
func (d *door) Addr() net.Addr { return d.now().Addr() }
