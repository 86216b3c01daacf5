// Package mirror keeps what the API said: the latest row and feed of each client,
// the campaigns' contacts, and the journal of the calls, in one SQLite file.
//
// # Durability
//
// The file is in WAL mode with synchronous=FULL: what a method that writes has
// returned from without an error survives a kill and a power cut. Writers that
// come at the same time share a transaction and its fsync: the first of them
// leads, those that arrive while it writes form the next group. No goroutine of
// the package's own is needed for that.
//
// # Feeds
//
// A feed is stored as a zstd frame in a table apart from the clients' rows, so
// that listing clients doesn't touch feeds. A body equal to the stored one isn't
// written again. The feed before the latest stays in feeds_before until
// [Mirror.Accept], and [Mirror.Restore] brings it back.
//
// # Forgetting
//
// [Mirror.Forget] deletes clients and keeps their ids, so that no list brings them
// back. secure_delete, which is always on, overwrites what is deleted, but not the
// copies that SQLite leaves in a page when it moves rows to another; so
// [Mirror.Clean] rewrites the file. [Mirror.PurgeGone] leaves those copies.
//
// # Bounds
//
// A block of [Reader.Scan] holds at most the asked number of clients and ends
// with the client that brings it to 1 MiB, or to 4 MiB inflated. A [Buffer] holds
// the inflated feeds of one block. The
// journal has a row for each tenth of a second of the last hour in which a call
// was made: at most 36,001 rows. SQLite's cache is 16 MiB for the writer and 8
// MiB for each of the reading connections, of which there are at most four.
//
// # Files
//
// MIRROR, MIRROR-wal, MIRROR-shm and MIRROR.lock are made with mode 0600, a
// missing folder with 0700. Times are stored as milliseconds since 1970, 0 for
// none.
package mirror
