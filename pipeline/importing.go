package pipeline

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"roistat-etl/extract"
	"roistat-etl/extract/api"
	"roistat-etl/extract/mirror"
	"roistat-etl/importer"
	"roistat-etl/internal/regular"
	"roistat-etl/pipeline/config"
)

// ImportOptions are what a command line says of an import.
type ImportOptions struct {
	File   string
	Batch  int           // rows of a call at most
	DryRun bool          // read and check all, send nothing
	Again  bool          // send a file that was sent whole before
	Wait   time.Duration // for the lock

	Log      *slog.Logger
	Progress *Progress       // tells how far it is; may be nil
	ExitCode func(Class) int // for the report

	Transport http.RoundTripper // replaces the network, in tests
}

// Import sends a file of clients to a pipeline's project. The report says
// everything, failures included.
func Import(ctx context.Context, p *config.Pipeline, o ImportOptions) *ImportReport {
	start := time.Now()
	name, err := newRun(start)
	i := &importing{pipeline: p, options: o, began: start, log: o.Log.With("pipeline", p.Name), report: newImportReport(name, p, o, start)}
	if err == nil {
		err = i.file(ctx)
	}
	i.finish(ctx, err)
	return i.report
}

// importing is one import under way.
type importing struct {
	pipeline *config.Pipeline
	options  ImportOptions
	log      *slog.Logger
	report   *ImportReport
	source   *importer.File
	mirror   *mirror.Mirror
	sending  *extract.Sending
	began    time.Time
	marked   bool // the mirror's tables are no longer those that were published
}

// file opens the file, checks all of it and, unless that is all, sends it.
func (i *importing) file(ctx context.Context) (err error) {
	if i.source, err = importer.Open(ctx, i.options.File); err != nil {
		return fmt.Errorf("open %s: %w", i.options.File, err)
	}
	defer func() { err = errors.Join(err, i.source.Close()) }()
	i.report.identify(i.source)
	if err := i.check(ctx); err != nil {
		return err
	}
	if i.options.DryRun {
		return i.before(ctx)
	}
	return i.locked(ctx)
}

// check reads the whole file before anything is sent.
func (i *importing) check(ctx context.Context) error {
	list := &faultList{path: i.pipeline.Mirror + "-import-faults.csv", wanted: i.options.DryRun}
	found, err := i.source.Check(ctx, nil, i.options.Batch, list.add)
	if err = errors.Join(err, list.close(err)); err != nil {
		return fmt.Errorf("check %s: %w", i.options.File, err)
	}
	i.report.take(found, list.written)
	i.log.Info("checked the file", "rows", found.Rows, "good", found.Good, "faults", found.Faults, "repeated_ids", found.Repeats)
	return nil
}

// before tells, without the lock, what an earlier import has sent of the file.
func (i *importing) before(ctx context.Context) (err error) {
	m, err := readIfAny(ctx, i.pipeline)
	if err != nil {
		return err
	}
	if m.Reader == nil {
		return nil
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	_, err = i.progress(ctx, m.Reader)
	return err
}

// progress reads how far earlier imports have come with the file.
func (i *importing) progress(ctx context.Context, m *mirror.Reader) (mirror.Import, error) {
	known, _, err := m.Import(ctx, i.source.SHA256())
	if err == nil {
		i.report.resume(known)
	}
	return known, err
}

// locked holds the mirror for as long as the import needs it.
func (i *importing) locked(ctx context.Context) (err error) {
	client, err := newClient(i.pipeline, i.options.Transport)
	if err != nil {
		return classed(Misconfigured, "%w", err)
	}
	defer client.Close()
	h, err := hold(ctx, i.pipeline, holding{
		name: func() (string, error) { return i.report.Run, nil }, until: i.began.Add(i.options.Wait), log: i.log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close(context.WithoutCancel(ctx))) }()
	i.mirror = h.Mirror
	return h.guard(ctx, func(ctx context.Context) error {
		return errors.Join(i.rest(ctx, client), h.last(ctx))
	})
}

// rest sends what earlier imports have left of the file.
func (i *importing) rest(ctx context.Context, client *api.Client) error {
	known, err := i.progress(ctx, i.mirror.Reader)
	if err != nil {
		return err
	}
	again := !known.FinishedAt.IsZero()
	if again && !i.options.Again {
		return nil // the report says so
	}
	return i.send(ctx, client, again)
}

// send sends what is left of the file.
func (i *importing) send(ctx context.Context, client *api.Client, again bool) (err error) {
	if again {
		i.report.anew()
	}
	start := mirror.Import{SHA256: i.source.SHA256(), Run: i.report.Run, Rows: i.report.Rows.Total, StartedAt: time.Now()}
	dropped, err := i.mirror.StartImport(ctx, start, again)
	if err == nil && dropped > 0 {
		err = i.mark(ctx)
	}
	if err != nil {
		return err
	}
	o := extract.Options{
		Mirror: i.mirror, PerSecond: i.pipeline.API.PerSecond, PerHour: int64(i.pipeline.API.PerHour), MaxAttempts: i.pipeline.API.MaxAttempts,
		Log: i.log, Progress: i.options.Progress,
	}
	if i.sending, err = extract.NewSending(ctx, o, client, i.report.Rows.Total, int64(i.options.Batch)); err != nil {
		return err
	}
	i.move()
	err = i.source.Send(ctx, importer.Options{Batch: i.options.Batch, From: i.report.Rows.Before, Sender: sender{i.sending}, Journal: i})
	i.report.Calls = ImportCalls(i.sending.Counts())
	return err
}

// move shows how far the import is.
func (i *importing) move() {
	r := i.report.Rows
	i.sending.Move(r.Total-r.Left, r.Total, r.Rejected)
}

// Keep makes a step durable; it implements importer.Journal.
func (i *importing) Keep(ctx context.Context, s importer.Step) error {
	if len(s.Rejects) > 0 {
		if err := i.mark(ctx); err != nil {
			return err
		}
	}
	if err := i.mirror.StepImport(ctx, i.source.SHA256(), mirror.ImportStep(s), time.Now()); err != nil {
		return err
	}
	i.report.step(s)
	i.move()
	return nil
}

// mark notes that the tables of the mirror changed since they were published, if
// there are any.
func (i *importing) mark(ctx context.Context) error {
	if i.marked {
		return nil
	}
	i.marked = true
	by, err := i.mirror.Meta(ctx, metaExtracted)
	if err != nil || by == "" {
		return err
	}
	return i.mirror.SetMeta(ctx, metaExtracted, i.report.Run)
}

// sender tells the importer which errors are the rows' own.
type sender struct{ *extract.Sending }

// Send implements importer.Sender.
func (s sender) Send(ctx context.Context, clients []byte, ready func() error) error {
	err := s.Sending.Send(ctx, clients, ready)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Kind == api.Rejected && (refused.Code == api.CodeInvalid || refused.Code == api.CodeTooLong) {
		return errors.Join(importer.ErrRefused, err)
	}
	return err
}

// finish completes the report by what became of the import.
func (i *importing) finish(ctx context.Context, err error) {
	class := Done
	var known *Error
	switch err = i.classed(ctx, err); {
	case errors.As(err, &known):
		class = known.Class
	case i.report.incomplete():
		class = Incomplete
	}
	i.report.finish(class, i.options.ExitCode(class), err)
}

// classed gives an error of the import its class, and says what to do.
func (i *importing) classed(ctx context.Context, err error) error {
	var known *Error
	var refused *api.Error
	var bad *importer.BadFileError
	switch {
	case err == nil:
		return nil
	case interrupted(ctx):
		return classed(Aborted, "interrupted; what was sent is kept in mind, and the next import of this file goes on from there")
	case errors.As(err, &known):
		return err
	case mirrorLost(err):
		return classed(Broken, "%w", err)
	case errors.Is(err, importer.ErrChanged):
		return classed(Broken, "%w; nothing more is sent. The file as it is now counts as another one", err)
	case errors.As(err, &bad), errors.Is(err, fs.ErrNotExist):
		return classed(Misconfigured, "%w; nothing was sent", err)
	case errors.Is(err, importer.ErrHopeless):
		return classed(Broken, "%w; nothing more is sent. Compare a row (roistat-etl rejects %s) with what the API takes", err, i.pipeline.Name)
	case errors.As(err, &refused) && refused.Kind == api.Refused:
		return classed(Denied, "%w%s", err, remedy(refused.Code))
	case errors.As(err, &refused) && (refused.Kind == api.Rejected || refused.Kind == api.NotFound):
		return classed(Broken, "%w; check base_url and project, sending again alone won't help", err)
	}
	return classed(Broken, "%w; what was sent is kept in mind: import the file again later, it goes on from there", err)
}

// faultList writes the faults to a file once there are more than are shown.
type faultList struct {
	path    string
	wanted  bool
	held    []importer.Fault
	file    *os.File
	csv     *csv.Writer
	written string // the file's path, once it is whole
}

// add takes a fault.
func (l *faultList) add(f importer.Fault) error {
	if !l.wanted {
		return nil
	}
	if l.csv == nil {
		if l.held = append(l.held, f); len(l.held) <= importer.Shown {
			return nil
		}
		return l.begin()
	}
	return l.write(f)
}

// begin makes the file, under another name, and writes what was held.
func (l *faultList) begin() (err error) {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return err
	}
	if l.file, err = os.CreateTemp(filepath.Dir(l.path), ".import-faults-*"); err != nil { // 0600
		return err
	}
	l.csv = csv.NewWriter(l.file)
	if err := l.csv.Write([]string{"row", "line", "column", "field", "reason", "fault"}); err != nil {
		return err
	}
	for _, f := range l.held {
		if err := l.write(f); err != nil {
			return err
		}
	}
	return nil
}

func (l *faultList) write(f importer.Fault) error {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return l.csv.Write([]string{n(f.Row), n(f.Line), n(f.Column), f.Field, string(f.Reason), f.Text})
}

// close puts the file in its place, or away if the check failed.
func (l *faultList) close(failed error) error {
	if l.file == nil {
		return nil
	}
	l.csv.Flush()
	err := errors.Join(l.csv.Error(), l.file.Sync(), l.file.Close())
	if err != nil || failed != nil {
		return errors.Join(err, os.Remove(l.file.Name()))
	}
	if err := regular.Check(l.path); err != nil {
		return errors.Join(err, os.Remove(l.file.Name()))
	}
	l.written = l.path
	return os.Rename(l.file.Name(), l.path)
}
