package mirror

import (
	"context"
	"iter"
	"strconv"
	"time"

	"roistat-etl/schemas"
)

// Import is how far a file has been sent.
type Import struct {
	SHA256     []byte
	Run        string // that sent last
	Rows       int64  // of the file
	Next       int64  // the first row that is neither sent nor left out
	Sent       int64
	StartedAt  time.Time
	FinishedAt time.Time // when all of it was sent; zero: it was not
}

// ImportStep is what an answer to an import brings forward.
type ImportStep struct {
	Next    int64 // the first row that is neither sent nor left out
	Sent    int64 // rows, by this step
	Rejects []schemas.ImportReject
	Last    bool // the file has no more rows
}

// importsVersion is the version from which a mirror knows of imports. Older ones
// are read as they are until a run brings them forward.
const importsVersion = 2

// rejectsKept is how long the rejects of a file stay after the last sending.
const rejectsKept = 30 * 24 * time.Hour

// Import returns how far a file has been sent; false: nothing is known of it.
func (r *Reader) Import(ctx context.Context, sha256 []byte) (Import, bool, error) {
	if r.version < importsVersion {
		return Import{}, false, nil
	}
	rows, err := r.db.QueryContext(ctx, `SELECT run, rows, next, sent, started_at, finished_at FROM imports WHERE sha256 = ?`, sha256)
	if err != nil {
		return Import{}, false, wrap(r.path, "read the imports", err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	i, found := Import{SHA256: sha256}, rows.Next()
	if found {
		var started, finished int64
		if err := rows.Scan(&i.Run, &i.Rows, &i.Next, &i.Sent, &started, &finished); err != nil {
			return Import{}, false, wrap(r.path, "read the imports", err)
		}
		i.StartedAt, i.FinishedAt = instant(started), instant(finished)
	}
	return i, found, wrap(r.path, "read the imports", rows.Err())
}

// MetaRejectsDropped is the key of meta for the rejects of imports that were dropped
// and may still be published. Whoever has published removes it.
const MetaRejectsDropped = "import_rejects_dropped"

// dropRejects drops the rejects of what begins anew and of what was last sent long ago.
func (t *tx) dropRejects(ctx context.Context, i Import, again bool) (int64, error) {
	old := i.StartedAt.Add(-rejectsKept).UnixMilli()
	n, err := t.run(ctx, `DELETE FROM import_rejects WHERE sha256 = ? AND ? OR sha256 IN (SELECT sha256 FROM imports WHERE started_at < ? AND sha256 <> ?)`,
		i.SHA256, again, old, i.SHA256)
	if err != nil || n == 0 {
		return 0, err
	}
	before, err := t.number(ctx, MetaRejectsDropped)
	if err != nil {
		return 0, err
	}
	return n, t.setMeta(ctx, MetaRejectsDropped, strconv.FormatInt(before+n, 10))
}

// StartImport notes that a run begins to send a file, or goes on with it; again
// begins anew. It drops the rejects of what begins anew and of files that nobody has
// sent for 30 days, and says how many.
func (m *Mirror) StartImport(ctx context.Context, i Import, again bool) (dropped int64, err error) {
	err = m.w.do(ctx, "start an import", func(ctx context.Context, t *tx) error {
		if dropped, err = t.dropRejects(ctx, i, again); err != nil {
			return err
		}
		if again {
			if err := t.exec(ctx, `DELETE FROM imports WHERE sha256 = ?`, i.SHA256); err != nil {
				return err
			}
		}
		return t.exec(ctx, `INSERT INTO imports (sha256, run, rows, started_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (sha256) DO UPDATE SET run = excluded.run, started_at = excluded.started_at`, i.SHA256, i.Run, i.Rows, i.StartedAt.UnixMilli())
	})
	return dropped, err
}

// StepImport makes a step of an import durable: what it says is sent won't be sent again.
func (m *Mirror) StepImport(ctx context.Context, sha256 []byte, s ImportStep, at time.Time) error {
	finished := int64(0)
	if s.Last {
		finished = at.UnixMilli()
	}
	return m.w.do(ctx, "keep how far an import is", func(ctx context.Context, t *tx) error {
		for _, r := range s.Rejects {
			if err := t.exec(ctx, `INSERT OR REPLACE INTO import_rejects (sha256, row, id, field, reason, raw) VALUES (?, ?, ?, ?, ?, ?)`,
				sha256, r.Ordinal, r.ID, r.Field, string(r.Reason), r.Raw); err != nil {
				return err
			}
		}
		return t.exec(ctx, `UPDATE imports SET next = ?, sent = sent + ?, finished_at = ? WHERE sha256 = ?`, s.Next, s.Sent, finished, sha256)
	})
}

// ImportRejects yields the rows of imported files that were left out, in blocks,
// a file after the other in the order of their rows. An error is the last thing yielded.
func (r *Reader) ImportRejects(ctx context.Context) iter.Seq2[[]schemas.ImportReject, error] {
	return func(yield func([]schemas.ImportReject, error) bool) {
		if err := r.importRejects(ctx, yield); err != nil {
			yield(nil, wrap(r.path, "read the rejects of imports", err))
		}
	}
}

func (r *Reader) importRejects(ctx context.Context, yield func([]schemas.ImportReject, error) bool) error {
	if r.version < importsVersion {
		return nil
	}
	rows, err := r.db.QueryContext(ctx, `SELECT row, id, field, reason, raw FROM import_rejects ORDER BY sha256, row`)
	if err != nil {
		return err
	}
	return inBlocks(rows, yield, func(one *schemas.ImportReject) (int, error) {
		err := rows.Scan(&one.Ordinal, &one.ID, &one.Field, &one.Reason, &one.Raw)
		return len(one.Raw), err
	})
}
