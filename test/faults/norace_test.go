//go:build !race

package faults

const sample = 1
