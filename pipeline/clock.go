package pipeline

import (
	"context"
	"fmt"
	"time"

	"roistat-etl/extract/api"
)

// clockTolerance is how far this machine's clock may be from the API's. Beyond it
// nothing is deleted for its age, nor is a stamp from the future corrected: either
// would be for good, and by the wrong clock.
const clockTolerance = 10 * time.Minute

// correctTimes compares the clock with the API's. One that is right corrects what
// one that was ahead has left in the mirror; one that is off is told of.
func (r *running) correctTimes(ctx context.Context, client *api.Client) error {
	ahead, known := client.ClockAhead()
	if !known {
		return nil
	}
	if ahead.Abs() > clockTolerance {
		r.clockOff = true
		way := "ahead of"
		if ahead < 0 {
			way = "behind"
		}
		reason := fmt.Sprintf("this machine's clock is %s %s the API's: set it. What is read by a clock that is ahead counts as never read once it is right; nothing is deleted for its age meanwhile",
			ahead.Abs().Round(time.Second), way)
		r.report.Reasons = append(r.report.Reasons, reason)
		r.log.Warn(reason)
		if ahead < 0 {
			return r.mirror.DelayGone(ctx, r.extracted.StartedAt, time.Now(), -ahead)
		}
		return nil
	}
	n, err := r.mirror.CutFuture(ctx, time.Now())
	if n > 0 {
		r.log.Warn("corrected times that a clock which was ahead had left", "clients", n)
	}
	return err
}
