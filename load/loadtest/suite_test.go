package loadtest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARightDestinationPasses(t *testing.T) {
	Run(t, func(*testing.T) Harness { return newFake().harness() })
}

// The suite is worth as much as the mistakes that it finds.
func TestAWrongDestinationFails(t *testing.T) {
	for _, b := range []bug{
		"begins when cancelled", "checks when cancelled", "commits when cancelled", "ignores the context",
		"accepts foreign", "accepts older", "overtakes", "always publishes", "writes everything",
		"takes the unknown", "takes it twice", "believes", "misses nothing", "loses a partition", "keeps what is gone",
		"hides failed writes", "hides a failed check", "hides a failed commit", "half commits", "shows early",
		"repairs nothing", "takes what is damaged", "takes an error for the end", "leaks batches", "leaks goroutines", "leaves its staging", "abort unpublishes",
	} {
		t.Run(string(b), func(t *testing.T) {
			for _, c := range Cases() {
				f := newFake(b)
				err := c.Try(t.Context(), f.harness())
				close(f.keepAlive)
				if err != nil {
					t.Logf("%s: %v", c.Name, err)
					return
				}
			}
			t.Error("no case finds it")
		})
	}
}
