package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"roistat-etl/internal/bucket"
)

const (
	pointerName = "copy.json"
	leaseName   = "lease.json"
	copies      = "copies/"

	// defaultTime is how long a lease holds without being renewed.
	defaultTime = 2 * time.Minute
)

// ErrTaken says that the lease, or the pointer, is another's by now.
var ErrTaken = errors.New("another run has taken the mirror's lease")

// RefusedError is a refusal for good: trying again won't help.
type RefusedError struct{ Err error }

// Error implements error.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// refused makes a refusal of an error that won't pass by itself, and says what helps.
func refused(err error) error {
	if remedy := bucket.Remedy(err); remedy != "" {
		return &RefusedError{fmt.Errorf("%w: %s", err, remedy)}
	}
	return err
}

// Pointer says which copy is the latest.
type Pointer struct {
	Mirror  string    `json:"mirror"` // id
	Run     string    `json:"run"`    // the latest that the copy holds something of
	Key     string    `json:"key"`    // of the copy, from the prefix
	Bytes   int64     `json:"bytes"`
	SHA256  string    `json:"sha256"`
	SavedAt time.Time `json:"saved_at"`
}

// Store is where the copies of one mirror are. It is safe for concurrent use.
type Store struct {
	at   *bucket.Bucket
	time time.Duration // how long a lease holds
}

// Open makes a store of s3://bucket/prefix. It asks nobody. The caller closes it.
func Open(target string) (*Store, error) {
	at, err := bucket.Open(target)
	if err != nil {
		return nil, err
	}
	return &Store{at: at, time: defaultTime}, nil
}

// Close lets go of idle connections.
func (s *Store) Close() error { return s.at.Close() }

// String is the store's address.
func (s *Store) String() string { return s.at.String() }

// Try tries all that copies and lease need, under a name of its own.
func (s *Store) Try(ctx context.Context) error { return refused(s.at.Try(ctx)) }

// Latest returns the pointer; nil if nothing was ever saved.
func (s *Store) Latest(ctx context.Context) (*Pointer, error) {
	p, _, err := s.latest(ctx)
	return p, err
}

func (s *Store) latest(ctx context.Context) (*Pointer, string, error) {
	o, err := s.at.Get(ctx, pointerName)
	if errors.Is(err, bucket.ErrAbsent) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", refused(fmt.Errorf("find the mirror's copy: %w", err))
	}
	p := &Pointer{}
	if err := json.Unmarshal(o.Text, p); err != nil || p.Key == "" || p.Mirror == "" || p.Bytes <= 0 {
		return nil, "", &RefusedError{fmt.Errorf("%s names no copy of a mirror", s.at.URL(pointerName))}
	}
	return p, o.ETag, nil
}

// Holder returns who holds the lease now; false if nobody does.
func (s *Store) Holder(ctx context.Context) (Holder, bool, error) {
	now, err := s.readLease(ctx)
	return now.Holder, now.held(), err
}
