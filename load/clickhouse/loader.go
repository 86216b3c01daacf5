package clickhouse

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"roistat-etl/schemas"
)

const (
	maxShared   = 1 << 20 // bytes of a partition that shares a block with others of its table
	maxWaiting  = 8 << 20 // bytes of all the partitions that wait for others
	maxTogether = 50      // partitions of a block; a server takes a hundred if nobody told it otherwise
	maxSending  = 4       // shared blocks on their way at once: the server waits for its disk
)

// loader brings partitions into the tables that a stage builds. What an INSERT
// costs beside its rows is much of the work where partitions are small: so they
// wait in a block for others of their table. The server cuts a block into
// partitions, writes them one by one, and knows each again by its token: a block
// that comes twice, or once in part and once whole, counts once. It is safe for
// concurrent use.
type loader struct {
	d *Destination

	start func(*shared) // sends a block in the background; waits if many are on their way
	dead  func() error  // why no more is sent; nil: all is well
	stop  func(error)   // ends what is on its way
	end   func() error  // waits until nothing is

	mu     sync.Mutex // guards shared
	shared map[string]*shared
}

// shared is the block of a table in which small partitions wait.
type shared struct {
	table  *schemas.Table
	into   string
	number int // of the table's shared blocks
	block  *block
	parts  int
}

// newLoader makes a loader, which lives until stop or a flush. It outlives ctx.
func newLoader(ctx context.Context, d *Destination) *loader {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxSending)
	l := &loader{d: d, shared: map[string]*shared{}, stop: cancel, end: g.Wait}
	l.dead = func() error { return context.Cause(ctx) }
	l.start = func(s *shared) { g.Go(func() error { return l.send(ctx, s) }) }
	return l
}

// share adds the rows of a partition to those that wait, and sends a block that is
// full, or the largest one if too much waits. It may return before they are sent.
func (l *loader) share(ctx context.Context, t *schemas.Table, into string, b *block) error {
	if b.rows == 0 {
		return nil
	}
	defer l.heed(ctx)()
	if due := l.wait(t, into, b); due != nil {
		l.start(due)
	}
	return l.dead()
}

// heed lets the sending end with ctx, until it is told to no more.
func (l *loader) heed(ctx context.Context) (noMore func()) {
	stop := context.AfterFunc(ctx, func() { l.stop(context.Cause(ctx)) })
	return func() { stop() }
}

// wait adds rows to the block of their table and returns a block that is due.
func (l *loader) wait(t *schemas.Table, into string, b *block) (due *shared) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shared[into]
	if s == nil {
		s = &shared{table: t, into: into, block: newBlock(t)}
		l.shared[into] = s
	}
	s.block.join(b)
	s.parts++
	if due = l.due(s); due == nil {
		return nil
	}
	l.shared[due.into] = &shared{table: due.table, into: due.into, number: due.number + 1, block: newBlock(due.table)}
	return due
}

// due returns the block that should be sent now, after rows came to s; nil: none.
func (l *loader) due(s *shared) *shared {
	if s.parts == maxTogether {
		return s
	}
	largest, most, all := (*shared)(nil), 0, 0
	for _, s := range l.shared {
		size := s.block.size()
		if all += size; size > most {
			largest, most = s, size
		}
	}
	if all > maxWaiting {
		return largest
	}
	return nil
}

// send inserts a shared block.
func (l *loader) send(ctx context.Context, s *shared) error {
	i := &inserter{d: l.d, into: s.into, token: fmt.Sprintf("%s/shared/%d", s.into, s.number), block: s.block}
	if err := i.release(i.send(ctx)); err != nil {
		return fmt.Errorf("%d small partitions of %s: %w", s.parts, s.table.Name, err)
	}
	return nil
}

// flush sends all that still waits, and returns when the server has it.
func (l *loader) flush(ctx context.Context) error {
	defer l.heed(ctx)()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.shared {
		l.start(s)
	}
	return l.end()
}
