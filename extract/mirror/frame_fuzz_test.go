package mirror

import (
	"bytes"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// FuzzFrame inflates what may be a stored feed. What is inflated has the size
// that was promised, moves nothing that was inflated before, and is inflated to
// the same again after it was packed.
func FuzzFrame(f *testing.F) {
	packer := NewPacker()
	for _, feed := range []string{"[]", "", `[{"type":"visit"}]`, strings.Repeat("[1,2,3],", 1<<14), strings.Repeat(" ", 1<<20)} {
		var a Answer
		if err := packer.Pack(&a, []byte(feed)); err != nil {
			f.Fatal(err)
		}
		f.Add(a.body)
		f.Add(a.body[:len(a.body)/2])
		f.Add(append(bytes.Clone(a.body), a.body...))
	}
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0x3f, 0x01, 0, 0}) // promises a gigabyte
	f.Fuzz(func(t *testing.T, frame []byte) {
		var b Buffer
		first, err := b.inflate(packedFeed(t, packer, "[1]"))
		if err != nil {
			t.Fatal(err)
		}
		p := Packed{body: frame}
		got, err := b.inflate(frame)
		if string(first) != "[1]" {
			t.Fatal("what was inflated before has moved")
		}
		if err != nil {
			if err.Error() == "" {
				t.Error("it failed without a reason")
			}
			return
		}
		var h zstd.Header
		if err := h.Decode(frame); err == nil && h.HasFCS && len(got) < int(h.FrameContentSize) {
			t.Errorf("%d bytes instead of %d", len(got), h.FrameContentSize)
		}
		if p.Size() < 0 {
			t.Errorf("its size is %d", p.Size())
		}
		again, err := b.inflate(packedFeed(t, packer, string(got)))
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("packed and inflated it is another: %v", err)
		}
	})
}

// packedFeed is a feed as the mirror stores it.
func packedFeed(t *testing.T, p *Packer, feed string) []byte {
	t.Helper()
	var a Answer
	if err := p.Pack(&a, []byte(feed)); err != nil {
		t.Fatal(err)
	}
	return a.body
}
