package mirror

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrNotMirror says that a file is no mirror: another database, or no database.
var ErrNotMirror = errors.New("not a mirror of roistat-etl")

// ErrEmpty says that the mirror has not been set up yet; a run does that.
var ErrEmpty = errors.New("the mirror is empty: nothing has been extracted yet")

// ErrDamaged says that a mirror's file is damaged. Reading it again won't help.
var ErrDamaged = errors.New("the file is damaged: restore a copy of it (where mirror_backup is set, move the file away, and the next run restores the latest); " +
	"without one, move it away and read everything anew, which costs every call")

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
	if isDamage(path, err) {
		return fmt.Errorf("mirror %s: %s: %w: %w", path, what, ErrDamaged, err)
	}
	if isCode(err, sqlite3.SQLITE_NOTADB) {
		return fmt.Errorf("mirror %s: %s: %w: %w", path, what, ErrNotMirror, err)
	}
	if hint := hint(err); hint != "" {
		return fmt.Errorf("mirror %s: %s: %s: %w", path, what, hint, err)
	}
	return fmt.Errorf("mirror %s: %s: %w", path, what, err)
}

// isDamage reports whether an error says that a file which was a mirror is broken.
func isDamage(path string, err error) bool {
	var e *sqlite.Error
	switch {
	case errors.Is(err, ErrDamaged) || !errors.As(err, &e):
		return false
	case e.Code()&0xff == sqlite3.SQLITE_CORRUPT, e.Code() == sqlite3.SQLITE_IOERR_SHORT_READ:
		return true
	}
	return e.Code()&0xff == sqlite3.SQLITE_NOTADB && wasMirror(path)
}

// wasMirror reports whether a file begins as a mirror does.
func wasMirror(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // it was only read
	var head [72]byte
	_, err = io.ReadFull(f, head[:])
	return err == nil && string(head[:16]) == "SQLite format 3\x00" && binary.BigEndian.Uint32(head[68:]) == applicationID
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
