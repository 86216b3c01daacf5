package mirror

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"github.com/go-faster/jx"
	"github.com/klauspost/compress/zstd"

	"roistat-etl/schemas"
)

// SetCampaign replaces a campaign's rows, all at once, but for the contacts of
// forgotten clients.
func (m *Mirror) SetCampaign(ctx context.Context, c schemas.Campaign, at time.Time) error {
	marks, err := m.forgottenContacts(ctx)
	if err != nil {
		return err
	}
	rows, _ := marks.without(c.Rows)
	body, err := packArray(rows)
	if err != nil {
		return err
	}
	return m.w.do(ctx, "keep a campaign", func(ctx context.Context, t *tx) error {
		return t.exec(ctx, `INSERT OR REPLACE INTO campaigns (id, fetched_at, rows, body) VALUES (?, ?, ?, ?)`, c.ID, at.UnixMilli(), len(rows), body)
	})
}

// packArray makes a frame of a JSON array with these elements.
func packArray(rows [][]byte) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	size := 2
	for _, row := range rows {
		size += len(row) + 1
	}
	text := append(make([]byte, 0, size), '[')
	for i, row := range rows {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, row...)
	}
	text = append(text, ']')
	return enc.EncodeAll(text, make([]byte, 0, room(len(text)))), enc.Close()
}

// KeepCampaigns deletes the campaigns that are not among ids.
func (m *Mirror) KeepCampaigns(ctx context.Context, ids map[int64]bool) error {
	have, err := m.campaignIDs(ctx)
	if err != nil {
		return err
	}
	return m.w.do(ctx, "drop campaigns", func(ctx context.Context, t *tx) error {
		for _, id := range have {
			if ids[id] {
				continue
			}
			if err := t.exec(ctx, `DELETE FROM campaigns WHERE id = ?`, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *Reader) campaignIDs(ctx context.Context) (ids []int64, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT id FROM campaigns ORDER BY id`)
	if err != nil {
		return nil, wrap(r.path, "read the campaigns", err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, wrap(r.path, "read the campaigns", err)
		}
		ids = append(ids, id)
	}
	return ids, wrap(r.path, "read the campaigns", rows.Err())
}

// Campaigns yields the campaigns in the order of their ids, inflated. They belong
// to the receiver. An error is the last thing yielded.
func (r *Reader) Campaigns(ctx context.Context) iter.Seq2[schemas.Campaign, error] {
	return func(yield func(schemas.Campaign, error) bool) {
		if err := r.campaigns(ctx, yield); err != nil {
			yield(schemas.Campaign{}, wrap(r.path, "read the campaigns", err))
		}
	}
}

func (r *Reader) campaigns(ctx context.Context, yield func(schemas.Campaign, error) bool) error {
	rows, err := r.db.QueryContext(ctx, `SELECT id, body FROM campaigns ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var c schemas.Campaign
		var body sql.RawBytes
		if err := rows.Scan(&c.ID, &body); err != nil {
			return err
		}
		if c.Rows, err = (&Buffer{}).array(body); err != nil {
			return fmt.Errorf("campaign %d: %w", c.ID, err)
		}
		if !yield(c, nil) {
			return nil
		}
	}
	return rows.Err()
}

// array inflates a JSON array and cuts it into its elements.
func (b *Buffer) array(frame []byte) (rows [][]byte, err error) {
	text, err := b.inflate(frame)
	if err != nil {
		return nil, err
	}
	err = jx.DecodeBytes(text).Arr(func(d *jx.Decoder) error {
		raw, err := d.Raw()
		rows = append(rows, raw)
		return err
	})
	return rows, err
}
