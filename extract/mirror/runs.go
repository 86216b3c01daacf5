package mirror

import (
	"context"
	"time"
)

// begunVersion is the version from which runs are entered when they begin.
const begunVersion = 5

// Run is a run that has ended.
type Run struct {
	Run        string
	StartedAt  time.Time
	FinishedAt time.Time
	ExitCode   int
	Report     string // JSON
}

// Begun is a run that was entered when it began and has not entered its end.
type Begun struct {
	Run       string
	StartedAt time.Time
	Host      string
	PID       int
	Running   bool // it holds the mirror's lock; otherwise it was killed
}

// BeginRun enters a run that begins, also in the lock. From then on the mirror
// knows it, whatever becomes of it.
func (m *Mirror) BeginRun(ctx context.Context, b Begun) error {
	if err := m.lock.write(Holder{Host: b.Host, PID: b.PID, Run: b.Run, Start: b.StartedAt}); err != nil {
		return lockError(m.path, err)
	}
	return m.w.do(ctx, "enter the run", func(ctx context.Context, t *tx) error {
		return t.exec(ctx, `INSERT INTO runs (run, started_at, finished_at, exit_code, report, host, pid) VALUES (?, ?, 0, 0, '', ?, ?)`,
			b.Run, b.StartedAt.UnixMilli(), b.Host, b.PID)
	})
}

// SaveRun keeps a run's report.
func (m *Mirror) SaveRun(ctx context.Context, run Run) error {
	return m.w.do(ctx, "keep the report", func(ctx context.Context, t *tx) error {
		return t.exec(ctx, `INSERT INTO runs (run, started_at, finished_at, exit_code, report) VALUES (?, ?, ?, ?, ?) ON CONFLICT (run) DO UPDATE
			SET started_at = excluded.started_at, finished_at = excluded.finished_at, exit_code = excluded.exit_code, report = excluded.report`,
			run.Run, run.StartedAt.UnixMilli(), run.FinishedAt.UnixMilli(), run.ExitCode, run.Report)
	})
}

// Runs returns the last n runs that have ended, the latest first.
func (r *Reader) Runs(ctx context.Context, n int) (list []Run, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT run, started_at, finished_at, exit_code, report FROM runs WHERE report <> '' ORDER BY run DESC LIMIT ?`, n)
	if err != nil {
		return nil, wrap(r.path, "read the runs", err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var run Run
		var started, finished int64
		if err := rows.Scan(&run.Run, &started, &finished, &run.ExitCode, &run.Report); err != nil {
			return nil, wrap(r.path, "read the runs", err)
		}
		run.StartedAt, run.FinishedAt = instant(started), instant(finished)
		list = append(list, run)
	}
	return list, wrap(r.path, "read the runs", rows.Err())
}

// Unended returns the last n runs that have begun and not ended, the latest
// first: the one that is under way, and those that were killed. Which is which
// the lock beside the file tells; a copy of the file has none.
func (r *Reader) Unended(ctx context.Context, n int) (list []Begun, err error) {
	if r.version < begunVersion {
		return nil, nil
	}
	rows, err := r.db.QueryContext(ctx, `SELECT run, started_at, host, pid FROM runs WHERE report = '' ORDER BY run DESC LIMIT ?`, n)
	if err != nil {
		return nil, wrap(r.path, "read the runs", err)
	}
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	for rows.Next() {
		var b Begun
		var started int64
		if err := rows.Scan(&b.Run, &started, &b.Host, &b.PID); err != nil {
			return nil, wrap(r.path, "read the runs", err)
		}
		b.StartedAt = instant(started)
		list = append(list, b)
	}
	if err := rows.Err(); err != nil || len(list) == 0 {
		return nil, wrap(r.path, "read the runs", err)
	}
	holder, held, err := readLock(r.path)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Running = held && holder.Run == list[i].Run
	}
	return list, nil
}

// LastRun is the latest run that has left something in the mirror: that has
// begun, or extracted into it under the given key; "" if none has.
func (r *Reader) LastRun(ctx context.Context, key string) (last string, err error) {
	const latest = `SELECT max(coalesce((SELECT max(run) FROM runs), ''), coalesce((SELECT value FROM meta WHERE key = ?), ''))`
	err = r.db.QueryRowContext(ctx, latest, key).Scan(&last)
	return last, wrap(r.path, "read the runs", err)
}

// KnowsRun reports whether a run has left something in the mirror: it was entered,
// or a value of meta, of which there are few, begins with its name. Mirrors of
// older programs have not entered a run that was killed.
func (r *Reader) KnowsRun(ctx context.Context, run string) (known bool, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM runs WHERE run = ?1)
		OR EXISTS (SELECT 1 FROM meta WHERE value = ?1 OR substr(value, 1, length(?1) + 1) = ?1 || ' ')`, run).Scan(&known)
	return known, wrap(r.path, "read the runs", err)
}
