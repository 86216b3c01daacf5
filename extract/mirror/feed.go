package mirror

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// Outcome says what a feed call brought.
type Outcome uint8

// The outcomes of a feed call.
const (
	Got     Outcome = iota // a feed, which becomes the client's latest
	Suspect                // a feed so small that it is asked for once more; the stored one stays
	Absent                 // resource_not_found; the stored feed stays and counts as read
	Failed                 // nothing usable after all attempts; the stored feed stays
)

// Answer is what became of one client's feed call. A [Packer] gives it
// the feed, so that whoever asked compresses it and not the writer.
type Answer struct {
	Client  int64
	Outcome Outcome
	At      time.Time
	RowHash int64 // of the client's row as it was known when asking: Candidate.RowHash
	Items   int64
	Gone    bool // set by Enter: an Absent client that a complete list has missed too

	hash []byte
	body []byte
}

// Size is how many bytes the answer's feed takes, packed.
func (a *Answer) Size() int { return len(a.body) }

// window is how far a feed is searched for what it says again. An encoder keeps so
// much memory once it has met a feed of more than one block, 128 KiB.
const window = 512 << 10

// largeFeed is the size of a feed from which each copy of it counts.
const largeFeed = 1 << 20

// Packer compresses feeds. It is safe for concurrent use and should be shared:
// it keeps an encoder a core, whose tables stay in the core's cache.
type Packer struct{ encoders sync.Pool }

// NewPacker makes a Packer.
func NewPacker() *Packer { return &Packer{} }

// Pack gives the answer a feed, a JSON array as received, which stays the caller's.
func (p *Packer) Pack(a *Answer, feed []byte) error {
	enc, ok := p.encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(window), zstd.WithNoEntropyCompression(true)) // a third less time, a fifth more bytes
		if err != nil {
			return fmt.Errorf("set up compression: %w", err)
		}
	}
	defer p.encoders.Put(enc)
	sum := xxh3.Hash128(feed).Bytes()
	a.hash = sum[:]
	a.body = enc.EncodeAll(feed, make([]byte, 0, room(len(feed))))
	if len(feed) > largeFeed && len(a.body) < cap(a.body)/2 {
		a.body = bytes.Clone(a.body)
	}
	return nil
}

// room is how much room is made for a packed feed. A large one gets half of its
// size: growing would hold it twice, and few take more.
func room(feed int) int {
	if feed > largeFeed {
		return feed/2 + feed/64
	}
	return feed/3 + 64
}

// Enter makes one answer and n calls that are about to be sent durable, in one
// transaction that other callers share. A nil answer and no calls are nothing to
// do. It isn't cut short by the context.
func (m *Mirror) Enter(ctx context.Context, a *Answer, calls int) error {
	if a == nil && calls == 0 {
		return nil
	}
	return m.w.do(ctx, "keep an answer", func(ctx context.Context, t *tx) error {
		if t.calls += calls; a == nil {
			return nil
		}
		return t.answer(ctx, a)
	})
}

func (t *tx) answer(ctx context.Context, a *Answer) error {
	switch a.Outcome {
	case Suspect:
		return t.exec(ctx, `UPDATE clients SET suspect = 1, failures = 0 WHERE id = ?`, a.Client)
	case Failed:
		return t.exec(ctx, `UPDATE clients SET failures = failures + 1 WHERE id = ?`, a.Client)
	case Absent:
		return t.absent(ctx, a)
	}
	return t.feed(ctx, a)
}

// feed stores a feed. One that is equal to the stored one is only marked as read.
func (t *tx) feed(ctx context.Context, a *Answer) error {
	stored, err := t.run(ctx, `INSERT OR IGNORE INTO feeds (id, hash, body) VALUES (?, ?, ?)`, a.Client, a.hash, a.body)
	if err != nil {
		return err
	}
	if stored == 0 {
		if err := t.replace(ctx, a); err != nil {
			return err
		}
	}
	return t.exec(ctx, `UPDATE clients SET fetched_at = ?, items = ?, read_hash = ?, suspect = 0, not_found = 0, failures = 0 WHERE id = ?`,
		a.At.UnixMilli(), a.Items, a.RowHash, a.Client)
}

// replace puts a changed feed in the place of the stored one, which is kept
// unless an older one, the last that passed its gates, is kept already.
func (t *tx) replace(ctx context.Context, a *Answer) error {
	err := t.exec(ctx, `INSERT OR IGNORE INTO feeds_before (id, hash, read_hash, fetched_at, items, body)
		SELECT f.id, f.hash, c.read_hash, c.fetched_at, c.items, f.body FROM feeds f JOIN clients c ON c.id = f.id
		WHERE f.id = ? AND f.hash <> ?`, a.Client, a.hash)
	if err != nil {
		return err
	}
	return t.exec(ctx, `UPDATE feeds SET hash = ?2, body = ?3 WHERE id = ?1 AND hash <> ?2`, a.Client, a.hash, a.body)
}

// absent marks a client whose feed is not there. One that a complete list has
// missed too is gone.
func (t *tx) absent(ctx context.Context, a *Answer) error {
	if a.body != nil { // never read: there is no feed to stay
		if err := t.exec(ctx, `INSERT OR IGNORE INTO feeds (id, hash, body) VALUES (?, ?, ?)`, a.Client, a.hash, a.body); err != nil {
			return err
		}
	}
	err := t.exec(ctx, `UPDATE clients SET fetched_at = ?, read_hash = ?, suspect = 0, not_found = 1, failures = 0 WHERE id = ?`,
		a.At.UnixMilli(), a.RowHash, a.Client)
	if err != nil {
		return err
	}
	n, err := t.run(ctx, `UPDATE clients SET gone_at = ? WHERE id = ? AND missed > 0 AND gone_at = 0`, a.At.UnixMilli(), a.Client)
	a.Gone = n > 0
	return err
}

// Accept drops the feeds before the latest: the run that holds the latest has
// passed its gates.
func (m *Mirror) Accept(ctx context.Context) error {
	return m.w.do(ctx, "accept the feeds", func(ctx context.Context, t *tx) error { return t.exec(ctx, `DELETE FROM feeds_before`) })
}

// Restore puts the feeds before the latest back: a gate has stopped the run that
// holds the latest. Their clients are due again as they were then. It returns
// how many feeds it put back.
func (m *Mirror) Restore(ctx context.Context) (n int64, err error) {
	err = m.w.do(ctx, "restore the feeds", func(ctx context.Context, t *tx) error {
		for _, q := range []string{
			`UPDATE feeds SET hash = b.hash, body = b.body FROM feeds_before b WHERE b.id = feeds.id`,
			`UPDATE clients SET read_hash = b.read_hash, fetched_at = b.fetched_at, items = b.items FROM feeds_before b WHERE b.id = clients.id`,
		} {
			if n, err = t.run(ctx, q); err != nil {
				return err
			}
		}
		return t.exec(ctx, `DELETE FROM feeds_before`)
	})
	return n, err
}

// PurgeGone deletes row and feed of the clients that were gone before a time;
// their ids stay. It returns how many clients it purged.
func (m *Mirror) PurgeGone(ctx context.Context, before time.Time) (n int64, err error) {
	const gone = `gone_at > 0 AND gone_at < ?`
	err = m.w.do(ctx, "purge gone clients", func(ctx context.Context, t *tx) error {
		for _, table := range []string{"feeds", "feeds_before", "rows"} {
			q := `DELETE FROM ` + table + ` WHERE id IN (SELECT id FROM clients WHERE ` + gone + `)`
			if n, err = t.run(ctx, q, before.UnixMilli()); err != nil {
				return err
			}
		}
		if n == 0 { // of rows, the last of them
			return nil
		}
		return t.exec(ctx, `UPDATE clients SET hash = 0, items = 0 WHERE `+gone, before.UnixMilli())
	})
	return n, err
}
