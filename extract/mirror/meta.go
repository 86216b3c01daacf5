package mirror

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
)

// ID is the mirror's random id, which stands in all that is published from it.
func (r *Reader) ID(ctx context.Context) (string, error) { return r.Meta(ctx, "id") }

// Meta returns what was set under a key, "" if nothing was.
func (r *Reader) Meta(ctx context.Context, key string) (value string, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = ?`, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, wrap(r.path, "read "+key, err)
}

// SetMeta sets the value of a key; "" removes it.
func (m *Mirror) SetMeta(ctx context.Context, key, value string) error {
	return m.w.do(ctx, "set "+key, func(ctx context.Context, t *tx) error {
		if value == "" {
			return t.exec(ctx, `DELETE FROM meta WHERE key = ?`, key)
		}
		return t.setMeta(ctx, key, value)
	})
}

func (t *tx) setMeta(ctx context.Context, key, value string) error {
	return t.exec(ctx, `INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)`, key, value)
}

// number reads a whole number of meta; absent is 0.
func (t *tx) number(ctx context.Context, key string) (int64, error) {
	var text string
	found, err := t.one(ctx, `SELECT value FROM meta WHERE key = ?`, []any{key}, &text)
	if err != nil || !found {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}
