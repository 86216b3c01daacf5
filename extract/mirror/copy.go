package mirror

import (
	"context"
	"database/sql"
	"errors"
	"os"
)

// CopyTo writes a consistent copy of the mirror as it is now to a new file, for
// its owner alone, also while others write. It takes as much room as the mirror.
// What is cut short is removed.
func (r *Reader) CopyTo(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // VACUUM takes an empty file, and keeps its mode
	if err != nil {
		return wrap(r.path, "copy", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := f.Close(); err != nil {
		return wrap(r.path, "copy", err)
	}
	db, err := sql.Open("sqlite", dsn(r.path, "cache_size(-8192)"))
	if err != nil {
		return wrap(r.path, "copy", err)
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	return wrap(r.path, "copy", errors.Join(err, db.Close()))
}
