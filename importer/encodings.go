package importer

import (
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
)

// checkEncodings refuses a file whose columns are packed or encoded in a way that
// the library doesn't read. Left to itself, it takes some of them for empty.
func checkEncodings(f *file.Reader) error {
	for g := range f.NumRowGroups() {
		group := f.MetaData().RowGroup(g)
		for c := range group.NumColumns() {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				return unreadable(err)
			}
			name := cut(chunk.PathInSchema().String())
			if _, err := compress.GetCodec(chunk.Compression()); err != nil {
				return badFile("column %q is compressed by %s, which this program doesn't read: write the file with snappy, gzip, zstd or without compression", name, chunk.Compression())
			}
			for _, e := range chunk.Encodings() {
				if !canDecode(e, chunk.Type()) {
					return badFile("column %q is encoded as %s, which this program doesn't read for %s: write the file without it (DuckDB: parquet_version v1; pyarrow: no column_encoding)", name, e, chunk.Type())
				}
			}
		}
	}
	return nil
}

// canDecode reports whether values of a physical type can be read in an encoding.
// The levels of a column share its list: they are RLE or BIT_PACKED.
func canDecode(e parquet.Encoding, t parquet.Type) bool {
	switch e {
	case parquet.Encodings.Plain, parquet.Encodings.PlainDict, parquet.Encodings.RLEDict, parquet.Encodings.RLE, parquet.Encodings.BitPacked:
		return true
	case parquet.Encodings.DeltaBinaryPacked:
		return t == parquet.Types.Int32 || t == parquet.Types.Int64
	case parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray:
		return t == parquet.Types.ByteArray
	}
	return false
}
