package pipeline

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

// newRun names a run by its start and six random digits, 20260726T010203Z-1a2b3c:
// names sort in time, and two runs of one second differ.
func newRun(start time.Time) (string, error) {
	var b [3]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("name the run: %w", err)
	}
	return start.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:]), nil
}
