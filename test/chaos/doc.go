// Package chaos is a seeded checker that tries to make the program lie.
//
// A seed draws a schedule: a world, an API with habits and faults, disks that
// fail, signals, and some nights. The real pipeline runs through it, in process
// and in virtual time, or as the real program over a port. What was fetched is
// worked out from the answers that the stand-in API sent, as sent; what tables
// must hold of it comes from the typed world behind the API. Nothing of that asks
// the product. After each run the published tables, the mirror, the exit code and
// the report are held against it, while a reader reads all the time.
//
// Some seeds publish in a real ClickHouse, too: there loader and server are killed
// and their talk is cut at chosen statements, while an analyst asks all the time.
//
// A schedule that fails is made smaller while it still fails, and printed as one
// command. docs/chaos.md says more.
//
// Memory: a world of at most 300 clients, its truth (about 1 KiB an event) and
// the answers of one run, for each schedule played at once; with ClickHouse a
// server (250 MB) and the truths of some ten runs, of at most 40 clients.
package chaos
