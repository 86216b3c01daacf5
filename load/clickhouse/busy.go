package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"roistat-etl/internal/retry"
)

const (
	busyWait     = 2 * time.Minute        // how long a statement waits for a server that says "not now"
	busyPause    = 100 * time.Millisecond // before the second attempt; it doubles
	longestPause = 10 * time.Second
)

// busyCodes are the codes by which a server refuses a statement for the moment,
// before it has done anything of it.
func busyCodes() []int {
	return []int{
		201, // QUOTA_EXCEEDED
		202, // TOO_MANY_SIMULTANEOUS_QUERIES
		242, // TABLE_IS_READ_ONLY
		252, // TOO_MANY_PARTS
		439, // CANNOT_SCHEDULE_TASK
		473, // DEADLOCK_AVOIDED
		745, // SERVER_OVERLOADED
	}
}

// shortCodes are those by which it gives a statement up that it had begun, for
// want of something that may be there again soon.
func shortCodes() []int {
	return []int{
		225, // NO_ZOOKEEPER
		241, // MEMORY_LIMIT_EXCEEDED
		999, // KEEPER_EXCEPTION
	}
}

// untilNotBusy does what a server may refuse for the moment, again and again for
// at most busyWait while it does. What it does must have no effect where the
// server refuses it.
func untilNotBusy(ctx context.Context, do func() error) error {
	return waitWhile(ctx, func(err error) bool { return slices.Contains(busyCodes(), code(err)) }, do)
}

// untilPossible also does again what may have been begun: only for what may be
// done twice.
func untilPossible(ctx context.Context, do func() error) error {
	return waitWhile(ctx, func(err error) bool {
		return slices.Contains(busyCodes(), code(err)) || slices.Contains(shortCodes(), code(err))
	}, do)
}

func waitWhile(ctx context.Context, busy func(error) bool, do func() error) error {
	start, pause := time.Now(), busyPause
	for {
		err := do()
		if err == nil || !busy(err) {
			return err
		}
		if waited := time.Since(start); waited > busyWait {
			return fmt.Errorf("the server has said for %s that it can't do it now: %w", waited.Round(time.Second), err)
		}
		// Others of ours wait as well: not all at the same moment.
		if stop := retry.Sleep(ctx, pause/2+rand.N(pause)); stop != nil { //nolint:gosec // no secret hangs on it
			return errors.Join(stop, err)
		}
		pause = min(2*pause, longestPause)
	}
}
