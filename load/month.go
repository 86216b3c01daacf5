package load

import (
	"fmt"
	"time"
)

// NoMonth is the month of an event table's only partition when it has no rows.
const NoMonth = "none"

// month counts months since January 1970, UTC. whole is that of tables which are not split.
type month int32

const whole month = -1 << 31

// String returns the month as it stands in paths and manifests.
func (m month) String() string {
	if m == whole {
		return ""
	}
	return m.start().Format("2006-01")
}

// parseMonth reads what String wrote. NoMonth is that of a table which has no month.
func parseMonth(text string) (month, error) {
	if text == "" || text == NoMonth {
		return whole, nil
	}
	t, err := time.Parse("2006-01", text)
	if err != nil {
		return 0, fmt.Errorf("%q is no month", text)
	}
	return monthOf(t), nil
}

func monthOf(t time.Time) month { return month((t.Year()-1970)*12 + int(t.Month()) - 1) }

func (m month) start() time.Time {
	return time.Date(1970, time.Month(1+m), 1, 0, 0, 0, 0, time.UTC)
}

// calendar finds the month of an instant. It remembers the last one, since
// instants of a feed stand side by side.
type calendar struct {
	month    month
	from, to int64 // milliseconds; empty at first
}

func (c *calendar) of(ms int64) (month, error) {
	if ms >= c.from && ms < c.to {
		return c.month, nil
	}
	t := time.UnixMilli(ms).UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return 0, fmt.Errorf("the time %d ms is outside the years 1 to 9999", ms)
	}
	c.month = monthOf(t)
	c.from, c.to = c.month.start().UnixMilli(), (c.month + 1).start().UnixMilli()
	return c.month, nil
}
