//go:build race

package faults

// sample says that every so many of the nights are played: the race detector
// makes SQLite ten times slower.
const sample = 8
