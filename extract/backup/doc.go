// Package backup keeps a copy of a mirror in a bucket, for workers whose disk is
// gone in the morning.
//
//	PREFIX/copies/RUN-1a2b3c4d.db.zst   a copy, compressed
//	PREFIX/copy.json                    the [Pointer]: which copy, of which mirror and run, its size and SHA-256
//	PREFIX/lease.json                   who may change the mirror now, and until when
//
// # Copies
//
// A copy is made of the mirror as it is, with VACUUM INTO, also while it is
// written; it is compressed beside the mirror, put under a key of its own, and
// only then named by the pointer, which is put on the condition that it is still
// the one that was read. So a copy that was cut short is never named, and what
// is named is checked by size and SHA-256 before it is used. The last copy of the
// run before stays; older ones are removed, and with [Lease.Erase] that one, too.
//
// # Lease
//
// The lock of a mirror excludes on one machine only; the lease excludes between
// machines. It is taken by a write on a condition, renewed every third of its
// time, and may be taken over once it has not been renewed for all of it, by the
// server's clock, so that the clocks of the machines don't matter. Whoever can't
// renew it in time learns that from [Lease.Keep] before another can take it. A
// file beside the mirror, MIRROR.lease, tells that the lease is this disk's own:
// whoever holds the mirror's lock and finds it may take the lease at once, because
// whoever had it is dead.
//
// # Bounds
//
// A copy takes the mirror's size and that of the compressed copy (two fifths of
// it) on the disk, and some 20 MiB of memory; a restored one the same.
package backup
