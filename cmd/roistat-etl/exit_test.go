package main

import (
	"errors"
	"fmt"
	"testing"

	"roistat-etl/pipeline"
	"roistat-etl/pipeline/config"
)

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		codes []int
		want  int
	}{
		{nil, 0},
		{[]int{0, 0}, 0},
		{[]int{0, 3}, 3},
		{[]int{3, 5, 0}, 5},
		{[]int{5, 1}, 1},
		{[]int{1, 4}, 4},
		{[]int{4, 2}, 2},
		{[]int{2, 4, 1, 130, 5, 3, 0}, 130},
	} {
		if got := worst(c.codes); got != c.want {
			t.Errorf("worst of %v is %d, want %d", c.codes, got, c.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for want, err := range map[int]error{
		0:   nil,
		1:   errors.New("anything"),
		2:   usageError{errors.New("a flag")},
		4:   fmt.Errorf("wrapped: %w", &pipeline.Error{Class: pipeline.Denied, Err: errors.New("no")}),
		5:   &pipeline.Error{Class: pipeline.Stopped, Err: errors.New("no")},
		130: fmt.Errorf("wrapped: %w", pipeline.ErrInterrupted),
	} {
		if got := (&app{}).exitCode(err); got != want {
			t.Errorf("%v: exit code %d, want %d", err, got, want)
		}
	}
	if got := (&app{}).exitCode(fmt.Errorf("read: %w", &config.Error{Msg: "bad"})); got != 2 {
		t.Errorf("a configuration's error: exit code %d", got)
	}
	if got := (&app{codes: []int{0, 3}}).exitCode(errReported); got != 3 {
		t.Errorf("reported: exit code %d", got)
	}
}
