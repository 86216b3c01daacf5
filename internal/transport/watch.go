package transport

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
)

// maxEarly is how many answers 1xx may come before the real one.
const maxEarly = 16

// watch looks at one request while it is under way.
type watch struct {
	early   atomic.Int32
	refused atomic.Pointer[AnswerError]
	sent    bool
	again   func() // called before the request is sent a second time
}

type watchKey struct{}

// Once makes the context of a request that is sent at most once: net/http would
// send a GET again whose connection broke, and nobody would have counted that
// call. cancel ends the context that is given.
func Once(ctx context.Context, cancel context.CancelFunc) context.Context {
	ctx, _ = watched(ctx, cancel)
	return ctx
}

func watched(ctx context.Context, again func()) (context.Context, *watch) {
	w := &watch{again: again}
	trace := &httptrace.ClientTrace{Got1xxResponse: w.gotEarly}
	if again != nil {
		trace.GotConn = w.gotConn
	}
	return httptrace.WithClientTrace(context.WithValue(ctx, watchKey{}, w), trace), w
}

func (w *watch) gotConn(httptrace.GotConnInfo) {
	if w.sent {
		w.again()
	}
	w.sent = true
}

// gotEarly takes an answer 1xx; net/http hands a 101 of HTTP/1 on as the real one.
func (w *watch) gotEarly(status int, _ textproto.MIMEHeader) error {
	if status != http.StatusSwitchingProtocols && w.early.Add(1) <= maxEarly {
		return nil
	}
	err := &AnswerError{Status: status}
	w.refused.Store(err)
	return err
}
