package load

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"
)

// Digest identifies the rows of a partition, whatever their order. The zero
// digest is that of no rows.
type Digest [16]byte

// String returns the digest as 32 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes the digest as [Digest.String] does.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	v, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// ParseDigest reads a digest of 32 lower-case hexadecimal digits.
func ParseDigest(text string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("%q is no digest", text)
	}
	copy(d[:], b)
	if d.String() != text {
		return Digest{}, fmt.Errorf("%q is no digest: it has upper-case digits", text)
	}
	return d, nil
}

// Sum adds up the hashes of rows; the zero Sum is that of no rows. Rows may be
// added in any order, and sums of parts be added to the sum of the whole.
type Sum struct {
	Rows int64

	xx64, xxh3 uint64
}

// Add adds a row, given in the row encoding.
func (s *Sum) Add(row []byte) {
	s.Rows++
	s.xx64 += xxhash.Sum64(row)
	s.xxh3 += xxh3.Hash(row)
}

// Merge adds the rows of another sum.
func (s *Sum) Merge(o Sum) {
	s.Rows += o.Rows
	s.xx64 += o.xx64
	s.xxh3 += o.xxh3
}

// Digest returns the digest of the rows added so far.
func (s *Sum) Digest() Digest {
	var d Digest
	binary.BigEndian.PutUint64(d[:8], s.xx64)
	binary.BigEndian.PutUint64(d[8:], s.xxh3)
	return d
}
