package bucket

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
)

// witness sees what becomes of each request, of which minio-go tells only the last
// of several repetitions.
type witness struct{ http.RoundTripper }

// testimony is what was seen of the requests under a context.
type testimony struct {
	unsure atomic.Bool // one was sent, and may be carried out whatever was said of it
}

type testimonyKey struct{}

// witnessed makes a context whose requests are seen.
func witnessed(ctx context.Context) (context.Context, *testimony) {
	t := &testimony{}
	return context.WithValue(ctx, testimonyKey{}, t), t
}

// RoundTrip implements http.RoundTripper.
func (w witness) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.RoundTripper.RoundTrip(r)
	if t, ok := r.Context().Value(testimonyKey{}).(*testimony); ok && leavesOpen(res, err) {
		t.unsure.Store(true)
	}
	return res, err
}

// leavesOpen tells whether a request may be carried out all the same: no answer
// came, or one of somebody on the way, or of a server that failed at it.
func leavesOpen(res *http.Response, err error) bool {
	var op *net.OpError
	if err != nil {
		return !errors.As(err, &op) || op.Op != "dial"
	}
	return res.StatusCode >= 500 || res.StatusCode == http.StatusRequestTimeout
}
