// Package faults plays every fault of the stand-in API against the whole
// pipeline, in process and in virtual time, and holds what came of it against a
// table of what should: the matrix that docs/reliability.md shows.
//
// The tests are the package; the table is in matrix_test.go, what its words mean
// in cell_test.go.
package faults
