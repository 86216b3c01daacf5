package world

import "math/rand/v2"

// rng is a seeded stream; streams of different purposes never share numbers.
type rng struct {
	*rand.Rand
	plain bool // no quirks
}

// The purposes of streams, so that a row's forms do not depend on the feed.
const (
	forFeed uint64 = 1 + iota
	forProfile
	forRow
	forNight
	forVanish
	forContact
)

func newRNG(plain bool, seed, purpose, id, night uint64) rng {
	a := mix(seed ^ mix(purpose<<32|night))
	return rng{rand.New(rand.NewPCG(a, mix(a^id))), plain}
}

// mix is the finalizer of SplitMix64: neighbouring ids give unrelated streams.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// share maps a hash of the arguments to [0, 1).
func share(seed, purpose, id, night uint64) float64 {
	return float64(mix(mix(seed^mix(purpose<<32|night))^id)>>11) / (1 << 53)
}

// chance is true with probability p.
func (r rng) chance(p float64) bool { return r.Float64() < p }

// quirk is true with probability p, and never in a plain world.
func (r rng) quirk(p float64) bool { return !r.plain && r.Float64() < p }

// between returns a number from lo to hi inclusive.
func (r rng) between(lo, hi int) int { return lo + r.IntN(hi-lo+1) }

func pick[T any](r rng, from []T) T { return from[r.IntN(len(from))] }
