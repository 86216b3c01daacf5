package clickhousetest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// drainWait is how long a link may take to end once the proxy is closed.
const drainWait = 5 * time.Second

// Proxy stands between clients and a server. Whatever a client does to its
// connection, the server sees it end in order. It is safe for concurrent use,
// and links are made, broken and let through as its methods say at that time.
type Proxy struct {
	Addr   string // where it listens; stays the same
	CAFile string // the certificate to trust, PEM; empty without TLS

	target string
	tls    *tls.Config
	serve  func(net.Listener)
	group  errgroup.Group

	mu       sync.Mutex
	listener net.Listener // nil: refuses
	links    map[*link]struct{}
	closed   bool
	plan     plan
	late     []*link // hold bytes of a Late fault
}

// StartProxy starts a proxy before target, host:port, that ends with the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return startProxy(t, target, nil)
}

// StartTLSProxy starts a proxy that speaks TLS to clients and plain TCP to
// target. Its certificate is for 127.0.0.1 and localhost; CAFile has it.
func StartTLSProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	file, config, err := certificate(t.TempDir())
	if err != nil {
		t.Fatalf("make a certificate: %v", err)
	}
	p := startProxy(t, target, config)
	p.CAFile = file
	return p
}

func startProxy(t testing.TB, target string, config *tls.Config) *Proxy {
	t.Helper()
	p, err := newProxy(context.WithoutCancel(t.Context()), target, config)
	if err != nil {
		t.Fatalf("start a proxy: %v", err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Errorf("stop the proxy: %v", err)
		}
	})
	return p
}

func newProxy(ctx context.Context, target string, config *tls.Config) (*Proxy, error) {
	p := &Proxy{target: target, tls: config, links: map[*link]struct{}{}}
	p.serve = func(l net.Listener) {
		p.group.Go(func() error { p.accept(ctx, l); return nil })
	}
	if err := p.listen(ctx, "127.0.0.1:0"); err != nil {
		return nil, err
	}
	p.Addr = p.listener.Addr().String()
	return p, nil
}

func (p *Proxy) listen(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	p.listener = l
	p.serve(l)
	return nil
}

// accept makes links until the listener is closed.
func (p *Proxy) accept(ctx context.Context, l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.group.Go(func() error { return p.connect(ctx, client) })
	}
}

// connect runs one link. A server that is away is seen by the client alone.
func (p *Proxy) connect(ctx context.Context, client net.Conn) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", p.target)
	if err != nil {
		return client.Close()
	}
	if p.tls != nil {
		client = tls.Server(client, p.tls)
	}
	k := &link{proxy: p, client: client, server: conn.(*net.TCPConn), gone: make(chan struct{}),
		release: make(chan struct{}), arrived: make(chan struct{}), answered: make(chan struct{}, 1)}
	p.mu.Lock()
	p.links[k] = struct{}{}
	if p.closed {
		k.drain()
	}
	p.mu.Unlock()
	k.run()
	p.mu.Lock()
	delete(p.links, k)
	p.mu.Unlock()
	return nil
}

// Refuse closes the port: who connects is refused. Links go on.
func (p *Proxy) Refuse(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return
	}
	if err := p.listener.Close(); err != nil {
		t.Fatalf("close the proxy's port: %v", err)
	}
	p.listener = nil
}

// Admit opens the port again.
func (p *Proxy) Admit(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return
	}
	if err := p.listen(t.Context(), p.Addr); err != nil {
		t.Fatalf("open the proxy's port again: %v", err)
	}
}

// CutAll ends all links of the moment.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.links {
		k.cut()
	}
}

// close ends everything and waits for it.
func (p *Proxy) close() error {
	p.mu.Lock()
	p.closed = true
	p.plan.replace(Fault{})
	var err error
	if p.listener != nil {
		err = p.listener.Close()
		p.listener = nil
	}
	for _, k := range p.late {
		close(k.release)
	}
	p.late = nil
	for k := range p.links {
		k.drain()
	}
	p.mu.Unlock()
	return errors.Join(err, p.group.Wait())
}
