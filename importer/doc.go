// Package importer reads a file of clients and sends it to Roistat, batch by batch.
//
// It is a stage of its own. What it needs from others are two small interfaces:
// a [Sender], who carries a batch to the API, and a [Journal], who keeps how far
// the sending is. Both are called by one goroutine, one call after the other, so
// that the rows of a repeated id arrive in the order of the file.
//
// # The file
//
// CSV, NDJSON or Parquet, by its extension ([Formats]). Columns id and name are
// required; phone, email, company and birth_date are known; any other column NAME
// becomes fields.NAME, and so do fields.NAME and the members of an object called
// fields. ” is null everywhere. A null phone, email, company or birth date is
// sent as null, a null field is left out, a column that the file doesn't have
// isn't mentioned.
//
// A file that can't be read as what it says it is ([BadFileError]) is refused
// before anything is sent: [File.Check] reads all of it first. A row that the API
// can't take ([Fault]) is left out and noted as a reject.
//
// [Open] reads the file once for its SHA-256, under which progress is kept, and
// notes a digest of each 128 KiB. Later readings compare with these, and size,
// time and place of the file are looked at before each call, so that no byte is
// sent that is not of the file whose progress is kept: [ErrChanged].
//
// # Sending
//
// A batch ends with the asked number of rows or at 1 MiB. One that is refused for
// what stands in it ([ErrRefused]) is halved, and the half that was refused again,
// down to the rows at fault. Each answer is a [Step] that the journal makes durable
// before the next call, so a kill costs at most the batch in flight: it is sent
// again, which does no harm, since the method creates or updates.
//
// # Bounds
//
// A batch holds 1 MiB and one row, a row at most 16 MiB in CSV and NDJSON. Of a
// Parquet file a page of each column is inflated, and 256 rows. The ids of the first
// 4 million rows are compared: 16 bytes each. 4 MiB of the file are kept.
package importer
