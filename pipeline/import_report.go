package pipeline

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"roistat-etl/extract/mirror"
	"roistat-etl/importer"
	"roistat-etl/pipeline/config"
)

// ImportReport is what an import says of itself: the line of --json. Field order
// is the order of the JSON.
type ImportReport struct {
	Schema      int               `json:"schema"`
	Run         string            `json:"run"`
	Pipeline    string            `json:"pipeline"`
	Project     string            `json:"project"`
	File        string            `json:"file"`
	SHA256      string            `json:"sha256"`
	Format      string            `json:"format"`
	DryRun      bool              `json:"dry_run"`
	ExitCode    int               `json:"exit_code"`
	Outcome     Outcome           `json:"outcome"`
	Reasons     []string          `json:"reasons"`
	StartedAt   time.Time         `json:"started_at"`
	FinishedAt  time.Time         `json:"finished_at"`
	SentBefore  *SentBefore       `json:"sent_before"` // null: the file was not sent whole before
	Rows        ImportRows        `json:"rows"`
	Calls       ImportCalls       `json:"calls"`
	Faults      int64             `json:"faults"`       // what is wrong with rows that are left out
	FirstFaults []ImportFault     `json:"first_faults"` // at most 20
	FaultsFile  *string           `json:"faults_file"`  // of a dry run: all of them, if there are more
	RepeatedIDs int64             `json:"repeated_ids"` // rows whose id an earlier row has
	FirstRows   []json.RawMessage `json:"first_rows"`   // of a dry run: as they would be sent
	Error       *string           `json:"error"`

	callsNeeded int64
	repeated    []importer.Repeat
	unchecked   int64
	rejected    int64 // rows left out by earlier imports of the file
}

// SentBefore says when the file was sent whole.
type SentBefore struct {
	Run string    `json:"run"`
	At  time.Time `json:"at"`
}

// ImportRows counts the rows of the file: Total = Before + Sent + Rejected + Left.
type ImportRows struct {
	Total    int64 `json:"total"`
	Before   int64 `json:"before"` // that earlier imports of the file sent or left out
	Sent     int64 `json:"sent"`
	Rejected int64 `json:"rejected"`
	Left     int64 `json:"left"`
}

// ImportCalls counts the calls of an import.
type ImportCalls struct {
	Import  int64 `json:"import"`
	Retried int64 `json:"retried"`
	Refused int64 `json:"refused"`
}

// ImportFault is what keeps a row from being sent.
type ImportFault struct {
	Row    int64  `json:"row"` // from 0
	Line   int64  `json:"line"`
	Column int64  `json:"column"`
	Field  string `json:"field"`
	Reason string `json:"reason"`
	Fault  string `json:"fault"`
}

func newImportReport(run string, p *config.Pipeline, o ImportOptions, start time.Time) *ImportReport {
	return &ImportReport{
		Schema: 1, Run: run, Pipeline: p.Name, Project: p.Project, File: o.File, DryRun: o.DryRun, StartedAt: start.UTC().Truncate(time.Millisecond),
		Reasons: []string{}, FirstFaults: []ImportFault{}, FirstRows: []json.RawMessage{},
	}
}

// identify says which file it is.
func (r *ImportReport) identify(f *importer.File) {
	r.SHA256, r.Format = hex.EncodeToString(f.SHA256()), f.Format()
}

// take brings what the file holds into the report.
func (r *ImportReport) take(c *importer.Report, faultsFile string) {
	r.Rows.Total, r.Rows.Left = c.Rows, c.Rows
	r.Faults, r.RepeatedIDs, r.repeated, r.unchecked, r.callsNeeded = c.Faults, c.Repeats, c.Repeated, c.Unchecked, c.Calls
	for _, f := range c.Shown {
		r.FirstFaults = append(r.FirstFaults, ImportFault{f.Row, f.Line, f.Column, f.Field, string(f.Reason), f.Text})
	}
	if !r.DryRun {
		return
	}
	for _, row := range c.First {
		r.FirstRows = append(r.FirstRows, json.RawMessage(row))
	}
	r.Rows.Rejected, r.Rows.Left = c.Rows-c.Good, c.Good
	if faultsFile != "" {
		r.FaultsFile = &faultsFile
	}
}

// resume brings what earlier imports of the file did into the report.
func (r *ImportReport) resume(known mirror.Import) {
	if !known.FinishedAt.IsZero() {
		r.SentBefore = &SentBefore{known.Run, known.FinishedAt.UTC()}
	}
	r.rejected = known.Next - known.Sent
	if !r.DryRun {
		r.Rows.Before, r.Rows.Left = known.Next, r.Rows.Total-known.Next
	}
}

// anew forgets what earlier imports of the file did.
func (r *ImportReport) anew() {
	r.rejected, r.Rows.Before, r.Rows.Left = 0, 0, r.Rows.Total
}

// step counts what was sent and left out.
func (r *ImportReport) step(s importer.Step) {
	r.Rows.Sent += s.Sent
	r.Rows.Rejected += int64(len(s.Rejects))
	r.Rows.Left = r.Rows.Total - s.Next
}

// again tells whether the file was sent whole before and nothing was done now.
func (r *ImportReport) again() bool {
	return !r.DryRun && r.SentBefore != nil && r.Rows.Before == r.Rows.Total
}

// incomplete tells whether rows were left out.
func (r *ImportReport) incomplete() bool {
	left := r.Rows.Rejected
	if !r.DryRun {
		left += r.rejected
	}
	return left > 0 && !r.again()
}

// finish says how it ended.
func (r *ImportReport) finish(class Class, code int, err error) {
	r.Outcome, r.ExitCode = class.Outcome(), code
	r.FinishedAt = time.Now().UTC().Truncate(time.Millisecond)
	if err != nil {
		text := err.Error()
		r.Error = &text
	}
	r.reasons()
}

// reasons says in sentences what is not as it should be.
func (r *ImportReport) reasons() {
	say := func(format string, args ...any) { r.Reasons = append(r.Reasons, fmt.Sprintf(format, args...)) }
	n := humanize.Comma
	rows := func(n int64) string { return plural(n, "row") }
	if r.SentBefore != nil && (r.DryRun || r.again()) {
		say("the file was sent whole before, at %s by run %s; --again sends it once more", r.SentBefore.At.Format(time.RFC3339), r.SentBefore.Run)
	}
	switch left := r.rejected + r.Rows.Rejected; {
	case r.DryRun && r.Rows.Rejected > 0:
		say("%s would be left out", rows(r.Rows.Rejected))
	case r.incomplete() && r.rejected > 0:
		say("%s left out, %s of them by an earlier import of the file: see roistat-etl rejects %s", rows(left), n(r.rejected), r.Pipeline)
	case r.incomplete():
		say("%s left out: see roistat-etl rejects %s", rows(left), r.Pipeline)
	}
	if r.RepeatedIDs > 0 {
		first := r.repeated[0]
		say("%s with the id of an earlier one (line %d that of line %d, for one); all are sent, in the order of the file", rows(r.RepeatedIDs), first.Line, first.Earlier)
	}
	if r.unchecked > 0 {
		say("the ids of the last %s were not compared", rows(r.unchecked))
	}
}

// plural counts things.
func plural(n int64, thing string) string {
	return humanize.Comma(n) + " " + english.PluralWord(int(n), thing, "")
}

// WriteText writes the report for a person to read.
func (r *ImportReport) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n\n", r.Pipeline, r.headline())
	r.writeCounts(&b)
	for i, row := range r.FirstRows {
		if i == 0 {
			b.WriteString("\n  the first rows, as they would be sent:\n")
		}
		fmt.Fprintf(&b, "    %s\n", clipped(row))
	}
	r.writeFaults(&b)
	b.WriteString("\n")
	for _, reason := range r.Reasons {
		fmt.Fprintf(&b, "  %s\n", reason)
	}
	if r.Error != nil {
		fmt.Fprintf(&b, "  error: %s\n", *r.Error)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// clipped shortens a row for the screen.
func clipped(row []byte) string {
	const most = 300
	text := []rune(string(row[:min(len(row), 4*most)]))
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "…"
}

func (r *ImportReport) headline() string {
	words := map[Outcome]string{
		OK: "imported", Partial: "imported, but rows were left out", Failed: "failed",
		Refused: "refused by the API", Interrupted: "interrupted; the next import of this file goes on from here",
	}[r.Outcome]
	switch {
	case r.DryRun && (r.Outcome == OK || r.Outcome == Partial):
		words = "checked, nothing was sent"
	case r.Outcome == OK && r.again():
		words = "nothing to send"
	}
	took := r.FinishedAt.Sub(r.StartedAt).Round(100 * time.Millisecond)
	return fmt.Sprintf("%s (import %s, %s, exit code %d)", words, r.Run, took, r.ExitCode)
}

func (r *ImportReport) writeCounts(b *strings.Builder) {
	n := humanize.Comma
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  file\t%s\n", r.File)
	if r.SHA256 != "" {
		fmt.Fprintf(t, "  sha256\t%s\n", r.SHA256)
	}
	switch {
	case r.Error != nil && r.Rows.Total == 0: // not read
	case r.DryRun:
		fmt.Fprintf(t, "  rows\t%s: %s would be sent in %s, %s left out\n", n(r.Rows.Total), n(r.Rows.Left), plural(r.callsNeeded, "call"), n(r.Rows.Rejected))
	default:
		fmt.Fprintf(t, "  rows\t%s: %s sent, %s left out, %s done before, %s left\n", n(r.Rows.Total), n(r.Rows.Sent), n(r.Rows.Rejected), n(r.Rows.Before), n(r.Rows.Left))
		fmt.Fprintf(t, "  calls\t%s; %s retried, %s refused\n", n(r.Calls.Import), n(r.Calls.Retried), n(r.Calls.Refused))
	}
	_ = t.Flush() // a strings.Builder never fails
}

func (r *ImportReport) writeFaults(b *strings.Builder) {
	if len(r.FirstFaults) == 0 {
		return
	}
	b.WriteString("\n  what keeps rows from being sent:\n")
	for _, f := range r.FirstFaults {
		fmt.Fprintf(b, "    line %d, column %d: %s\n", f.Line, f.Column, f.sentence())
	}
	if more := r.Faults - int64(len(r.FirstFaults)); more > 0 {
		fmt.Fprintf(b, "    and %s more", humanize.Comma(more))
		if r.FaultsFile != nil {
			fmt.Fprintf(b, ": %s has all of them", *r.FaultsFile)
		}
		b.WriteString("\n")
	}
}

func (f ImportFault) sentence() string {
	if f.Field == "" {
		return f.Fault
	}
	return f.Field + ": " + f.Fault
}
