package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Reach asks the bucket for a list, which tells whether it is there, and whether
// it may be seen.
func (b *Bucket) Reach(ctx context.Context) error {
	for _, err := range b.List(ctx, "", true) {
		return err
	}
	return nil
}

// Try does with objects under a name of its own all that the program ever does,
// and removes them.
func (b *Bucket) Try(ctx context.Context) error {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Errorf("name what is tried: %w", err)
	}
	dir := ".check-" + hex.EncodeToString(id[:]) + "/"
	err := b.tryObjects(ctx, dir, []byte(dir))
	if removal := b.RemoveAll(ctx, dir); err == nil { // or it says the same once more
		err = removal
	}
	return err
}

func (b *Bucket) tryObjects(ctx context.Context, dir string, text []byte) error {
	sum := sha256.Sum256(text)
	if err := b.Put(ctx, dir+"a", bytes.NewReader(text), int64(len(text)), hex.EncodeToString(sum[:])); err != nil {
		return err
	}
	var got bytes.Buffer
	if err := b.Fetch(ctx, dir+"a", int64(len(text)), &got); err != nil {
		return err
	}
	if !bytes.Equal(got.Bytes(), text) {
		return fmt.Errorf("what was written to %s came back otherwise", b.URL(dir+"a"))
	}
	if err := b.Copy(ctx, dir+"a", dir+"copy", int64(len(text))); err != nil {
		return err
	}
	etag, err := b.trySwap(ctx, dir, "1", "")
	if err != nil {
		return err
	}
	_, err = b.trySwap(ctx, dir, "2", etag)
	return err
}

// trySwap puts an object on a condition, and wants the same condition refused then.
func (b *Bucket) trySwap(ctx context.Context, dir, text, etag string) (string, error) {
	fresh, err := b.Swap(ctx, dir+"b", []byte(text+" of "+dir), etag)
	if err != nil {
		return "", err
	}
	_, err = b.Swap(ctx, dir+"b", []byte(text+" again of "+dir), etag)
	switch {
	case errors.Is(err, ErrLost):
		return fresh, nil
	case err == nil:
		err = &Error{Op: "replace", Target: b.URL(dir + "b"), Remedy: remedyCondition, Err: errors.New("the server ignores the condition of a write")}
	}
	return "", err
}
