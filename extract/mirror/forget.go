package mirror

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// keyUnclean is set in meta from an erasure until the file has been rewritten.
const keyUnclean = "unclean"

// Erasure is what is to be forgotten.
type Erasure struct {
	Clients []int64
	At      time.Time
	Note    [2]string // a key of meta and its value, which is set in the same transaction

	// Report rewrites the report of a run so that it names nobody; names tells
	// whether a text does. nil: reports stay.
	Report func(report string, names func(string) bool) (string, error)
}

// Erased is what became of an erasure. Its clients are in the order of the question.
type Erased struct {
	Clients  []ErasedClient
	Contacts int64 // rows of campaigns
	Unlisted int64 // elements of lists without a usable id that had one of the contacts
	Imported int64 // rejects of imports that had one, or the id in the CRM
	Reports  int64 // reports of runs that were rewritten
}

// ErasedClient is a client that is forgotten.
type ErasedClient struct {
	Client int64
	Known  bool      // there was something of it
	Before time.Time // when it had been forgotten already; zero: it had not
}

// Forget deletes all that the mirror has of the clients, and keeps their ids, so
// that no list brings them back, and digests of the phone, email and name in
// their rows, so that no campaign brings those back. It is durable at once; what the
// file still holds in its unused parts is gone after [Mirror.Clean].
func (m *Mirror) Forget(ctx context.Context, e Erasure) (out Erased, err error) {
	campaigns, err := m.campaignIDs(ctx)
	if err != nil {
		return out, err
	}
	marks, err := m.forgottenContacts(ctx)
	if err != nil {
		return out, err
	}
	err = m.w.do(ctx, "forget", func(ctx context.Context, t *tx) error {
		out = Erased{}
		if err := t.contactKey(ctx, marks); err != nil {
			return err
		}
		for _, id := range e.Clients {
			c, err := t.forget(ctx, id, e.At, marks, &out)
			if err != nil {
				return err
			}
			out.Clients = append(out.Clients, c)
		}
		if out.Contacts, err = t.forgetContacts(ctx, campaigns, marks); err != nil {
			return err
		}
		if err := t.forgetRaw(ctx, &out, marks); err != nil {
			return err
		}
		if out.Reports, err = t.rewriteReports(ctx, e.Report, marks); err != nil {
			return err
		}
		if out.some() {
			if err := t.setMeta(ctx, keyUnclean, "1"); err != nil {
				return err
			}
		}
		return t.setMeta(ctx, e.Note[0], e.Note[1])
	})
	return out, err
}

// some tells whether anything was deleted.
func (e *Erased) some() bool {
	return e.Contacts+e.Unlisted+e.Imported+e.Reports > 0 || slices.ContainsFunc(e.Clients, func(c ErasedClient) bool { return c.Known })
}

// contactKey makes the key of the digests where there is none yet.
func (t *tx) contactKey(ctx context.Context, c *contactMarks) error {
	if c.key != nil {
		return nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	c.key = key
	return t.setMeta(ctx, keyContacts, hex.EncodeToString(key))
}

// forget deletes one client and marks its contacts.
func (t *tx) forget(ctx context.Context, id int64, at time.Time, marks *contactMarks, out *Erased) (c ErasedClient, err error) {
	c.Client = id
	var before int64
	if _, err := t.one(ctx, `SELECT at FROM forgotten WHERE id = ?`, []any{id}, &before); err != nil {
		return c, err
	}
	c.Before = instant(before)
	var row []byte
	if c.Known, err = t.one(ctx, `SELECT r.row FROM clients c LEFT JOIN rows r ON r.id = c.id WHERE c.id = ?`, []any{id}, &row); err != nil {
		return c, err
	}
	for _, m := range marks.take(row) {
		if err := t.exec(ctx, `INSERT OR IGNORE INTO forgotten_contacts (digest) VALUES (?)`, m); err != nil {
			return c, err
		}
	}
	if err := t.forgetImported(ctx, row, out); err != nil {
		return c, err
	}
	for _, q := range []string{`DELETE FROM clients WHERE id = ?`, `DELETE FROM rows WHERE id = ?`, `DELETE FROM feeds WHERE id = ?`, `DELETE FROM feeds_before WHERE id = ?`} {
		if err := t.exec(ctx, q, id); err != nil {
			return c, err
		}
	}
	return c, t.exec(ctx, `INSERT OR IGNORE INTO forgotten (id, at) VALUES (?, ?)`, id, at.UnixMilli())
}

// forgetImported deletes what imports have left out under the client's id in the CRM.
func (t *tx) forgetImported(ctx context.Context, row []byte, out *Erased) error {
	var ids []string
	eachText(fieldsOf(row)["external_id"], func(id string) bool { ids = append(ids, id); return true })
	for _, id := range ids {
		n, err := t.run(ctx, `DELETE FROM import_rejects WHERE id = ? AND id <> ''`, id)
		if out.Imported += n; err != nil {
			return err
		}
	}
	return nil
}

// rewriteReports lets the reports of runs name nobody.
func (t *tx) rewriteReports(ctx context.Context, rewrite func(string, func(string) bool) (string, error), marks *contactMarks) (n int64, err error) {
	if rewrite == nil {
		return 0, nil
	}
	changed := map[string]string{}
	rows, err := t.w.conn.QueryContext(ctx, `SELECT run, report FROM runs`)
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var run, report string
		if err := rows.Scan(&run, &report); err != nil {
			return 0, err
		}
		text, err := rewrite(report, func(s string) bool { return marks.names([]byte(s)) })
		if err != nil {
			return 0, fmt.Errorf("the report of run %s: %w", run, err)
		}
		if text != report {
			changed[run] = text
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	for run, text := range changed {
		if err := t.exec(ctx, `UPDATE runs SET report = ? WHERE run = ?`, text, run); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Names gives a test whether a text names somebody who was forgotten.
func (r *Reader) Names(ctx context.Context) (func(text string) bool, error) {
	marks, err := r.forgottenContacts(ctx)
	if err != nil {
		return nil, err
	}
	return func(text string) bool { return marks.names([]byte(text)) }, nil
}

// forgetContacts deletes the marked contacts from the campaigns.
func (t *tx) forgetContacts(ctx context.Context, campaigns []int64, marks *contactMarks) (n int64, err error) {
	if len(marks.have) == 0 {
		return 0, nil
	}
	for _, id := range campaigns {
		var body []byte
		if _, err := t.one(ctx, `SELECT body FROM campaigns WHERE id = ?`, []any{id}, &body); err != nil {
			return n, err
		}
		rows, err := (&Buffer{}).array(body)
		if err != nil {
			return n, fmt.Errorf("campaign %d: %w", id, err)
		}
		kept, dropped := marks.without(rows)
		if dropped == 0 {
			continue
		}
		if body, err = packArray(kept); err != nil {
			return n, err
		}
		if err := t.exec(ctx, `UPDATE campaigns SET rows = ?, body = ? WHERE id = ?`, len(kept), body, id); err != nil {
			return n, err
		}
		n += int64(dropped)
	}
	return n, nil
}

// forgetRaw deletes what has no usable id, and what imports have left out, if it
// names a forgotten client.
func (t *tx) forgetRaw(ctx context.Context, out *Erased, marks *contactMarks) (err error) {
	out.Unlisted, err = t.forgetWithin(ctx, marks, `SELECT list, ordinal, raw, '', '' FROM unlisted`, `DELETE FROM unlisted WHERE list = ? AND ordinal = ?`)
	if err != nil {
		return err
	}
	n, err := t.forgetWithin(ctx, marks, `SELECT sha256, row, raw, id, field FROM import_rejects`, `DELETE FROM import_rejects WHERE sha256 = ? AND row = ?`)
	out.Imported += n
	return err
}

// forgetWithin deletes, of a table whose rows have two keys and three texts of
// others, those that name a forgotten client.
func (t *tx) forgetWithin(ctx context.Context, marks *contactMarks, all, one string) (n int64, err error) {
	var found [][2]any
	rows, err := t.w.conn.QueryContext(ctx, all)
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var keys [2]any
		var texts [3][]byte
		if err := rows.Scan(&keys[0], &keys[1], &texts[0], &texts[1], &texts[2]); err != nil {
			return 0, err
		}
		if marks.names(texts[:]...) {
			found = append(found, keys)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for _, keys := range found {
		if err := t.exec(ctx, one, keys[0], keys[1]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Unclean tells whether the file may still hold bytes of what was forgotten.
func (r *Reader) Unclean(ctx context.Context) (bool, error) {
	text, err := r.Meta(ctx, keyUnclean)
	return text != "", err
}

// ErrRead says that somebody reads the mirror, so that its log can't be emptied.
var ErrRead = errors.New("somebody reads the mirror, so its log can't be emptied: end what reads it, and try again")

// Clean rewrites the file without what was deleted from it, and empties its log,
// so that neither holds a byte of it; a file that is clean stays as it is. It
// takes, for a while, twice the space of the file more; nobody may write
// meanwhile. A killed one is begun anew.
func (m *Mirror) Clean(ctx context.Context) error {
	if dirty, err := m.Unclean(ctx); err != nil || !dirty {
		return err
	}
	dir := strings.ReplaceAll(filepath.Dir(m.path), "'", "''")
	err := m.w.alone(ctx, func(ctx context.Context, c *sql.Conn) (err error) {
		// The rewritten copy goes to a file beside the mirror, not to memory or /tmp.
		for _, q := range []string{`PRAGMA temp_store = FILE`, `PRAGMA temp_store_directory = '` + dir + `'`, `VACUUM`} {
			if _, err = c.ExecContext(ctx, q); err != nil {
				break
			}
		}
		for _, q := range []string{`PRAGMA temp_store_directory = ''`, `PRAGMA temp_store = MEMORY`} {
			_, undo := c.ExecContext(context.WithoutCancel(ctx), q)
			err = errors.Join(err, undo)
		}
		return err
	})
	if err != nil {
		return wrap(m.path, "rewrite", err)
	}
	if err := m.emptyLog(ctx); err != nil {
		return err
	}
	return m.SetMeta(ctx, keyUnclean, "")
}

// emptyLog brings the log into the file and cuts it to nothing.
func (m *Mirror) emptyLog(ctx context.Context) error {
	var busy, frames, done int
	err := m.w.alone(ctx, func(ctx context.Context, c *sql.Conn) error {
		return c.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &done)
	})
	if err == nil && busy != 0 {
		err = ErrRead
	}
	return wrap(m.path, "empty the log", err)
}

// Forgotten tells when a client was forgotten; false: it was not.
func (r *Reader) Forgotten(ctx context.Context, id int64) (at time.Time, ok bool, err error) {
	if n, err := r.countForgotten(ctx); err != nil || n == 0 {
		return time.Time{}, false, err
	}
	var ms int64
	err = r.db.QueryRowContext(ctx, `SELECT at FROM forgotten WHERE id = ?`, id).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, nil
	}
	return instant(ms), err == nil, wrap(r.path, "read who is forgotten", err)
}

// countForgotten counts the forgotten clients; a mirror that an older program
// wrote has none.
func (r *Reader) countForgotten(ctx context.Context) (n int64, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'forgotten'`).Scan(&n)
	if err != nil || n == 0 {
		return 0, wrap(r.path, "count who is forgotten", err)
	}
	err = r.db.QueryRowContext(ctx, `SELECT count(*) FROM forgotten`).Scan(&n)
	return n, wrap(r.path, "count who is forgotten", err)
}
