package privacy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"roistat-etl/schemas"
)

const (
	hashBytes = 16 // half of the digits that a hash has
	// MinSalt is the fewest bytes of a salt.
	MinSalt = 16
)

// Hasher hashes with one salt. It reuses its buffers and is not safe for
// concurrent use: a goroutine has its own.
type Hasher struct {
	mac    hash.Hash
	normal []byte
	sum    []byte
}

// NewHasher returns a Hasher with a salt, of which it keeps no copy in the clear.
func NewHasher(salt []byte) *Hasher { return &Hasher{mac: hmac.New(sha256.New, salt)} }

// Append appends the hash of a value.
func (h *Hasher) Append(dst, value []byte, holds schemas.Holds) []byte {
	h.normal = appendNormal(h.normal[:0], value, holds)
	return h.append(dst)
}

func (h *Hasher) append(dst []byte) []byte {
	h.mac.Reset()
	_, _ = h.mac.Write(h.normal) // a hash never fails
	h.sum = h.mac.Sum(h.sum[:0])
	return hex.AppendEncode(dst, h.sum[:hashBytes])
}

// Fingerprint tells one salt from another without showing it. It is no hash of
// any value, for no value begins with a zero byte.
func Fingerprint(salt []byte) string {
	h := NewHasher(salt)
	h.normal = []byte("\x00roistat-etl salt")
	return string(h.append(nil))
}
