package pipeline

import (
	"context"
	"errors"
	"fmt"
)

// Class says how a command ended. Which exit code that is, main alone decides.
type Class uint8

// The classes, from good to bad.
const (
	Done          Class = iota // all that was due was done
	Incomplete                 // published, but not everything that was due
	Broken                     // failed; trying again may help
	Denied                     // the API refuses for good
	Stopped                    // a gate stopped the publishing
	Misconfigured              // a destination or the configuration refuses for good
	Aborted                    // interrupted by a signal
)

// Outcome is the class in the report's words.
func (c Class) Outcome() Outcome {
	return [...]Outcome{OK, Partial, Failed, Refused, Gated, Failed, Interrupted}[c]
}

// ErrInterrupted is the cause of a context that a signal cancelled.
var ErrInterrupted = errors.New("interrupted")

// Error is an error whose class is known. It unwraps to what happened.
type Error struct {
	Class Class
	Err   error
}

// Error returns the text of what happened.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// classed gives an error its class; one that has a class keeps it.
func classed(c Class, format string, args ...any) error {
	return &Error{Class: c, Err: fmt.Errorf(format, args...)}
}

// interrupted tells whether the context was cancelled by a signal.
func interrupted(ctx context.Context) bool {
	return ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrInterrupted)
}

// aborted gives an error that has no class yet its class where a signal has come:
// a cancelled context shows in many ways, some of which don't name it.
func aborted(ctx context.Context, err error) error {
	var known *Error
	if err == nil || !interrupted(ctx) || errors.As(err, &known) {
		return err
	}
	return classed(Aborted, "interrupted: %w", err)
}
