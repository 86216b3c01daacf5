package config

import (
	"fmt"
	"strings"
)

// unknownKey says what a key that doesn't belong where it stands may have meant:
// one that belongs elsewhere, or the nearest.
func unknownKey(name string, here []known, where string, all []known) string {
	said := fmt.Sprintf("unknown key %q: ", shorten(name))
	own := names(here, func(k known) bool { return k.where == where })
	if places := exact(name, all); len(places) > 0 {
		return said + name + " belongs " + strings.Join(places, " or ")
	}
	near, distance := nearest(name, own)
	if alike(name, distance) {
		return said + fmt.Sprintf("did you mean %q?", near)
	}
	other, far := nearest(name, names(all, func(known) bool { return true }))
	if alike(name, far) {
		return said + fmt.Sprintf("did you mean %q, which belongs %s?", other, strings.Join(exact(other, all), " or "))
	}
	return said + fmt.Sprintf("the nearest known key is %q; known here: %s", near, strings.Join(own, ", "))
}

// names gives the names of the keys that are wanted.
func names(keys []known, want func(known) bool) []string {
	var out []string
	for _, k := range keys {
		if want(k) {
			out = append(out, k.name)
		}
	}
	return out
}

// exact gives the places where a key is known.
func exact(name string, all []known) []string {
	var out []string
	for _, k := range all {
		if k.name == name {
			out = append(out, k.where)
		}
	}
	return out
}

// nearest gives the candidate with the fewest changes, the first of equal ones.
func nearest(name string, candidates []string) (string, int) {
	best, least := "", 1<<30
	for _, c := range candidates {
		if d := changes(plain(name), plain(c)); d < least {
			best, least = c, d
		}
	}
	return best, least
}

// alike tells whether so many changes may be a slip.
func alike(name string, distance int) bool { return distance <= max(1, len(plain(name))/3) }

// plain drops what people mix up: case, - and _.
func plain(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(shorten(name)), "_", ""), "-", "")
}

// changes counts insertions, deletions, replacements and swaps of neighbours
// between two short texts.
func changes(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			rows[i][j] = step(rows, x, y, i, j)
		}
	}
	return rows[len(x)][len(y)]
}

func step(rows [][]int, x, y []rune, i, j int) int {
	cost := 1
	if x[i-1] == y[j-1] {
		cost = 0
	}
	d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
	if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
		d = min(d, rows[i-2][j-2]+1)
	}
	return d
}
