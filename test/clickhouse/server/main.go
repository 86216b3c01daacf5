// Command server is a real ClickHouse of one process, for the tests, the chaos
// checker and the demo. It loads libchdb.so, the library that `make clickhouse`
// installs, and calls the function behind clickhouse-local, which can listen:
// native protocol and HTTP, on 127.0.0.1. It has no Replicated tables, no ON
// CLUSTER and no TLS ports.
//
// All that it needs is written below --dir, and the data in DIR/data outlives
// SIGTERM and kill -9. It says nothing unless something is wrong, stops on
// SIGTERM and takes 200 to 250 MB when idle, 2 GB at most.
//
// One thing that a real server bears it does not: a reset (RST) of an idle
// native connection ends it. Put a proxy in front that ends connections in
// order, as package clickhousetest has it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// options are the command line's.
type options struct {
	lib      string
	dir      string
	tcp      int
	http     int
	addrFile string
	config   string
}

func main() {
	var o options
	flag.StringVar(&o.lib, "lib", os.Getenv("LIBCHDB"), "the library (default $LIBCHDB, or the one in .clickhouse of this tree)")
	flag.StringVar(&o.dir, "dir", "", "the folder for configuration and data (required)")
	flag.IntVar(&o.tcp, "tcp", 0, "the port of the native protocol; 0 takes a free one")
	flag.IntVar(&o.http, "http", 0, "the port of HTTP; 0 takes a free one")
	flag.StringVar(&o.addrFile, "addr-file", "", "where to write the two addresses, a line each, once the server answers (default stdout)")
	flag.StringVar(&o.config, "config", "", "XML elements that config.xml is to hold as well")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "clickhouse:", err)
		os.Exit(1)
	}
}

// run serves until the process is told to stop.
func run(o options) error {
	if o.dir == "" || flag.NArg() != 0 {
		return errors.New("usage: server --dir DIR [flags]")
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	if o.lib == "" {
		if o.lib, err = installed(); err != nil {
			return err
		}
	}
	ctx := context.Background()
	if err := choose(ctx, &o.tcp, 0); err != nil {
		return err
	}
	if err := choose(ctx, &o.http, 1); err != nil {
		return err
	}
	if err := prepare(dir, o.config); err != nil {
		return fmt.Errorf("prepare %s: %w", dir, err)
	}
	lib, err := load(o.lib)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return announce(ctx, o) })
	g.Go(func() error { return lib.serve(dir, o.tcp, o.http) })
	return g.Wait()
}

// installed finds the library below the folder that holds go.mod.
func installed() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not below a tree with a go.mod: name the library by --lib")
		}
	}
	lib := filepath.Join(dir, ".clickhouse/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so")
	if _, err := os.Stat(lib); err != nil {
		return "", fmt.Errorf("there is no ClickHouse yet, run make clickhouse: %w", err)
	}
	return lib, nil
}

// choose replaces 0 by a port that is free now. It looks below the ports that
// the system gives to outgoing connections, one of which could have taken this
// one when the server is started again; even or odd ones, so that two differ.
func choose(ctx context.Context, port *int, odd int) error {
	if *port != 0 {
		return nil
	}
	const first, count = 12000, 20000
	var lc net.ListenConfig
	for i := range count / 2 {
		p := first + (2*(os.Getpid()+i)+odd)%count
		if l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p)); err == nil {
			*port = p
			return l.Close()
		}
	}
	return errors.New("no port is free")
}

// announce waits until both ports answer and tells the addresses.
func announce(ctx context.Context, o options) error {
	native, web := fmt.Sprintf("127.0.0.1:%d", o.tcp), fmt.Sprintf("127.0.0.1:%d", o.http)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !answers(ctx, native, web) {
		select {
		case <-ctx.Done():
			return nil // the server's own error says why
		case <-tick.C:
		}
	}
	text := native + "\n" + web + "\n"
	if o.addrFile == "" {
		fmt.Print(text)
		return nil
	}
	next := o.addrFile + ".next" // a reader sees all of it or nothing
	if err := os.WriteFile(next, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(next, o.addrFile)
}

// answers tries both ports.
func answers(ctx context.Context, native, web string) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", native)
	if err != nil {
		return false
	}
	if err := c.Close(); err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+web+"/ping", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}
