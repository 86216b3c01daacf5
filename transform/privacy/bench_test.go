package privacy

import (
	"testing"

	"roistat-etl/schemas"
)

func BenchmarkHash(b *testing.B) {
	h, dst := NewHasher([]byte(salt)), []byte(nil)
	for b.Loop() {
		dst = h.Append(dst[:0], []byte("+7 (916) 123-45-67"), schemas.Phone)
	}
}

func BenchmarkMask(b *testing.B) {
	dst := []byte(nil)
	for b.Loop() {
		dst = AppendMask(dst[:0], []byte("jane@mail.com"), schemas.Email)
	}
}
