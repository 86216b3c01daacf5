package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	// The driver registers itself under the name sqlite.
	_ "modernc.org/sqlite"
)

// Reader reads a mirror. It takes no lock and sees what was committed before
// each question, also while a run writes. Its methods are safe for concurrent
// use.
type Reader struct {
	db      *sql.DB
	path    string
	version int // of the file, which a reader leaves as it is
}

// Mirror is a mirror that is held by this process and can be written. Its
// methods are safe for concurrent use.
type Mirror struct {
	*Reader
	w    *writer
	lock *lockFile
	file fs.FileInfo // as it was opened
}

// Options say who opens a mirror for writing.
type Options struct {
	Run  string        // named in the lock
	Wait time.Duration // how long to wait for a mirror that is held

	// Prepare is called once the mirror is held, before its file is opened or
	// made; it may put the file there. nil: nothing is to be done.
	Prepare func(context.Context) error
}

// Open takes the lock of the mirror at path and opens it for writing, making it
// or bringing it to the newest version first. Links are followed first: the lock
// is that of the real file. It fails with a [*HeldError], a [*NewerError], an
// [*UnfitError] or [ErrNotMirror]. The caller closes it.
func Open(ctx context.Context, path string, o Options) (_ *Mirror, err error) {
	if path, err = RealPath(path); err != nil {
		return nil, err
	}
	if err := makeFolder(path); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("lock mirror %s: %w", path, err)
	}
	lock, err := acquire(ctx, path, Holder{Host: host, PID: os.Getpid(), Run: o.Run, Start: time.Now().UTC()}, o.Wait)
	if err != nil {
		return nil, err
	}
	m := &Mirror{lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if o.Prepare != nil {
		if err := o.Prepare(ctx); err != nil {
			return nil, err
		}
	}
	if m.file, err = makeFile(ctx, path); err != nil {
		return nil, err
	}
	if m.w, err = openWriter(ctx, path); err != nil {
		return nil, err
	}
	if m.Reader, err = openReader(path); err != nil {
		return nil, err
	}
	m.version, m.w.intact = Version(), m.Intact
	return m, nil
}

// OpenReader opens the mirror at path for reading. It fails with an error that
// is fs.ErrNotExist where there is no file, and with [ErrEmpty], [ErrNotMirror]
// or a [*NewerError]. The caller closes it.
func OpenReader(ctx context.Context, path string) (_ *Reader, err error) {
	path, err = RealPath(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open mirror: %w", err)
	}
	r, err := openReader(path)
	if err != nil {
		return nil, err
	}
	if err := r.check(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Reader) check(ctx context.Context) (err error) {
	c, err := r.db.Conn(ctx)
	if err != nil {
		return wrap(r.path, "open", err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r.version, err = version(ctx, c, r.path)
	if err == nil && r.version == 0 {
		err = fmt.Errorf("mirror %s: %w", r.path, ErrEmpty)
	}
	return err
}

// Close lets go of the file.
func (r *Reader) Close() error {
	return wrap(r.path, "close", r.db.Close())
}

// Path is where the mirror lies.
func (r *Reader) Path() string { return r.path }

// Close folds the write-ahead log into the file and gives the lock back.
func (m *Mirror) Close() error {
	var errs []error
	if m.Reader != nil {
		errs = append(errs, m.Reader.Close())
	}
	if m.w != nil {
		errs = append(errs, m.w.close())
	}
	return errors.Join(append(errs, m.lock.release())...)
}

// dsn is the driver's address of a file. Pragmas hold for each connection.
func dsn(path string, pragmas ...string) string {
	q := url.Values{"mode": {"rw"}, "_pragma": append([]string{"busy_timeout(10000)", "foreign_keys(0)", "temp_store(2)"}, pragmas...)}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
}

func openReader(path string) (*Reader, error) {
	db, err := sql.Open("sqlite", dsn(path, "query_only(1)"))
	if err != nil {
		return nil, wrap(path, "open", err)
	}
	db.SetMaxOpenConns(4)
	return &Reader{db: db, path: path}, nil
}
