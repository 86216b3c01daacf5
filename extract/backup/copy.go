package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/bucket"
)

// Pointer is the latest copy; nil if nothing was ever saved.
func (l *Lease) Pointer() *Pointer {
	l.saving.Lock()
	defer l.saving.Unlock()
	return l.pointer
}

// Save puts a copy of the mirror as it is now, which holds something of the named
// run, and then points to it. One that is cut short changes nothing.
func (l *Lease) Save(ctx context.Context, m *mirror.Reader, run string) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	id, err := m.ID(ctx)
	if err != nil {
		return err
	}
	p := Pointer{Mirror: id, Run: run}
	if p.Key, err = copyKey(run); err != nil {
		return err
	}
	if err := l.put(ctx, m, &p); err != nil {
		return refused(fmt.Errorf("save a copy of the mirror: %w", err))
	}
	if err := l.renew(ctx); err != nil { // whoever lost it must not go on
		return err
	}
	p.SavedAt = time.Now().UTC().Truncate(time.Second)
	return l.point(ctx, p)
}

func copyKey(run string) (string, error) {
	var id [4]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", fmt.Errorf("name the copy: %w", err)
	}
	return copies + run + "-" + hex.EncodeToString(id[:]) + ".db.zst", nil
}

// put makes the copy and puts it.
func (l *Lease) put(ctx context.Context, m *mirror.Reader, p *Pointer) (err error) {
	plain, packed := l.path+".copy", l.path+".copy.zst"
	if err := errors.Join(remove(plain), remove(plain+"-journal"), remove(packed)); err != nil { // of a run that was killed
		return err
	}
	defer func() { err = errors.Join(err, remove(plain), remove(packed)) }()
	if err := m.CopyTo(ctx, plain); err != nil {
		return err
	}
	if p.Bytes, p.SHA256, err = pack(ctx, plain, packed); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err := remove(plain); err != nil {
		return err
	}
	f, err := os.Open(packed)
	if err != nil {
		return err
	}
	return errors.Join(l.store.at.Put(ctx, p.Key, f, p.Bytes, p.SHA256), f.Close())
}

// remove removes a file; that there is none is no error.
func remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// counted counts and hashes what is written.
type counted struct {
	to   io.Writer
	hash hash.Hash
	n    int64
}

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.hash.Write(b[:n])
	c.n += int64(n)
	return n, err
}

// stoppable reads until its context ends.
type stoppable struct {
	stop func() error
	from io.Reader
}

// Read implements io.Reader.
func (s stoppable) Read(b []byte) (int, error) {
	if err := s.stop(); err != nil {
		return 0, err
	}
	return s.from.Read(b)
}

// pack compresses a file into a new one, for its owner alone.
func pack(ctx context.Context, from, to string) (size int64, sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	c := &counted{to: out, hash: sha256.New()}
	z, err := zstd.NewWriter(c, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return 0, "", err
	}
	_, err = io.Copy(z, stoppable{ctx.Err, in})
	if err = errors.Join(err, z.Close()); err != nil {
		return 0, "", err
	}
	return c.n, hex.EncodeToString(c.hash.Sum(nil)), nil
}

// point puts the pointer and removes older copies, but the last of the run before.
func (l *Lease) point(ctx context.Context, p Pointer) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	etag, err := l.store.at.Swap(ctx, pointerName, append(text, '\n'), l.pointerETag)
	if errors.Is(err, bucket.ErrLost) {
		return fmt.Errorf("%w: %w", ErrTaken, err)
	}
	if err != nil {
		return refused(fmt.Errorf("point to the mirror's copy: %w", err))
	}
	l.pointer, l.pointerETag = &p, etag
	return l.prune(ctx, true)
}

// Erase removes all copies but the latest: after something was erased from the
// mirror and the mirror was saved, nothing of it is left.
func (l *Lease) Erase(ctx context.Context) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	return l.prune(ctx, false)
}

// prune removes the copies that the pointer doesn't name; the last of the run
// before it stays, if it is wanted. Names sort by run.
func (l *Lease) prune(ctx context.Context, former bool) error {
	var old []string
	for e, err := range l.store.at.List(ctx, copies, false) {
		if err != nil {
			return refused(fmt.Errorf("find older copies: %w", err))
		}
		if l.pointer == nil || e.Name != l.pointer.Key {
			old = append(old, e.Name)
		}
	}
	if former && l.pointer != nil {
		i := len(old) - 1
		for i >= 0 && strings.HasPrefix(old[i], copies+l.pointer.Run+"-") {
			i--
		}
		if i >= 0 {
			old = slices.Delete(old, i, i+1)
		}
	}
	for _, name := range old {
		if err := l.store.at.Remove(ctx, name); err != nil {
			return refused(fmt.Errorf("remove an older copy: %w", err))
		}
	}
	return nil
}

// Restore puts the latest copy in the place of the mirror, where there is no
// file. It does nothing, and returns false, if nothing was ever saved.
func (l *Lease) Restore(ctx context.Context) (bool, error) {
	p := l.Pointer()
	if p == nil {
		return false, nil
	}
	plain := l.path + ".restore"
	err := l.store.bring(ctx, p, plain)
	if err == nil {
		err = l.place(plain)
	}
	if err = errors.Join(err, remove(plain), remove(plain+"-shm"), remove(plain+"-wal")); err != nil {
		return false, refused(fmt.Errorf("restore the mirror from %s: %w", l.store.at.URL(p.Key), err))
	}
	return true, nil
}

// Copy puts the latest copy at a path where there is no file, for reading: it
// takes no lease, and may be older than the mirror of a run that is at work. It
// returns nil if nothing was ever saved.
func (s *Store) Copy(ctx context.Context, path string) (*Pointer, error) {
	for {
		p, err := s.Latest(ctx)
		if p == nil || err != nil {
			return nil, err
		}
		err = s.bring(ctx, p, path)
		if errors.Is(err, bucket.ErrAbsent) { // runs may have gone on and removed it
			if now, again := s.Latest(ctx); again == nil && now != nil && now.Key != p.Key {
				continue
			}
		}
		if err != nil {
			return nil, refused(fmt.Errorf("read the mirror's copy %s: %w", s.at.URL(p.Key), err))
		}
		return p, nil
	}
}

// bring puts a copy at a path, unpacked, in the place of what was there, and makes
// sure that it is what the pointer names. After an error what is at the path is
// the caller's to remove.
func (s *Store) bring(ctx context.Context, p *Pointer, plain string) error {
	packed := plain + ".zst"
	err := errors.Join(remove(plain), remove(packed))
	if err == nil {
		err = s.fetch(ctx, p, packed)
	}
	if err == nil {
		err = unpack(ctx, packed, plain)
	}
	if err == nil {
		err = same(ctx, p, plain)
	}
	return errors.Join(err, remove(packed))
}

const damaged = "remove copy.json beside it to read everything anew, or let it name the copy before"

// fetch fetches a copy, and refuses one that is not what the pointer says.
func (s *Store) fetch(ctx context.Context, p *Pointer, to string) error {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	c := &counted{to: out, hash: sha256.New()}
	err = errors.Join(s.at.Fetch(ctx, p.Key, p.Bytes, c), out.Close())
	if errors.Is(err, bucket.ErrAbsent) || errors.Is(err, bucket.ErrSize) {
		return &RefusedError{fmt.Errorf("%w: %s", err, damaged)}
	}
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(c.hash.Sum(nil)); got != p.SHA256 {
		return &RefusedError{fmt.Errorf("it is damaged, its sha256 is %s, not %s: %s", got, p.SHA256, damaged)}
	}
	return nil
}

func unpack(ctx context.Context, from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	z, err := zstd.NewReader(stoppable{ctx.Err, in}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer z.Close()
	if _, err := io.Copy(out, z); err != nil {
		return err
	}
	return out.Sync()
}

// same makes sure that a file is the mirror that the pointer names.
func same(ctx context.Context, p *Pointer, path string) (err error) {
	m, err := mirror.OpenReader(ctx, path)
	if err != nil {
		return err
	}
	id, err := m.ID(ctx)
	if err = errors.Join(err, m.Close()); err == nil && id != p.Mirror {
		err = &RefusedError{fmt.Errorf("it is mirror %s, not %s: %s", id, p.Mirror, damaged)}
	}
	return err
}

// place renames a file to the mirror. A log of the file that was there before
// would be taken for its own.
func (l *Lease) place(path string) error {
	if err := errors.Join(remove(l.path+"-wal"), remove(l.path+"-shm"), os.Rename(path, l.path)); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
