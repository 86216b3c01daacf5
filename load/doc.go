// Package load brings projected rows to the destinations that analysts read.
//
// Rows arrive as record batches, are spilled, and leave as record batches again,
// one partition at a time:
//
//	Spool.Encode   rows to bytes, from many goroutines
//	Spool.Append   bytes to their partitions, in the order of the rows
//	Spool.Seal     the partitions, each with its rows and its digest
//	Snapshot       gives a partition's rows back as record batches
//	Destination    begins a [Stage], which is written, checked and committed
//
// [Publish] does the last step for several destinations: all are staged, then
// all are checked, then they commit in their order. load/parquet is a
// destination; load/loadtest is what every destination must pass.
//
// # Digests
//
// A row is spilled and hashed in the encoding of package load/internal/row: its
// columns in the order of the table; a nullable column starts with a byte 0
// (null, and nothing follows) or 1; int, amount in hundredths, milliseconds and
// days since 1970 as 8 bytes little-endian; bool as one byte; text and enum as
// length, uint32 little-endian, and bytes; map as the number of its entries,
// uint32 little-endian, then keys and values as texts, keys ascending.
//
// The [Digest] of a partition is the sum of its rows' XXH64 (seed 0) and the sum
// of their XXH3-64, both modulo 2^64, as 16 bytes big-endian. Sums don't depend
// on the order, so workers add up in parallel, and an empty partition is zero.
// It finds mistakes, not attacks: whoever can choose rows can forge it.
//
// # Memory
//
// A [Spool] buffers at most 32 MiB of rows in pages of 16 KiB, whatever the number
// of partitions, until its Close. For each contiguous piece of its file it keeps 16
// bytes: with R bytes of rows in P partitions, about 16·R·P/32 MiB bytes. An
// [Encoded] is as large as its rows. A record batch of a snapshot has at most
// 16,384 rows, and ends with the row that brings it to 8 MiB.
package load
