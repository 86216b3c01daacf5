// Package row is the row encoding: the bytes that a row is spilled as, and of
// which its hashes are taken.
//
// A row is its columns in the order of the table, one after the other. A
// nullable column starts with a byte: 0 for null, after which nothing follows,
// or 1. Then, by kind,
//
//	int, money, time, date   8 bytes, int64, little-endian: the number, the amount
//	                         in hundredths, milliseconds or days since 1970
//	bool                     1 byte, 0 or 1
//	text, enum               the length, uint32 little-endian, and the bytes
//	map                      the number of entries, uint32 little-endian, then key
//	                         and value of each as texts, keys strictly ascending
//
// So equal rows have equal bytes, different rows different bytes, and a database
// can compute them with the functions it has.
//
// [Encoder] reads rows from record batches, [Decoder] builds record batches from
// rows, and the Append functions serve whoever has the values by other means.
// None of the types is safe for concurrent use.
package row

import "encoding/binary"

// What stands before the value of a nullable column.
const (
	absent  = 0
	present = 1
)

// MaxValue is the most bytes of a text, and the most bytes of a row.
const MaxValue = 1<<31 - 1

// AppendNull appends a null of a nullable column.
func AppendNull(dst []byte) []byte { return append(dst, absent) }

// AppendPresent appends what stands before the value of a nullable column that is not null.
func AppendPresent(dst []byte) []byte { return append(dst, present) }

// AppendInt appends an int, amount, time or date.
func AppendInt(dst []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(v)) }

// AppendBool appends a truth value.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendText appends a text.
func AppendText[T ~string | ~[]byte](dst []byte, v T) []byte {
	return append(AppendCount(dst, len(v)), v...)
}

// AppendCount appends the number of a map's entries.
func AppendCount(dst []byte, n int) []byte {
	return binary.LittleEndian.AppendUint32(dst, uint32(n))
}
