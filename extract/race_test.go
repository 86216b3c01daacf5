//go:build race

package extract

// shrink is by how much long tests are smaller: the race detector makes SQLite
// ten times slower.
const shrink = 10
