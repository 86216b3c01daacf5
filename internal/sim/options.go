package sim

import (
	"log/slog"
	"time"

	"roistat-etl/internal/sim/world"
)

// Options says which API to play. The zero value of a number means none of it.
type Options struct {
	World        world.Config
	Key          string        // the only key that is accepted
	Projects     []string      // that the key may see
	PerSecond    int           // quota of a project in any second
	PerHour      int           // quota of a project in any hour
	Others       Others        // that use the quota of each project too
	RetryAfter   bool          // a refusal by the quota says when to come again
	Latency      time.Duration // before each answer
	Jitter       time.Duration // up to so much more
	MaxPage      int           // rows of a list page at most
	ContactPage  int           // rows of a contacts page at most
	NoGzip       bool          // never compress, whatever the client accepts
	Cache        bool          // keep what was rendered
	NightShare   float64       // of the clients that a night touches, where the call names none
	Faults       []Fault
	TurnAway     func(time.Duration) // lets the port refuse connections for a while; nil: there is no such port
	CountImports bool                // count what is imported, and keep none of it
	AccessLog    *slog.Logger        // a line a call, without the key; nil for none
}

// DefaultOptions is the API roistat-sim plays unless told otherwise: no quota,
// no latency, no faults.
func DefaultOptions() Options {
	return Options{
		World:    world.DefaultConfig(),
		Key:      "sim-key",
		Projects: []string{"12345"},
		MaxPage:  1000,

		NightShare: DefaultShare,
	}
}

// defaultLimit is the page size of a list call that names none.
const defaultLimit = 100
