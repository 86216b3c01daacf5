package importer

import (
	"cmp"
	"slices"

	"github.com/zeebo/xxh3"
)

// maxIDs is how many ids are compared, at 16 bytes each.
const maxIDs = 4 << 20

// Repeat is a row whose id an earlier row has.
type Repeat struct{ Line, Earlier int64 }

// ids finds the rows whose id another row has, by a hash of it: among four million
// ids two are taken for one with a chance of one in two million.
type ids struct {
	buckets   [256][]idAt // by the hash's first byte
	count     int
	unchecked int64
}

type idAt struct {
	hash uint64
	line int64
}

func (s *ids) add(id string, line int64) {
	if s.count == maxIDs {
		s.unchecked++
		return
	}
	s.count++
	hash := xxh3.HashString(id)
	b := &s.buckets[hash>>56]
	*b = append(*b, idAt{hash, line})
}

// repeats counts the rows that repeat an id, and names the first of them.
func (s *ids) repeats() (n int64, first []Repeat) {
	for _, b := range s.buckets {
		slices.SortFunc(b, func(x, y idAt) int { return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.line, y.line)) })
		for i := 1; i < len(b); i++ {
			if b[i].hash != b[i-1].hash {
				continue
			}
			n++
			first = append(first, Repeat{Line: b[i].line, Earlier: b[i-1].line})
			if len(first) >= 2*Shown {
				first = earliest(first)
			}
		}
	}
	return n, earliest(first)
}

// earliest keeps those that come first in the file.
func earliest(list []Repeat) []Repeat {
	slices.SortFunc(list, func(x, y Repeat) int { return cmp.Compare(x.Line, y.Line) })
	return list[:min(len(list), Shown)]
}
