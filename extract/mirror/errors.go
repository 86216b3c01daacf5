package mirror

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrNotMirror says that a file is no mirror: another database, or no database.
var ErrNotMirror = errors.New("not a mirror of roistat-etl")

// ErrEmpty says that the mirror has not been set up yet; a run does that.
var ErrEmpty = errors.New("the mirror is empty: nothing has been extracted yet")

// NewerError says that a newer program made the mirror. Trying again won't help.
type NewerError struct {
	Path        string
	Have, Known int // version of the file; the newest this program knows
}

// Error names the file and both versions.
func (e *NewerError) Error() string {
	return fmt.Sprintf("mirror %s has version %d, this program knows %d: use the program that wrote it, or a newer one", e.Path, e.Have, e.Known)
}

// wrap says which file an error came from and, where SQLite gave it, what it means.
func wrap(path, what string, err error) error {
	if err == nil {
		return nil
	}
	if isCode(err, sqlite3.SQLITE_NOTADB) {
		return fmt.Errorf("mirror %s: %s: %w: %w", path, what, ErrNotMirror, err)
	}
	if hint := hint(err); hint != "" {
		return fmt.Errorf("mirror %s: %s: %s: %w", path, what, hint, err)
	}
	return fmt.Errorf("mirror %s: %s: %w", path, what, err)
}

// isCode tells whether SQLite gave the error with this primary code.
func isCode(err error, code int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}

func hint(err error) string {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return "the disk is full"
	case sqlite3.SQLITE_CORRUPT:
		return "the file is damaged (restore a copy of it, or move it away to read everything anew)"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return "the file or its folder can't be written"
	case sqlite3.SQLITE_CANTOPEN:
		return "the file can't be opened"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another program holds the file"
	case sqlite3.SQLITE_IOERR:
		return "the disk can't be read or written"
	}
	return ""
}
