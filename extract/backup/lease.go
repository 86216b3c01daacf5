package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"roistat-etl/internal/bucket"
	"roistat-etl/internal/retry"
)

// Holder says who holds a lease.
type Holder struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
	Run  string `json:"run"`
}

// HeldError says that another run holds the lease.
type HeldError struct {
	Store  string
	Holder Holder
	Left   time.Duration // until it may be taken over, if it is not renewed
}

// Error names the holder.
func (e *HeldError) Error() string {
	return fmt.Sprintf("the mirror's copy %s is held by run %s (process %d on %s); if that is dead, it is free in %s",
		e.Store, e.Holder.Run, e.Holder.PID, e.Holder.Host, e.Left.Round(time.Second))
}

// paper is the content of lease.json. Owner and Renewed make it unique.
type paper struct {
	Holder
	Owner   string    `json:"owner"` // random; "": it was given back
	Seconds int64     `json:"seconds"`
	Renewed int64     `json:"renewed"`
	Expires time.Time `json:"expires_at"` // by the owner's clock, for people
}

// found is a lease as it was read.
type found struct {
	paper
	etag string
	age  time.Duration // since it was written, by the server's clock
}

func (f found) left() time.Duration { return time.Duration(f.Seconds)*time.Second - f.age }

func (f found) held() bool { return f.Owner != "" && f.left() >= 0 }

// readLease reads the lease; one that is absent has no owner and no ETag.
func (s *Store) readLease(ctx context.Context) (f found, err error) {
	o, err := s.at.Get(ctx, leaseName)
	if errors.Is(err, bucket.ErrAbsent) {
		return f, nil
	}
	if err != nil {
		return f, refused(fmt.Errorf("find the mirror's lease: %w", err))
	}
	if err := json.Unmarshal(o.Text, &f.paper); err != nil {
		return f, &RefusedError{fmt.Errorf("%s is no lease of this program", s.at.URL(leaseName))}
	}
	f.etag = o.ETag
	if o.Read.IsZero() { // a server without a clock
		o.Read = time.Now()
	}
	f.age = o.Read.Sub(o.Modified)
	return f, nil
}

// Lease is the right to change a mirror and its copies. Its methods are safe for
// concurrent use.
type Lease struct {
	store *Store
	path  string // of the mirror

	mu      sync.Mutex // guards the lease itself
	paper   paper
	etag    string
	renewed time.Time // when the last renewal was begun

	saving      sync.Mutex // guards the copies
	pointer     *Pointer   // nil: there is none
	pointerETag string
}

// Hold takes the lease of the mirror at path, whose lock the caller holds. It
// fails with a [*HeldError].
func (s *Store) Hold(ctx context.Context, path string, h Holder) (*Lease, error) {
	now, err := s.readLease(ctx)
	if err != nil {
		return nil, err
	}
	own, err := ownMark(path)
	if err != nil {
		return nil, err
	}
	if now.held() && now.Owner != own {
		return nil, &HeldError{s.String(), now.Holder, now.left()}
	}
	fresh := own == ""
	if fresh {
		var id [16]byte
		if _, err := rand.Read(id[:]); err != nil {
			return nil, fmt.Errorf("name the lease: %w", err)
		}
		own = hex.EncodeToString(id[:])
	}
	l := &Lease{store: s, path: path, etag: now.etag, paper: paper{Holder: h, Owner: own, Renewed: now.Renewed}}
	// Before it is taken: a lease whose owner nobody knows would have to be waited for.
	if err := os.WriteFile(markName(path), []byte(l.paper.Owner+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("mark the mirror's lease: %w", err)
	}
	if err := l.renew(ctx); err != nil {
		if other, again := s.readLease(ctx); errors.Is(err, ErrTaken) && again == nil && other.held() {
			err = &HeldError{s.String(), other.Holder, other.left()}
		}
		if fresh && !bucket.Unknown(err) {
			err = errors.Join(err, os.Remove(markName(path)))
		}
		return nil, err
	}
	if l.pointer, l.pointerETag, err = s.latest(ctx); err != nil {
		return nil, errors.Join(err, l.Release(ctx))
	}
	return l, nil
}

func markName(path string) string { return path + ".lease" }

// ownMark is the owner of the lease that this disk took last; "" if none.
func ownMark(path string) (string, error) {
	text, err := os.ReadFile(markName(path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// renew writes the lease anew.
func (l *Lease) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paper.Owner == "" {
		return ErrTaken
	}
	at := time.Now()
	l.paper.Seconds = int64(l.store.time / time.Second)
	l.paper.Renewed++
	l.paper.Expires = at.Add(l.store.time).UTC().Truncate(time.Second)
	if err := l.write(ctx); err != nil {
		return err
	}
	l.renewed = at
	return nil
}

func (l *Lease) write(ctx context.Context) error {
	text, err := json.Marshal(l.paper)
	if err != nil {
		return err
	}
	etag, err := l.store.at.Swap(ctx, leaseName, append(text, '\n'), l.etag)
	if errors.Is(err, bucket.ErrLost) {
		return fmt.Errorf("%w: %w", ErrTaken, err)
	}
	if err != nil {
		return refused(fmt.Errorf("renew the mirror's lease: %w", err))
	}
	l.etag = etag
	return nil
}

// Keep renews the lease until ctx ends, which is no error. It fails as soon as
// the lease is another's, or could be before long.
func (l *Lease) Keep(ctx context.Context) error {
	for wait := l.store.time / 3; ; {
		if retry.Sleep(ctx, wait) != nil {
			return nil
		}
		err := l.renew(ctx)
		switch {
		case err == nil:
			wait = l.store.time / 3
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrTaken):
			return err
		}
		if age := l.age(); age > l.store.time*3/4 {
			return fmt.Errorf("%w, or could: it was not renewed for %s: %w", ErrTaken, age.Round(time.Second), err)
		}
		wait = l.store.time / 12
	}
}

// age is how long ago the lease was renewed.
func (l *Lease) age() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.renewed)
}

// Release gives the lease back; one that was lost is none of ours any more.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paper.Owner == "" {
		return nil
	}
	l.paper.Owner = ""
	l.paper.Renewed++
	if err := l.write(ctx); err != nil && !errors.Is(err, ErrTaken) {
		return fmt.Errorf("give the lease back: %w", err)
	}
	return os.Remove(markName(l.path))
}
