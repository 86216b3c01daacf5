// Package parquet publishes tables as Parquet files in a folder:
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
// The files hold personal data: folders have mode 0750 and files 0640, less
// what the umask takes. Give readers the group.
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
// whatever the number of rows, partitions and snapshots.
package parquet
