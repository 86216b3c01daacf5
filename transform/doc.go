// Package transform turns what the API said into rows: JSON as received in,
// Arrow record batches out, one a table, with nothing but its input to decide
// what they hold. The same mirror gives the same rows, however the clients are
// cut into blocks and whoever projects them.
//
// # How a feed is read
//
// Each byte is looked at once. [roistat-etl/transform/jsontext] passes over an
// item and says where the values of its members stand; a vocabulary numbers the
// keys, whatever their order. At the end of the item its type names the decoder,
// which knows the members it reads and the columns they go to; both come from
// the declarations in schemas. All others are set aside for extra. Then, a table
// at a time, the client's rows get their event_id, are put in order of
// (occurred_at, event_id), and only now are their values read and written to the
// columns.
//
// # What cannot be used
//
// A field that cannot be used is null, stands in extra as received, and has one
// reject with its name. An item that cannot be used is one reject without a
// field. So the items of the feeds are the event rows and the rejects of source
// feed without a field; [Batches] carries the counts to check it.
//
// The order of a feed says nothing: any permutation gives the same rows. What
// decides between equal items is their canonical JSON, then their bytes.
//
// # Privacy rules
//
// All rows leave by one function, and there the rules rewrite the columns that
// they name, whatever filled them: see [roistat-etl/transform/privacy] for what a
// value becomes. Only the contacts of campaigns are rewritten before, for the
// order of their rows is that of what is shown.
//
// # Memory
//
// A [Projector] needs, beside the block, 100 bytes an item of the feed in hand
// and 30 bytes a reject; of a feed up to 4 MiB also 24 bytes a member, which of a
// larger one are read once more when its rows are written. Keys of more than 256
// bytes are held as hashes, canonical forms up to 4 MiB. [Projector.Stream] gives
// the rows in pieces of 2 MiB and the row that fills one; [Projector.Clients]
// holds them all. Of a campaign it needs 40 bytes a number, 48 a row, and the texts
// once more. Privacy rules need the largest of the columns that they rewrite
// once more. A buffer beyond 4 MiB is given back after the feed. A batch is
// a copy of exact size and belongs to the caller.
package transform
