// Package parquet publishes tables as Parquet files in a folder, or in a bucket:
//
//	PATH/snapshots/RUN/TABLE/month=YYYY-MM/part-0000.parquet   an event table; month=none, without rows, if it is empty
//	PATH/snapshots/RUN/TABLE/part-0000.parquet                 the other tables
//	PATH/snapshots/RUN/_manifest.json                          the load.Manifest
//	PATH/snapshots/RUN/views.sql                               views over exactly these files, for DuckDB
//	PATH/current -> snapshots/RUN                              what is published
//
// A snapshot is built in PATH/snapshots/.staging-RUN, a folder that its owner
// holds locked; one that nobody holds is a dead run's and is removed by the next.
// All files and folders are synced, the folder is renamed to its RUN, and then
// the link is replaced by rename. So whoever resolves the link once reads one
// state, and a crash at any moment leaves the former one. Partitions that have
// not changed are hard links to the files of the snapshot before.
//
// The files hold personal data: folders have mode 0750 and files 0640, whatever the
// umask, and what was made otherwise is given these modes by the next publishing.
// Give readers the group.
//
// # Buckets
//
// In a bucket ([Bucket]) the layout is the same, but for what it has no link and no
// rename for:
//
//	PREFIX/snapshots/.staging-RUN   a marker: RUN is being built
//	PREFIX/current.json             {"run", "prefix"}: what is published
//
// The marker is put before a snapshot's first object and goes after the pointer
// is put, or after the snapshot was removed. So what has a marker and isn't shown
// is at work or dead: dead if its mirror is the one that begins now, whose lock
// it must have lost, or after a day. Unchanged files are copied on the server; a
// new one is made in the scratch folder, without a name, and put with its checksum.
//
// The pointer is put on the condition that it is still the one that Begin has read,
// by its ETag. Such a request may be stuck on its way and arrive long after its run
// has given up. So nothing is removed before that condition has become false: who
// removes a dead snapshot, or gives up after a request of which no answer came, puts
// the pointer anew before, with the same run and other blanks at its end, which
// change its ETag. Where there is no pointer yet nothing can make the condition of
// the first one false: what is dead then stays until something is shown. A snapshot
// of which that can't be brought about stays for the next run to judge.
//
// # What is lost
//
// Where the link or pointer is lost, leads nowhere, or to a broken manifest, what is
// published is the newest snapshot that is whole: its manifest is valid, and its
// files are there with their sizes. The next publishing mends the link.
//
// # Files
//
// pqarrow writes: one row group a record batch, at most 65,536 rows; data pages
// v1, PLAIN or RLE_DICTIONARY (enums alone), statistics, a required root, no
// stored Arrow schema; amounts as INT64 DECIMAL(18,2), times as INT64
// TIMESTAMP(MILLIS, UTC), dates as INT32 DATE, texts as UTF8, maps as MAP.
//
// xitongsys/parquet-go, which shares no code with the writer, reads every file
// back before it is published, and again in [Verify]: schema, rows and digest.
//
// # Memory
//
// Writing a partition holds one record batch, the encoded pages of one of its
// columns, and one decoded page a column when it is read back: about 40 MiB with
// the batches of load, in the worst case, for each partition written at once,
// whatever the number of rows, partitions and snapshots. For a bucket come 16 MiB
// of a large file, and one file on the disk, for each.
package parquet
