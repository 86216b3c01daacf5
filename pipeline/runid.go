package pipeline

import (
	"crypto/rand"
	"fmt"
	"time"
)

// newRun names a run by its start and six digits, 20260726T010203Z-1a2b3c: the
// first four are the fraction of the second, so that of two runs that follow each
// other within a second the later has the greater name, which publishing demands;
// the last two are random, so that two that start at once differ.
func newRun(start time.Time) (string, error) {
	var b [1]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("name the run: %w", err)
	}
	fraction := int64(start.Nanosecond()) << 16 / int64(time.Second)
	return fmt.Sprintf("%s-%04x%02x", start.UTC().Format("20060102T150405Z"), fraction, b[0]), nil
}

// nextRun is a run's name, or a second after the last one's if that is not less.
func nextRun(name, last string) (string, error) {
	const layout = "20060102T150405Z"
	if name > last || len(last) < len(layout) {
		return name, nil
	}
	at, err := time.Parse(layout, last[:len(layout)])
	if err != nil {
		return name, nil //nolint:nilerr // whoever named that run did not name it by time
	}
	return newRun(at.Add(time.Second))
}
