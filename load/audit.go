package load

import (
	"context"
	"time"
)

// Finding is what an audit found out about one partition, or about something
// that should not be there: then Partition and the numbers are empty.
type Finding struct {
	Table     string // "" for what belongs to no table
	Partition string
	Rows      int64  // that are there; 0 if they can't be read
	Expected  int64  // by the manifest
	Digest    Digest // of the manifest; that of the rows, if OK
	OK        bool
	Detail    string // what is wrong, or what was compared
}

// Auditor is a destination that can compare what readers see with what it says
// of itself.
type Auditor interface {
	// Verify gives its findings to each, whose error ends the audit. It fails
	// itself if nothing is published, or if that can't be told.
	Verify(ctx context.Context, each func(Finding) error) error
}

// Recoverer is a destination whose commit can be cut half way.
type Recoverer interface {
	// Recover finishes a commit of the mirror's that was cut, and removes what
	// its publishings that died before their commit have left.
	Recover(ctx context.Context, mirror string) error
}

// Eraser is a destination that keeps more than what readers see now.
type Eraser interface {
	// Erase removes all that the mirror's runs have published or staged here
	// before what readers see now, so that what has left the tables is nowhere
	// any more. It refuses with ErrForeign if another mirror's run is shown.
	Erase(ctx context.Context, mirror string) error
}

// RunRecord is a run that published, as it is written down at the destination.
type RunRecord struct {
	Run, Pipeline, Project string
	StartedAt, FinishedAt  time.Time
	ExitCode               int
	Outcome                string
	LiveClients            int64
	NeverFetched, Left     int64 // feeds
	Rejects                int64
	OldestFeed             time.Time // zero: none was read
	Report                 string    // JSON
}

// Recorder is a destination that keeps a list of the runs it shows.
type Recorder interface {
	// Record adds a run that was published here.
	Record(ctx context.Context, r RunRecord) error
}

// Redactor is a destination whose list of runs keeps their reports.
type Redactor interface {
	// Redact rewrites the reports in the list, also on the disk; one that stays as
	// it is costs nothing. Cut short, it is begun anew.
	Redact(ctx context.Context, rewrite func(report string) (string, error)) error
}

// Checked is one thing that a destination needs.
type Checked struct {
	What   string
	Err    error // nil: it is well
	Detail string
	Remedy string
}

// Checker is a destination that can try everything a publishing needs, and
// leaves what is published as it is.
type Checker interface {
	Check(ctx context.Context) []Checked
}

// Evolver is a destination whose tables may be of an older version.
type Evolver interface {
	// SchemaChanges says what the next publishing would change in them.
	SchemaChanges(ctx context.Context) ([]string, error)
}
