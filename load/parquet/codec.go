package parquet

import (
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// zstdLevel is level 1 of the zstd program: 3 costs 16% more time for 4% less space.
const zstdLevel = 1

// pooled makes Arrow's zstd codec use one encoder again and again. Its own makes
// a new one for each page, which is nine tenths of all it allocates. The pages
// are the same, byte for byte.
type pooled struct {
	compress.Codec
	encoder *zstd.Encoder
}

// EncodeLevel implements compress.Codec. Only our level is ever asked for.
func (p *pooled) EncodeLevel(dst, src []byte, level int) []byte {
	if level != zstdLevel {
		return p.Codec.EncodeLevel(dst, src, level)
	}
	return p.encoder.EncodeAll(src, dst[:0])
}

// CompressBound implements compress.Codec. The dictionary page of a column of
// nulls is empty, of which Arrow's own codec thinks that it can't be.
func (p *pooled) CompressBound(n int64) int64 { return p.Codec.CompressBound(max(n, 1)) }

// registerZstd replaces Arrow's codec, once, before the first file is written:
// its registry is not made for changes while it is read.
//
//nolint:gochecknoglobals // the registry it guards is global, too
var registerZstd = sync.OnceValue(func() error {
	own, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		return fmt.Errorf("find the zstd codec: %w", err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithZeroFrames(true), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(zstdLevel)))
	if err != nil {
		return fmt.Errorf("make a zstd encoder: %w", err)
	}
	compress.RegisterCodec(compress.Codecs.Zstd, &pooled{own, encoder})
	return nil
})

// codecs are the compressions by their name in the configuration.
func codecByName(name string) (compress.Compression, bool) {
	switch name {
	case "zstd":
		return compress.Codecs.Zstd, true
	case "snappy":
		return compress.Codecs.Snappy, true
	case "gzip":
		return compress.Codecs.Gzip, true
	case "none":
		return compress.Codecs.Uncompressed, true
	}
	return 0, false
}
