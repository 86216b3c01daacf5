// Package parquettest serves tests that publish Parquet files in virtual time.
package parquettest

import (
	"github.com/apache/arrow/go/v17/parquet/compress"

	"roistat-etl/load/parquet"
)

// Warm lets the one zstd encoder and the one decoder of the process make their
// channels outside of any test's bubble. TestMain calls it first.
func Warm() {
	if _, err := parquet.New(parquet.Options{Path: "."}); err != nil {
		panic(err)
	}
	codec, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		panic(err)
	}
	codec.Decode(nil, codec.EncodeLevel(nil, []byte("warm"), 1))
}
