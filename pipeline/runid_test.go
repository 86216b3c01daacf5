package pipeline

import (
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRunNamesSortInTime(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$`)
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(0, rapid.Int64Range(1, 4e18).Draw(t, "start"))
		later := at.Add(time.Duration(rapid.Int64Range(16_000, int64(2*time.Hour)).Draw(t, "after")))
		one, err := newRun(at)
		if err != nil {
			t.Fatal(err)
		}
		two, err := newRun(later)
		if err != nil || !shape.MatchString(one) || !shape.MatchString(two) || one >= two {
			t.Fatalf("%s at %v, %s at %v, %v", one, at, two, later, err)
		}
	})
}
