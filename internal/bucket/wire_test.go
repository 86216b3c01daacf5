package bucket

import (
	"context"
	"errors"
	"strings"
	"testing"

	"roistat-etl/internal/s3test"
	"roistat-etl/internal/wiretest"
)

// TestBadServersEndEachRequest asks servers that hand the connection on, or never
// come to their answer.
func TestBadServersEndEachRequest(t *testing.T) {
	for _, f := range wiretest.Faults() {
		if f.Only == wiretest.HTTP2 || f.Good || !strings.Contains(f.Name, "101") && !strings.Contains(f.Name, "hints") {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			s := wiretest.Start(t, wiretest.HTTP1, f.Answer)
			s3test.Use(t, s.Addr)
			b := open(t, "s3://bucket/p")
			if _, err := b.Get(t.Context(), "current.json"); err == nil || !Unknown(err) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("get: %v", err)
			}
			ctx, stop := context.WithCancelCause(t.Context())
			why := errors.New("why")
			stop(why)
			if _, err := b.Swap(ctx, "current.json", []byte("{}"), ""); !errors.Is(err, why) {
				t.Errorf("swap: %v", err)
			}
		})
	}
}
