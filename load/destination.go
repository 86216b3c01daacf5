package load

import (
	"context"
	"errors"
	"fmt"

	"roistat-etl/schemas"
)

// Run is what a publishing says of itself.
type Run struct {
	Run            string // as 20260726T010203Z-1a2b3c: names sort in time
	Pipeline       string
	Project        string
	Mirror         string // id of the mirror whose rows these are
	ReportTimezone string // IANA name; of the days in the views; "" is UTC
	LiveClients    int64
	Adopt          bool // publish over what another mirror published

	// Rebuild names partitions that are damaged where they are published: they are
	// written anew, never taken from there. Not nil, also where it names none, it
	// publishes although no row has changed, and puts in the place of tables that
	// were altered new ones.
	Rebuild map[PartitionName]bool
}

// PartitionName names a partition of whatever rows.
type PartitionName struct {
	Table schemas.ID
	Month string // as Partition.Month
}

// Rebuilds tells whether the partition must not be taken from what is published.
func (r Run) Rebuilds(p Partition) bool { return r.Rebuild[PartitionName{p.Table, p.Month}] }

// ValidRun tells whether the text has the form of a run's name.
func ValidRun(text string) bool {
	const form = "00000000T000000Z-xxxxxx"
	if len(text) != len(form) {
		return false
	}
	for i, c := range []byte(text) {
		digit := c >= '0' && c <= '9'
		switch form[i] {
		case '0':
			if !digit {
				return false
			}
		case 'x':
			if !digit && (c < 'a' || c > 'f') {
				return false
			}
		default:
			if c != form[i] {
				return false
			}
		}
	}
	return true
}

// Destination is a place where tables are published. It is safe for concurrent
// use, but only one publishing can succeed at a time: what others published
// meanwhile makes Commit fail. A destination may be a fmt.Stringer; errors name
// it so.
type Destination interface {
	// Published returns what readers see now; nil and no error if nothing was
	// ever published. Where readers are led to nothing, because a link is lost or
	// what it names is broken, it is the newest whole snapshot that is left, with
	// the reason in Unlinked; nil if none is. The next publishing mends that, also
	// where no row has changed. Something that is there but can't be read is an error.
	Published(ctx context.Context) (*Manifest, error)

	// Begin starts a publishing of exactly these partitions, and removes what
	// publishings that died have left. It refuses with ErrForeign what another
	// mirror published, unless run.Adopt, and with ErrOlderRun a run that is
	// not greater than the published one.
	Begin(ctx context.Context, run Run, parts []Partition) (Stage, error)
}

// Stage is a publishing that readers don't see. It ends with Check or Abort.
type Stage interface {
	// Write writes one of the partitions, each once. Rows are pulled only if
	// the partition is not published already. Different partitions may be
	// written at once.
	Write(ctx context.Context, p Partition, rows Rows) error

	// Check makes sure that all partitions were written, are durable and hold
	// the rows that they should. After an error the stage must still be aborted.
	Check(ctx context.Context) (Staged, error)

	// Abort gives up and removes everything written. After a Check that
	// succeeded, or a second time, it does nothing.
	Abort(ctx context.Context) error
}

// Staged is a publishing that is ready. It ends with Commit or Abort.
type Staged interface {
	// Commit shows the rows to readers, all at once, and returns what became of
	// it: Published; Unchanged if exactly these rows were published already, so
	// that the former run stays; Failed with an error if readers see what they
	// saw. Published with an error means that readers see the new rows, but
	// tidying up failed. Commit, once begun, is not stopped by its context.
	Commit(ctx context.Context) (State, error)

	// Abort gives up and removes everything written. After Commit it does nothing.
	Abort(ctx context.Context) error
}

// State says what became of a publishing at a destination.
type State string

// The states of a destination after a publishing.
const (
	Published State = "published" // shows this run
	Unchanged State = "unchanged" // the rows were published already; shows the former run
	Failed    State = "failed"    // tried, shows what it showed
	Skipped   State = "skipped"   // not tried, shows what it showed
)

var (
	// ErrForeign says that another mirror published what a destination shows.
	ErrForeign = errors.New("published from another mirror")
	// ErrOlderRun says that the run is not greater than the published one.
	ErrOlderRun = errors.New("the run is not newer than the published one")
	// ErrOvertaken says that something else was published since Begin.
	ErrOvertaken = errors.New("something else was published meanwhile")
)

// Refusal is the error of a destination that refuses for good: a missing right,
// something of another's in its place. Any other error may pass.
type Refusal struct{ Err error }

// Error implements error.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// Refuses tells whether an error is a refusal for good: trying again won't help.
func Refuses(err error) bool {
	var r *Refusal
	return errors.As(err, &r)
}

// Admit checks what every destination checks in Begin: whether the run may be
// published over what is published. published is nil if nothing is.
func Admit(run Run, published *Manifest) error {
	if !ValidRun(run.Run) {
		return fmt.Errorf("%q is no name of a run", run.Run)
	}
	if published == nil {
		return nil
	}
	if published.Mirror != run.Mirror && !run.Adopt {
		return fmt.Errorf("run %s of mirror %s: %w", published.Run, published.Mirror, ErrForeign)
	}
	if run.Run <= published.Run {
		return fmt.Errorf("run %s, published is %s: %w", run.Run, published.Run, ErrOlderRun)
	}
	return nil
}
