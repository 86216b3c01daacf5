package extract

import (
	"golang.org/x/time/rate"
)

// pace is the rate of calls beside others who use the same quota. It keeps in
// mind the rate top at which refusals last came:
//
//   - A refusal halves the rate. At or above top it makes the rate before it top;
//     below, it brings top half the way down to it, and if fewer than 64 answers
//     came since the refusal before, a 20th down.
//   - An answer raises the rate by top/16 up to top·63/64; from there it takes 768
//     answers to top and 192 more to top·257/256; after these each answer raises
//     it by a 64th.
//   - Where refusals bring top below a 16th of the full rate, they come from others
//     who take all now and then, at any rate of ours: top is the full rate again.
//
// So one call in about 700 is refused, and what is left steadily is used but for
// 63/64, a pause and the way back from the half. When others leave, some 1,000
// answers pass at the old rate; then it doubles every 45.
type pace struct {
	full  rate.Limit // never more
	now   rate.Limit
	top   rate.Limit
	clean int // answers since the last refusal
}

const (
	soon    = 64 // answers
	plateau = 768
	lowest  = 16 // the part of the full rate below which top is not brought
)

func newPace(full rate.Limit) pace { return pace{full: full, now: full, top: full, clean: soon} }

// answered lets the rate grow.
func (p *pace) answered() {
	p.clean++
	switch low, high := p.top*63/64, p.top*257/256; {
	case p.now < low:
		p.now = min(low, p.now+p.top/16)
	case p.now < high:
		p.now += p.top / 64 / plateau
	default:
		p.now += p.now / 64
	}
	p.now = min(p.now, p.full)
}

// refused halves the rate.
func (p *pace) refused() {
	switch {
	case p.now >= p.top:
		p.top = p.now
	case p.clean >= soon:
		p.top = (p.top + p.now) / 2
	case p.clean > 0:
		p.top -= p.top / 20
	}
	if p.top < p.full/lowest {
		p.top = p.full
	}
	p.now = max(p.now/2, min(p.full, slowest))
	p.top = max(p.top, p.now)
	p.clean = 0
}
