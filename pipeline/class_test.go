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
	plain, gate := errors.New("interrupted (9)"), classed(Stopped, "a gate")
	for _, c := range []struct {
		name string
		in   string
		err  error
		want Class
	}{
		{"no signal", "calm", plain, Broken},
		{"another end", "ended", plain, Broken},
		{"a signal", "signalled", plain, Aborted},
		{"a class of its own", "signalled", gate, Stopped},
		{"a signal after the end", "signalled", nil, Done},
	} {
		err := aborted(map[string]context.Context{"calm": calm, "ended": ended, "signalled": signalled}[c.in], c.err)
		if got := new(running).classify(err); got != c.want || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v is of class %d, want %d", c.name, err, got, c.want)
		}
	}
}
