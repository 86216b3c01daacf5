package pipeline

import (
	"context"
	"errors"
	"testing"
)

func TestAborted(t *testing.T) {
	calm := t.Context()
	signalled, cancel := context.WithCancelCause(calm)
	cancel(ErrInterrupted)
	ended, end := context.WithCancel(calm)
	end()
	in := func(ctx context.Context) func() context.Context { return func() context.Context { return ctx } }
	plain, gate := errors.New("interrupted (9)"), classed(Stopped, "a gate")
	for _, c := range []struct {
		name string
		ctx  func() context.Context
		err  error
		want Class
	}{
		{"no signal", in(calm), plain, Broken},
		{"another end", in(ended), plain, Broken},
		{"a signal", in(signalled), plain, Aborted},
		{"a class of its own", in(signalled), gate, Stopped},
		{"a signal after the end", in(signalled), nil, Done},
	} {
		err := aborted(c.ctx(), c.err)
		if got := new(running).classify(err); got != c.want || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v is of class %d, want %d", c.name, err, got, c.want)
		}
	}
}
