package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/sim"
)

// serving is what serve was told.
type serving struct {
	opt       sim.Options
	addr      string
	addrFile  string
	accessLog bool
	nights    int
	share     shareFlag
	faults    []string
	others    string
	shift     int
	totalAdd  int
}

func newServe() *cobra.Command {
	s := &serving{opt: sim.DefaultOptions(), share: sim.DefaultShare}
	if key := os.Getenv("ROISTAT_SIM_KEY"); key != "" {
		s.opt.Key = key
	}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer the API's methods over a port",
		Long: "Answer the API's methods under /api/v1 and the controls under /_sim/.\n\n" +
			"A fault is kind=K with any of method=, clients=1;2, share=2%, times=1, code=, n=. Kinds:\n  " +
			strings.Join(sim.Kinds(), "\n  "),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	s.flags(cmd)
	return cmd
}

func (s *serving) flags(cmd *cobra.Command) {
	f, o := cmd.Flags(), &s.opt
	worldFlags(cmd, &o.World)
	f.StringVar(&s.addr, "addr", "127.0.0.1:8080", "where to listen; port 0 picks one")
	f.StringVar(&s.addrFile, "addr-file", "", "write the address here once it listens")
	key := o.Key
	f.StringVar(&key, "key", "", "the key (default: $ROISTAT_SIM_KEY, else sim-key)")
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		if cmd.Flags().Changed("key") {
			o.Key = key
		}
	}
	f.StringSliceVar(&o.Projects, "project", o.Projects, "project the key may see; can be repeated")
	f.IntVar(&o.PerSecond, "per-second", 0, "quota of a project per second, 0 for none")
	f.IntVar(&o.PerHour, "per-hour", 0, "quota of a project per hour, 0 for none")
	f.StringVar(&s.others, "others", "", "others that use the quotas too: per_second=3,per_hour=1500,on=30m,off=10m")
	f.BoolVar(&o.RetryAfter, "retry-after", false, "say when to come again, where the quota is spent")
	f.DurationVar(&o.Latency, "latency", 0, "before each answer")
	f.DurationVar(&o.Jitter, "jitter", 0, "up to so much latency more")
	f.IntVar(&o.MaxPage, "max-page", o.MaxPage, "rows of a list page at most")
	f.IntVar(&o.ContactPage, "contact-page", 0, "rows of a contacts page at most, 0 for all")
	f.BoolVar(&o.NoGzip, "no-gzip", false, "never compress")
	f.BoolVar(&o.Cache, "cache", false, "render every feed at the start and keep it")
	f.BoolVar(&o.CountImports, "count-imports", false, "count what is imported, and keep none of it")
	f.BoolVar(&s.accessLog, "access-log", false, "log every call to stderr, without the key")
	f.IntVar(&s.nights, "nights", 0, "nights that have passed at the start")
	f.Var(&s.share, "share", "share of the clients that a night touches")
	f.StringArrayVar(&s.faults, "fault", nil, "a fault, see above; can be repeated")
	f.IntVar(&s.shift, "shift", 0, "clients that appear after each list page; below 0: that vanish")
	f.IntVar(&s.totalAdd, "total-add", 0, "how much too many the list's total says")
}

// run serves until the context ends.
func (s *serving) run(ctx context.Context, out, log io.Writer) error {
	ln := newDoor(ctx)
	s.opt.TurnAway = ln.shut
	server, err := s.server(log)
	if err != nil {
		return err
	}
	if err := server.Warm(ctx); err != nil {
		return err
	}
	if err := ln.open(s.addr); err != nil {
		return err
	}
	if err := writeFile(s.addrFile, ln.Addr().String()+"\n"); err != nil {
		return errors.Join(err, ln.Close())
	}
	_, err = fmt.Fprintf(out, "roistat-sim listens on http://%s/api/v1, project %s, key %s\n",
		ln.Addr(), strings.Join(s.opt.Projects, ","), hint(s.opt.Key))
	if err != nil {
		return errors.Join(fmt.Errorf("say where: %w", err), ln.Close())
	}
	return serve(ctx, ln, server)
}

func (s *serving) server(log io.Writer) (*sim.Server, error) {
	s.opt.World.Project = s.opt.Projects[0]
	for _, text := range s.faults {
		f, err := sim.ParseFault(text)
		if err != nil {
			return nil, err
		}
		s.opt.Faults = append(s.opt.Faults, f)
	}
	if s.others != "" {
		o, err := sim.ParseOthers(s.others)
		if err != nil {
			return nil, err
		}
		s.opt.Others = o
	}
	if s.shift != 0 {
		s.opt.Faults = append(s.opt.Faults, sim.Fault{Kind: "shift", N: s.shift})
	}
	if s.totalAdd != 0 {
		s.opt.Faults = append(s.opt.Faults, sim.Fault{Kind: "total_add", N: s.totalAdd})
	}
	if s.accessLog {
		s.opt.AccessLog = slog.New(slog.NewTextHandler(log, nil))
	}
	s.opt.NightShare = float64(s.share)
	server, err := sim.New(s.opt)
	if err == nil {
		server.Night(s.nights, float64(s.share))
	}
	return server, err
}

// serve answers on the listener until the context ends; then calls in flight
// have half a second.
func serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
		defer cancel()
		if err := srv.Shutdown(grace); err != nil {
			return srv.Close()
		}
		return nil
	})
	return g.Wait()
}

// hint shows enough of a key to tell it from others.
func hint(key string) string {
	if key == "sim-key" {
		return key
	}
	return key[:min(2, len(key))] + "***"
}
