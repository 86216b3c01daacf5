//go:build !race

package extract

const shrink = 1
