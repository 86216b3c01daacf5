package main

import (
	"errors"
	"slices"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

// errReported ends a command whose report has said it all; the code is in app.
var errReported = errors.New("reported")

// The exit codes of DESIGN, by class.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitIncomplete  = 3
	exitRefused     = 4
	exitGate        = 5
	exitInterrupted = 130
)

// codeOf is the table of exit codes.
func codeOf(c pipeline.Class) int {
	switch c {
	case pipeline.Done:
		return exitDone
	case pipeline.Incomplete:
		return exitIncomplete
	case pipeline.Denied:
		return exitRefused
	case pipeline.Stopped:
		return exitGate
	case pipeline.Misconfigured:
		return exitUsage
	case pipeline.Aborted:
		return exitInterrupted
	default:
		return exitFailed
	}
}

// worst picks the code of several pipelines: the first present of DESIGN's order.
func worst(codes []int) int {
	for _, c := range []int{exitInterrupted, exitUsage, exitRefused, exitFailed, exitGate, exitIncomplete} {
		if slices.Contains(codes, c) {
			return c
		}
	}
	return exitDone
}

// usageError is a command line that can't be carried out as it stands.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode turns the error of a command into the exit code of the process.
func (a *app) exitCode(err error) int {
	var class *pipeline.Error
	var bad *config.Error
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errReported):
		return worst(a.codes)
	case errors.As(err, &usage), errors.As(err, &bad):
		return exitUsage
	case errors.As(err, &class):
		return codeOf(class.Class)
	case errors.Is(err, pipeline.ErrInterrupted):
		return exitInterrupted
	default:
		return exitFailed
	}
}
