package parquet

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path"

	"roistat-etl/internal/bucket"
	"roistat-etl/load"
)

// Check tries everything that a publishing needs under a key of its own, which it
// removes again: listing, writing, reading, copying, writes on a condition, removing.
func (b *Bucket) Check(ctx context.Context) []load.Checked {
	c := &bucketChecks{at: b.at}
	c.all(ctx)
	return c.list
}

// bucketChecks collects what was tried.
type bucketChecks struct {
	at   *bucket.Bucket
	list []load.Checked
}

// try does one thing, and notes what came of it.
func (c *bucketChecks) try(what, detail string, do func() error) bool {
	x := load.Checked{What: what, Detail: detail}
	if err := do(); err != nil {
		x.Err, x.Detail, x.Remedy = err, "", bucket.Remedy(err)
		if x.Remedy == "" && !load.Refuses(err) {
			x.Remedy = "try again later; if it stays so, check AWS_ENDPOINT_URL_S3 and the network"
		} else if x.Remedy != "" {
			x.Err = &load.Refusal{Err: err}
		}
	}
	c.list = append(c.list, x)
	return x.Err == nil
}

func (c *bucketChecks) all(ctx context.Context) {
	reached := c.try("s3", c.at.Endpoint()+" answers, and lists "+c.at.String(), func() error {
		for _, err := range c.at.List(ctx, "", true) {
			return err
		}
		return nil
	})
	if !reached {
		return
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		c.try("s3", "", func() error { return err })
		return
	}
	dir := ".check-" + hex.EncodeToString(id[:])
	c.try("s3 rights", "objects can be written, read and copied, and written on a condition", func() error {
		return c.rights(ctx, dir, []byte(dir))
	})
	c.try("s3 removal", "objects can be removed", func() error { return c.at.RemoveAll(ctx, dir+"/") })
}

// rights does with objects what a publishing does.
func (c *bucketChecks) rights(ctx context.Context, dir string, text []byte) error {
	a, b := path.Join(dir, "a"), path.Join(dir, "b.json")
	if err := c.at.Put(ctx, a, bytes.NewReader(text), int64(len(text)), sum256(text)); err != nil {
		return err
	}
	var got bytes.Buffer
	if err := c.at.Fetch(ctx, a, int64(len(text)), &got); err != nil {
		return err
	}
	if !bytes.Equal(got.Bytes(), text) {
		return fmt.Errorf("what was written to %s came back otherwise", c.at.URL(a))
	}
	if err := c.at.Copy(ctx, a, path.Join(dir, "copy"), int64(len(text))); err != nil {
		return err
	}
	etag, err := c.at.Swap(ctx, b, append(text, '1'), "")
	if err != nil {
		return err
	}
	if _, err := c.at.Swap(ctx, b, append(text, '2'), ""); !errors.Is(err, bucket.ErrLost) {
		return unconditional(err)
	}
	if _, err := c.at.Swap(ctx, b, append(text, '3'), etag); err != nil {
		return err
	}
	if _, err := c.at.Swap(ctx, b, append(text, '4'), etag); !errors.Is(err, bucket.ErrLost) {
		return unconditional(err)
	}
	return nil
}

// unconditional says that two writers could publish over one another.
func unconditional(err error) error {
	if err != nil {
		return err
	}
	return &load.Refusal{Err: errors.New("the server ignores If-Match and If-None-Match, on which publishing relies: give a bucket of another")}
}
