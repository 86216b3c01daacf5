package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

const (
	partSize  = 16 << 20 // larger objects are put in parts of this
	maxCopy   = 5 << 30  // larger ones are copied in parts
	maxSmall  = 64 << 20 // of an object that is read into memory
	shortWait = 2 * time.Minute
	slowest   = 256 << 10 // bytes a second that a transfer may fall to
)

// limited bounds a request that moves so many bytes.
func limited(ctx context.Context, size int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, shortWait+time.Duration(size/slowest)*time.Second)
}

// Object is a small object that was read.
type Object struct {
	Text     []byte
	ETag     string    // for Swap
	Modified time.Time // by the server's clock
	Read     time.Time // by the server's clock, which may lag behind Modified by a second or two; zero if it doesn't say
}

// Get reads a small object. It fails with [ErrAbsent] if there is none.
func (b *Bucket) Get(ctx context.Context, object string) (Object, error) {
	ctx, stop := limited(ctx, 0)
	defer stop()
	if err := b.signs(ctx); err != nil {
		return Object{}, b.wrap(ctx, "read", object, err)
	}
	body, info, head, err := b.core.GetObject(ctx, b.name, b.Key(object), minio.GetObjectOptions{})
	if err != nil {
		return Object{}, b.wrap(ctx, "read", object, err)
	}
	text, err := io.ReadAll(io.LimitReader(body, maxSmall+1))
	err = errors.Join(err, body.Close())
	if err == nil && (len(text) > maxSmall || int64(len(text)) != info.Size) {
		err = fmt.Errorf("%d bytes came, there should be %d, and at most %d", len(text), info.Size, maxSmall)
	}
	if err != nil {
		return Object{}, b.wrap(ctx, "read", object, err)
	}
	o := Object{Text: text, ETag: info.ETag, Modified: info.LastModified}
	if at, err := http.ParseTime(head.Get("Date")); err == nil {
		o.Read = at
	}
	return o, nil
}

// Fetch copies an object of a known size to w. It fails with [ErrAbsent] if
// there is none, and with [ErrSize] if it has another size.
func (b *Bucket) Fetch(ctx context.Context, object string, size int64, w io.Writer) error {
	ctx, stop := limited(ctx, size)
	defer stop()
	if err := b.signs(ctx); err != nil {
		return b.wrap(ctx, "read", object, err)
	}
	body, info, _, err := b.core.GetObject(ctx, b.name, b.Key(object), minio.GetObjectOptions{})
	if err != nil {
		return b.wrap(ctx, "read", object, err)
	}
	if info.Size != size {
		return b.wrap(ctx, "read", object, errors.Join(fmt.Errorf("%w: %d bytes, not %d", ErrSize, info.Size, size), body.Close()))
	}
	n, err := io.Copy(w, body)
	err = errors.Join(err, body.Close())
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes came, not %d: %w", n, size, io.ErrUnexpectedEOF)
	}
	return b.wrap(ctx, "read", object, err)
}

// Put puts an object whose size and SHA-256 are known, so that the server
// refuses what was damaged on the way.
func (b *Bucket) Put(ctx context.Context, object string, r io.Reader, size int64, sum256 string) error {
	ctx, stop := limited(ctx, size)
	defer stop()
	if err := b.signs(ctx); err != nil {
		return b.wrap(ctx, "write", object, err)
	}
	sum, err := hex.DecodeString(sum256)
	if err != nil {
		return b.wrap(ctx, "write", object, err)
	}
	o := minio.PutObjectOptions{PartSize: partSize, ContentType: contentType(object)}
	if size <= partSize {
		o.UserMetadata = checksum(sum)
	} else {
		o.SendContentMd5 = true
	}
	_, err = b.client.PutObject(ctx, b.name, b.Key(object), r, size, o)
	return b.wrap(ctx, "write", object, err)
}

// checksum is the header by which a server checks an object that is put at once.
// A trailing one is refused over http by some servers.
func checksum(sum []byte) map[string]string {
	return map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(sum)}
}

func contentType(object string) string {
	switch {
	case strings.HasSuffix(object, ".json"):
		return "application/json"
	case strings.HasSuffix(object, ".sql"):
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// Swap puts a small object in the place of the one whose ETag was read, or, with
// an empty ETag, where there is none, and returns the new ETag. It fails with
// [ErrLost] if another is there. The text must hold something that no other has.
// After any error but ErrLost, [Unknown] tells whether it may still be put.
func (b *Bucket) Swap(ctx context.Context, object string, text []byte, etag string) (string, error) {
	ctx, seen := witnessed(ctx)
	fresh, err := b.swap(ctx, object, text, etag)
	if err == nil || Refuses(err) && !seen.unsure.Load() {
		return fresh, err
	}
	// The answer may have been lost, and the repetition then refused.
	now, again := b.Get(ctx, object)
	if again == nil && string(now.Text) == string(text) {
		return now.ETag, nil
	}
	if superseded := again == nil && now.ETag != etag; seen.unsure.Load() && !superseded {
		return "", &Error{Op: "replace", Target: b.URL(object), Code: codeOf(err), Remedy: Remedy(err), Err: fmt.Errorf("it may have been replaced, or may still be: %w", hideLost(err)), pending: true}
	}
	if errors.Is(err, ErrAbsent) { // what some servers answer to If-Match
		err = &Error{Op: "replace", Target: b.URL(object), Code: "NoSuchKey", Err: ErrLost}
	}
	return "", err
}

// codeOf is S3's name of what went wrong.
func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// hideLost keeps a refused repetition from being taken for another's success.
func hideLost(err error) error {
	if errors.Is(err, ErrLost) || errors.Is(err, ErrAbsent) {
		return errors.New(err.Error())
	}
	return err
}

func (b *Bucket) swap(ctx context.Context, object string, text []byte, etag string) (string, error) {
	ctx, stop := limited(ctx, 0)
	defer stop()
	if err := b.signs(ctx); err != nil {
		return "", b.wrap(ctx, "replace", object, err)
	}
	sum := sha256.Sum256(text)
	// Multipart would drop the condition.
	o := minio.PutObjectOptions{
		DisableMultipart: true, ContentType: contentType(object), CacheControl: "no-cache", UserMetadata: checksum(sum[:]),
	}
	if etag == "" {
		o.SetMatchETagExcept("*")
	} else {
		o.SetMatchETag(etag)
	}
	info, err := b.client.PutObject(ctx, b.name, b.Key(object), strings.NewReader(string(text)), int64(len(text)), o)
	return info.ETag, b.wrap(ctx, "replace", object, err)
}

// Copy copies an object of the given size on the server.
func (b *Bucket) Copy(ctx context.Context, from, to string, size int64) error {
	ctx, stop := limited(ctx, size)
	defer stop()
	if err := b.signs(ctx); err != nil {
		return b.wrap(ctx, "copy to", to, err)
	}
	src := minio.CopySrcOptions{Bucket: b.name, Object: b.Key(from)}
	dst := minio.CopyDestOptions{Bucket: b.name, Object: b.Key(to)}
	var err error
	if size > maxCopy {
		_, err = b.client.ComposeObject(ctx, dst, src)
	} else {
		_, err = b.client.CopyObject(ctx, dst, src)
	}
	return b.wrap(ctx, "copy to", to, err)
}

// Entry is an object in a list.
type Entry struct {
	Name     string // from the bucket's prefix
	Size     int64
	Modified time.Time
}

// List gives the objects whose names begin so, in the order of their names. With
// level, what lies behind the next slash is given once, as a name that ends with it.
func (b *Bucket) List(ctx context.Context, begin string, level bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ctx, stop := limited(ctx, 0)
		defer stop()
		if err := b.signs(ctx); err != nil {
			yield(Entry{}, b.wrap(ctx, "list", begin, err))
			return
		}
		for info := range b.client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.Key(begin), Recursive: !level}) {
			if info.Err != nil {
				yield(Entry{}, b.wrap(ctx, "list", begin, info.Err))
				return
			}
			if !yield(Entry{strings.TrimPrefix(info.Key, b.prefix), info.Size, info.LastModified}, nil) {
				return
			}
		}
		if err := context.Cause(ctx); err != nil { // minio-go may end without a word
			yield(Entry{}, b.wrap(ctx, "list", begin, err))
		}
	}
}

// Remove removes an object; that it was absent is no error.
func (b *Bucket) Remove(ctx context.Context, object string) error {
	ctx, stop := limited(ctx, 0)
	defer stop()
	if err := b.signs(ctx); err != nil {
		return b.wrap(ctx, "remove", object, err)
	}
	err := b.wrap(ctx, "remove", object, b.client.RemoveObject(ctx, b.name, b.Key(object), minio.RemoveObjectOptions{}))
	if errors.Is(err, ErrAbsent) {
		return nil
	}
	return err
}

// removers bounds the requests under way at once when much is removed.
const removers = 16

// RemoveAll removes the objects whose names begin so.
func (b *Bucket) RemoveAll(ctx context.Context, begin string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(removers)
	for e, err := range b.List(ctx, begin, false) {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return b.Remove(ctx, e.Name) })
	}
	return g.Wait()
}

// Abandon ends the uploads in parts to names that begin so, which a program that
// was killed has left: they can't be seen, but are paid for.
func (b *Bucket) Abandon(ctx context.Context, begin string) error {
	ctx, stop := limited(ctx, 0)
	defer stop()
	for info := range b.client.ListIncompleteUploads(ctx, b.name, b.Key(begin), true) {
		if info.Err != nil {
			return b.wrap(ctx, "list uploads to", begin, info.Err)
		}
		if err := b.core.AbortMultipartUpload(ctx, b.name, info.Key, info.UploadID); err != nil {
			return b.wrap(ctx, "end the upload to", strings.TrimPrefix(info.Key, b.prefix), err)
		}
	}
	return nil
}
