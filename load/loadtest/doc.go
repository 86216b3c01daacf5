// Package loadtest is what every destination must pass: the conformance suite of
// load.Destination, and record batches to try it with.
package loadtest
