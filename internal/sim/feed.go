package sim

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"roistat-etl/internal/sim/world"
)

// feed answers /project/clients/detail/feed.
func (s *Server) feed(c *call) (*answer, error) {
	if c.query.Get("client") == "" {
		return nil, refuse("request_data_validation_error", "no client was named")
	}
	state := s.State()
	if !state.Has(c.client) {
		return nil, refuse("resource_not_found", "there is no client %q", c.query.Get("client"))
	}
	if s.cache == nil {
		f, _ := state.Feed(c.client)
		return success(world.AppendFeed(nil, f)), nil
	}
	r := s.cache.get(state, c.client)
	a := success(r.feed)
	a.gz = r.gz
	return a, nil
}

// appendRow appends the row at an offset of the list.
func (s *Server) appendRow(dst []byte, state *world.State, offset int) []byte {
	if id := state.At(offset); s.cache != nil && id > 0 {
		return append(dst, s.cache.get(state, id).row...)
	}
	return world.AppendRow(dst, state.Row(offset))
}

// rendered is what is sent of one client.
type rendered struct {
	version  int
	row      []byte
	feed, gz []byte
}

// cache keeps what was rendered of each client; a night renews whom it touched.
type cache struct {
	packer *packer  // nil: nothing is compressed
	by     sync.Map // client id to *rendered
}

func (c *cache) get(state *world.State, id int64) *rendered {
	version := state.Version(id)
	if v, ok := c.by.Load(id); ok {
		if r, ok := v.(*rendered); ok && r.version == version {
			return r
		}
	}
	r := render(state, id)
	r.version = version
	if c.packer != nil {
		r.gz = c.packer.pack(r.feed)
	}
	c.by.Store(id, r)
	return r
}

func render(state *world.State, id int64) *rendered {
	f, ok := state.Feed(id)
	if !ok {
		return &rendered{}
	}
	buf := make([]byte, 0, 300*len(f.Items)+64)
	return &rendered{
		row:  world.AppendRow(nil, state.World().Row(f)),
		feed: world.AppendFeed(buf, f),
	}
}

// Warm renders every client once, on all cores. Without Options.Cache it does
// nothing.
func (s *Server) Warm(ctx context.Context) error {
	if s.cache == nil {
		return nil
	}
	state := s.State()
	ids := state.Clients()
	workers := runtime.GOMAXPROCS(0)
	g, ctx := errgroup.WithContext(ctx)
	for n := range workers {
		g.Go(func() error {
			for i := n; i < len(ids) && ctx.Err() == nil; i += workers {
				s.cache.get(state, ids[i])
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("render feeds: %w", err)
	}
	return nil
}
