package mirror

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// writer is the one writing connection. Requests that come while a transaction
// is under way wait and share the next one.
type writer struct {
	path  string
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // belongs to whoever leads

	opened   time.Time
	openedAt time.Time // the same, by the clock alone

	intact func() error // fails once the file is no longer there; nil: nobody looks

	mu    sync.Mutex
	queue []*request
	busy  bool // somebody leads
}

// request is a change that waits for its transaction.
type request struct {
	apply func(context.Context, *tx) error
	turn  chan bool // true: lead the next group; false: committed or failed
	err   error
}

// tx is a transaction under way.
type tx struct {
	w     *writer
	calls int // to be entered into the journal, all at once
}

func openWriter(ctx context.Context, path string) (_ *writer, err error) {
	db, err := sql.Open("sqlite", dsn(path, "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)"))
	if err != nil {
		return nil, wrap(path, "open", err)
	}
	db.SetMaxOpenConns(1)
	w := &writer{path: path, db: db, stmts: map[string]*sql.Stmt{}, opened: time.Now()}
	w.openedAt = w.opened.Round(0)
	if w.conn, err = db.Conn(ctx); err != nil {
		return nil, errors.Join(wrap(path, "open", err), db.Close())
	}
	if err := migrate(ctx, w.conn, path); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	errs = append(errs, w.conn.Close(), w.db.Close())
	return wrap(w.path, "close", errors.Join(errs...))
}

// do applies a change in a transaction and returns once that is durable. It is
// not cut short by the context: what was paid for is kept.
func (w *writer) do(ctx context.Context, what string, apply func(context.Context, *tx) error) error {
	r := &request{apply: apply, turn: make(chan bool, 1)}
	w.mu.Lock()
	w.queue = append(w.queue, r)
	lead := !w.busy
	w.busy = true
	w.mu.Unlock()
	if lead || <-r.turn {
		w.lead(context.WithoutCancel(ctx), r)
	}
	return wrap(w.path, what, r.err)
}

// lead commits everybody who waits, the leader included, and hands on.
func (w *writer) lead(ctx context.Context, leader *request) {
	w.mu.Lock()
	group := w.queue
	w.queue = nil
	w.mu.Unlock()
	err := w.commit(ctx, group)
	for _, r := range group {
		r.err = err
		if r != leader {
			r.turn <- false
		}
	}
	w.handOn()
}

// handOn ends a lead: the first of those who wait leads next.
func (w *writer) handOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy = len(w.queue) > 0; w.busy {
		w.queue[0].turn <- true
	}
}

// errBusy says that what wants to be alone isn't.
var errBusy = errors.New("a transaction is under way")

// alone gives the connection to f outside of transactions. Whoever comes
// meanwhile waits.
func (w *writer) alone(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	w.mu.Lock()
	if w.busy {
		w.mu.Unlock()
		return errBusy
	}
	w.busy = true
	w.mu.Unlock()
	err := f(ctx, w.conn)
	w.handOn()
	return err
}

// commit applies a group in one transaction: all of it or nothing.
func (w *writer) commit(ctx context.Context, group []*request) (err error) {
	t := &tx{w: w}
	if err := t.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.rollback(ctx))
		}
	}()
	for _, r := range group {
		if err := r.apply(ctx, t); err != nil {
			return err
		}
	}
	if t.calls > 0 {
		latest, earliest := w.times()
		if err := t.journal(ctx, latest, earliest, t.calls); err != nil {
			return err
		}
	}
	if w.intact != nil {
		if err := w.intact(); err != nil {
			return err
		}
	}
	return t.exec(ctx, "COMMIT")
}

// rollback undoes what SQLite has not undone by itself.
func (t *tx) rollback(ctx context.Context) error {
	if _, err := t.w.conn.ExecContext(ctx, "ROLLBACK"); err != nil && hint(err) != "" {
		return err
	}
	return nil
}

// prepared returns the statement of a query, preparing it the first time.
func (t *tx) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := t.w.stmts[query]; ok {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(ctx, query)
	if err == nil {
		t.w.stmts[query] = s
	}
	return s, err
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.run(ctx, query, args...)
	return err
}

// run executes a query and returns how many rows it changed.
func (t *tx) run(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := t.prepared(ctx, query) //nolint:sqlclosecheck // closed with the writer
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// one reads one row; false means there is none.
func (t *tx) one(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	s, err := t.prepared(ctx, query) //nolint:sqlclosecheck // closed with the writer
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
