package mirror

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
)

// applicationID marks the file as ours in SQLite's header ("rEtl").
const applicationID = 0x7245746c

// migrations brings a mirror from each version to the next. One that was
// released is never changed.
func migrations() []string {
	return []string{`
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- What lists and plans need stands before the row, so that it is read without it.
CREATE TABLE clients (
  id            INTEGER PRIMARY KEY,
  hash          INTEGER NOT NULL,            -- of row
  read_hash     INTEGER NOT NULL DEFAULT 0,  -- of the row when the feed was last read
  fetched_at    INTEGER NOT NULL DEFAULT 0,
  items         INTEGER NOT NULL DEFAULT 0,  -- of the feed
  missed        INTEGER NOT NULL DEFAULT 0,  -- complete lists in a row without it
  gone_at       INTEGER NOT NULL DEFAULT 0,
  suspect       INTEGER NOT NULL DEFAULT 0,  -- 1: the last answer was suspiciously small
  not_found     INTEGER NOT NULL DEFAULT 0,  -- 1: the last answer was resource_not_found
  failures      INTEGER NOT NULL DEFAULT 0,  -- failed runs in a row
  active_at     INTEGER NOT NULL DEFAULT 0,  -- latest date in row
  first_seen_at INTEGER NOT NULL,
  ordinal       INTEGER NOT NULL,
  row           BLOB
);
CREATE TABLE feeds        (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE feeds_before (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, read_hash INTEGER NOT NULL,
                           fetched_at INTEGER NOT NULL, items INTEGER NOT NULL, body BLOB NOT NULL);

-- The list under way, or the last one: the ids it has shown, and what has none.
CREATE TABLE listed   (id INTEGER PRIMARY KEY);
CREATE TABLE unlisted (list INTEGER NOT NULL, ordinal INTEGER NOT NULL, raw BLOB NOT NULL, PRIMARY KEY (list, ordinal)) WITHOUT ROWID;

CREATE TABLE campaigns (id INTEGER PRIMARY KEY, fetched_at INTEGER NOT NULL, rows INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE calls     (at INTEGER PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE runs      (run TEXT PRIMARY KEY, started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL, exit_code INTEGER NOT NULL, report TEXT NOT NULL) WITHOUT ROWID;
`, `
-- Files that were sent to Roistat, whole or in part, and their rows that were left out.
CREATE TABLE imports (
  sha256      BLOB PRIMARY KEY,
  run         TEXT NOT NULL,               -- that sent last
  rows        INTEGER NOT NULL,            -- of the file
  next        INTEGER NOT NULL DEFAULT 0,  -- the first row that is neither sent nor left out
  sent        INTEGER NOT NULL DEFAULT 0,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE import_rejects (
  sha256 BLOB NOT NULL, row INTEGER NOT NULL,
  id     TEXT NOT NULL,  -- in the CRM, '' where there is none
  field  TEXT NOT NULL,  -- at fault, '' for the whole row
  reason TEXT NOT NULL, raw BLOB NOT NULL,
  PRIMARY KEY (sha256, row)
) WITHOUT ROWID;
`, `
-- Erased clients, never to be kept again, and digests of their contacts, under a key of this mirror's.
CREATE TABLE forgotten          (id INTEGER PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE forgotten_contacts (digest INTEGER PRIMARY KEY);
`, `
-- Rows stand apart: what lists, plans and counts read of all clients, and what
-- each feed changes of one, is a tenth as large without them.
CREATE TABLE rows (id INTEGER PRIMARY KEY, row BLOB NOT NULL);
INSERT INTO rows SELECT id, row FROM clients WHERE row IS NOT NULL;
ALTER TABLE clients DROP COLUMN row;
`, `
-- A run stands here from its beginning: finished_at is 0 until its end.
ALTER TABLE runs ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN pid INTEGER NOT NULL DEFAULT 0;
`}
}

// Version is the newest version of a mirror that this program knows.
func Version() int { return len(migrations()) }

// version reads user_version and refuses what is no mirror or too new.
func version(ctx context.Context, c *sql.Conn, path string) (int, error) {
	var have, app, tables int
	row := c.QueryRowContext(ctx, `SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version, pragma_application_id`)
	if err := row.Scan(&have, &app, &tables); err != nil {
		return 0, wrap(path, "open", err)
	}
	switch {
	case app != applicationID && (app != 0 || have != 0 || tables != 0):
		return 0, fmt.Errorf("mirror %s: %w", path, ErrNotMirror)
	case have > Version():
		return 0, &NewerError{Path: path, Have: have, Known: Version()}
	}
	return have, nil
}

// migrate brings the file to the newest version, in one transaction.
func migrate(ctx context.Context, c *sql.Conn, path string) (err error) {
	have, err := version(ctx, c, path)
	if err != nil || have == Version() {
		return err
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return wrap(path, "migrate", err)
	}
	defer func() {
		if err != nil {
			_, undo := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			err = errors.Join(err, undo)
		}
	}()
	steps := migrations()[have:]
	if have == 0 {
		id, err := newID()
		if err != nil {
			return err
		}
		steps = append(steps, "INSERT INTO meta VALUES ('id', '"+id+"')")
	}
	steps = append(steps, fmt.Sprintf("PRAGMA application_id = %d", applicationID), fmt.Sprintf("PRAGMA user_version = %d", Version()), "COMMIT")
	for _, step := range steps {
		if _, err := c.ExecContext(ctx, step); err != nil {
			return wrap(path, "migrate", err)
		}
	}
	return nil
}

func newID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("name the mirror: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
