package clickhousetest

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	chunkSize = 32 << 10
	lateWait  = 2 * time.Second // for the answer to a statement that comes late
	// quiet tells the end of an answer from a packet of progress that happens to
	// end in the same byte: a server that is still busy sends the next one within
	// 100 ms.
	quiet = 300 * time.Millisecond
	// endOfStream is the last byte of an answer of the native protocol.
	endOfStream = 5
)

// link is one client's connection through the proxy.
type link struct {
	proxy  *Proxy
	client net.Conn
	server *net.TCPConn
	once   sync.Once
	gone   chan struct{} // closed when it was cut

	release  chan struct{} // closed when the bytes of a Late fault may go on
	arrived  chan struct{} // closed when they have
	answered chan struct{} // the server has said something

	mu      sync.Mutex
	hold    <-chan struct{} // nil, or nothing passes until it is closed
	swallow bool            // the end of the next answer is withheld
}

// run moves bytes both ways until both sides have ended.
func (k *link) run() {
	var g errgroup.Group
	g.Go(func() error { k.up(); return nil })
	g.Go(func() error { k.down(); return nil })
	_ = g.Wait() // neither side fails: a broken connection is what they are for
	_ = k.client.Close()
	_ = k.server.Close() // everything was read, so this is no reset
}

// cut ends the client's side, and the server's in order: down reads what the
// server still says.
func (k *link) cut() {
	k.once.Do(func() {
		close(k.gone)
		_ = k.client.Close()
		_ = k.server.CloseWrite()
	})
}

// drain cuts the link and gives the server a limited time to end its side.
func (k *link) drain() {
	k.cut()
	_ = k.server.SetReadDeadline(time.Now().Add(drainWait))
}

// up moves the client's bytes to the server.
func (k *link) up() {
	defer k.server.CloseWrite() //nolint:errcheck // it may be closed by now
	w := watch{}
	buf := make([]byte, chunkSize)
	for {
		n, err := k.client.Read(buf)
		if n > 0 && !k.forward(&w, k.server, buf[:n]) {
			k.cut()
			return
		}
		if err != nil {
			return
		}
	}
}

// down moves the server's bytes to the client until the server has ended; once
// the client is gone it only reads them.
func (k *link) down() {
	defer k.cut()
	w := watch{server: true}
	buf := make([]byte, chunkSize)
	var held []byte // the end of an answer, perhaps
	for {
		n, err := k.server.Read(buf)
		select {
		case k.answered <- struct{}{}:
		default: // nobody has asked since
		}
		if err != nil && len(held) > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			held = nil
			k.cut()
			_ = k.server.SetReadDeadline(time.Now().Add(time.Minute))
			continue
		}
		if n > 0 && !k.isCut() {
			if len(held) > 0 {
				_ = k.server.SetReadDeadline(time.Time{})
			}
			if held = append(held, buf[:n]...); k.swallows(held) {
				_ = k.server.SetReadDeadline(time.Now().Add(quiet))
				continue
			}
			if !k.forward(&w, k.client, held) {
				k.cut()
			}
			held = held[:0]
		}
		if err != nil {
			return
		}
	}
}

// forward sends what the proxy's plan lets through and does what it demands.
// It is false when the link is to be cut.
func (k *link) forward(w *watch, to net.Conn, chunk []byte) bool {
	k.await()
	pass, f := k.proxy.judge(w, chunk)
	if f.Do != nil {
		f.Do()
	}
	if _, err := to.Write(chunk[:pass]); err != nil || f.Action == Cut {
		return false
	}
	switch f.Action {
	case Late:
		k.late(chunk[pass:], f.Twice)
		return false
	case Swallow:
		k.mu.Lock()
		k.swallow = true
		k.mu.Unlock()
	case Stall:
		k.mu.Lock()
		k.hold = f.release
		k.mu.Unlock()
		k.await()
	}
	_, err := to.Write(chunk[pass:])
	return err == nil
}

// late ends the client's side and sends the server these bytes when they are released.
func (k *link) late(rest []byte, twice bool) {
	k.once.Do(func() {
		close(k.gone)
		_ = k.client.Close()
	})
	defer close(k.arrived)
	k.proxy.mu.Lock()
	if k.proxy.closed {
		k.proxy.mu.Unlock()
		return
	}
	k.proxy.late = append(k.proxy.late, k)
	k.proxy.mu.Unlock()
	<-k.release
	k.arrive(rest)
	if twice {
		k.arrive(rest)
	}
}

// arrive sends the server what came late, and waits for its answer.
func (k *link) arrive(rest []byte) {
	select {
	case <-k.answered: // to what came before
	default:
	}
	if _, err := k.server.Write(rest); err != nil {
		return
	}
	select {
	case <-k.answered:
	case <-time.After(lateWait):
	}
}

// await waits while the link is stalled.
func (k *link) await() {
	k.mu.Lock()
	hold := k.hold
	k.mu.Unlock()
	if hold == nil {
		return
	}
	select {
	case <-hold:
	case <-k.gone:
	}
}

// swallows reports whether this may be the end of an answer to withhold.
func (k *link) swallows(text []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.swallow && text[len(text)-1] == endOfStream
}

func (k *link) isCut() bool {
	select {
	case <-k.gone:
		return true
	default:
		return false
	}
}
