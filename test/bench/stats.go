package main

import (
	"fmt"
	"slices"
)

// series is one figure over the rounds.
type series []float64

func (s *series) add(v float64) { *s = append(*s, v) }

// median is the middle value; of an even number the mean of the two in the middle.
func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

// show is the median with the least and the greatest value, in the verb's format.
func (s series) show(verb string) string {
	if len(s) == 0 {
		return "–"
	}
	f := func(v float64) string { return fmt.Sprintf(verb, v) }
	return f(s.median()) + " (" + f(slices.Min(s)) + "–" + f(slices.Max(s)) + ")"
}

// figures are those that every process has.
type figures struct {
	wall, cpu, rss series // seconds, seconds, MB
}

func (f *figures) add(u usage) {
	f.wall.add(u.wall.Seconds())
	f.cpu.add(u.cpu.Seconds())
	f.rss.add(float64(u.rss) / 1e6)
}

// row is a line of a table: wall s, CPU s, peak RSS MB.
func (f *figures) row() string {
	return f.wall.show("%.2f") + " | " + f.cpu.show("%.2f") + " | " + f.rss.show("%.0f")
}

// verdict says whether a goal was met.
func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}
