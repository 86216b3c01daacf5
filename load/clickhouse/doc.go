// Package clickhouse publishes tables in a ClickHouse database, each one whole
// or not at all.
//
// A table is built beside the published one and takes its place:
//
//	TABLE               what readers see; its comment ends in [run=RUN mirror=ID]
//	TABLE__next_RUN     the same table under construction, or the former one on its way out
//	_partitions         rows and digest of every partition of every run
//	_runs               one row a run that published
//	client_journey …    the views
//
// Unchanged partitions come by hard link (ATTACH PARTITION FROM) once their rows
// were counted; changed ones are inserted in blocks, small ones together, each
// block with a token of its own, and counted and digested by the server. A table
// without a changed partition is not rebuilt: its comment gets the new run.
//
// # Commit
//
// The run's rows of _partitions are what says that everything is staged. Then
// the tables are exchanged. ClickHouse swaps each pair at once, but not the
// pairs together, and the answer may get lost: so the comments of the published
// tables are read before each attempt, and only tables that don't show the run
// yet are swapped. A publishing that dies in between is finished by the next
// [Destination.Recover] or [Destination.Begin].
//
// # Protocol
//
// The native protocol only, over TCP or TLS. Over HTTP one INSERT may be cut into
// other blocks than were sent, which takes the tokens their meaning.
//
// # Memory
//
// Each of the partitions that are written at once holds one block, of at most 16
// MiB and one record batch more, encoded as it is sent: rows are copied once,
// from the record batch. Partitions of at most 1 MiB are copied once more, into a
// block of their table: 8 MiB of them wait at most, and four blocks are on their way.
package clickhouse
