package api

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"roistat-etl/internal/wiretest"
)

// TestNoBadAnswerHangsOrRefuses asks servers that no sound one is like. Each call
// ends, and only the API's own JSON refuses for good.
func TestNoBadAnswerHangsOrRefuses(t *testing.T) {
	for _, p := range []wiretest.Protocol{wiretest.HTTP1, wiretest.HTTP2} {
		for _, f := range wiretest.Faults() {
			if f.Only != "" && f.Only != p {
				continue
			}
			t.Run(fmt.Sprint(p, " ", f.Name), func(t *testing.T) {
				s := wiretest.Start(t, p, func(x *wiretest.Exchange) {
					if f.Answer(x); f.Good {
						x.Good(says(200, `{"status":"success","feed":[]}`))
					}
				})
				c, err := New(Options{BaseURL: s.URL, Key: testKey, CAFile: s.CAFile, Timeout: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_, err = c.Feed(t.Context(), 5)
				if f.Good {
					if err != nil {
						t.Error(err)
					}
					return
				}
				var e *Error
				if !errors.As(err, &e) || e.Kind != Transient && e.Kind != Bad || e.Code == "timeout" {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// TestACallEndsWithItsContext cancels calls that a server has taken and never answers.
func TestACallEndsWithItsContext(t *testing.T) {
	for name, stall := range map[string]func(*wiretest.Exchange){
		"after a 101":        func(x *wiretest.Exchange) { x.Raw("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n") },
		"before the answer":  func(*wiretest.Exchange) {},
		"after a few hints":  func(x *wiretest.Exchange) { _ = x.Early(103) },
		"in a packed answer": func(x *wiretest.Exchange) { x.Raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n") },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		s := wiretest.Start(t, wiretest.HTTP1, func(x *wiretest.Exchange) {
			stall(x)
			cancel(why)
			x.Silence()
		})
		c, err := New(Options{BaseURL: s.URL, Key: testKey, Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if e := feedErrorIn(ctx, t, c); name != "after a 101" && !errors.Is(e, why) {
			t.Errorf("%s: %v", name, e)
		}
		c.Close()
	}
}
