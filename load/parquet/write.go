package parquet

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

const (
	maxGroupRows = 64 << 10
	dataPage     = 128 << 10 // decoded pages of all columns are in memory at once when a file is read back
	writeBuffer  = 64 << 10
)

// longRow is the size of a row from which its texts have no statistics: pqarrow
// leaves such values out of the file anyway, but keeps two of them a row group in
// memory until its end.
const longRow = 64 << 10

// properties says how a table's files are written.
func properties(t *schemas.Table, codec compress.Compression, largestRow int) *parquet.WriterProperties {
	opts := []parquet.WriterProperty{
		parquet.WithRootRepetition(parquet.Repetitions.Required), // or xitongsys reads each row as a list
		parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithStoreDecimalAsInteger(true),
		parquet.WithMaxRowGroupLength(maxGroupRows),
		parquet.WithDataPageSize(dataPage),
		parquet.WithStats(true),
		parquet.WithDictionaryDefault(false),
		parquet.WithCompression(codec),
		parquet.WithCreatedBy(createdBy),
	}
	if codec == compress.Codecs.Zstd {
		opts = append(opts, parquet.WithCompressionLevel(zstdLevel))
	}
	for _, c := range t.Columns {
		if c.Kind == schemas.Enum {
			opts = append(opts, parquet.WithDictionaryFor(c.Name, true))
		}
		if largestRow >= longRow {
			opts = append(opts, withoutStats(c)...)
		}
	}
	return parquet.NewWriterProperties(opts...)
}

func withoutStats(c schemas.Column) []parquet.WriterProperty {
	switch c.Kind {
	case schemas.Text, schemas.Enum:
		return []parquet.WriterProperty{parquet.WithStatsFor(c.Name, false)}
	case schemas.Map:
		return []parquet.WriterProperty{parquet.WithStatsFor(c.Name+".key_value.key", false), parquet.WithStatsFor(c.Name+".key_value.value", false)}
	}
	return nil
}

// sink counts and hashes what is written. The first error it keeps to itself,
// and takes the rest for nothing: pqarrow loses some errors, panics on others, and
// then keeps record batches that it should release. It serves one file after the
// other.
type sink struct {
	to     io.Writer
	buffer *bufio.Writer // before the sink
	hash   hash.Hash
	bytes  int64
	err    error
}

func newSink() *sink {
	s := &sink{hash: sha256.New()}
	s.buffer = bufio.NewWriterSize(s, writeBuffer)
	return s
}

// Write implements io.Writer. It never fails; see err.
func (s *sink) Write(b []byte) (int, error) {
	if s.err != nil {
		return len(b), nil
	}
	var n int
	n, s.err = s.to.Write(b)
	s.hash.Write(b[:n])
	s.bytes += int64(n)
	return len(b), nil
}

// written describes a file after it was written.
type written struct {
	rows, bytes int64
	sha256      string
}

// file writes the rows as a Parquet file to w. largestRow is the size of the
// largest, 0 if it is not known.
func (s *sink) file(ctx context.Context, w io.Writer, t *schemas.Table, codec compress.Compression, largestRow int, rows load.Rows) (written, error) {
	s.to, s.bytes, s.err = w, 0, nil
	s.buffer.Reset(s)
	s.hash.Reset()
	n, err := s.encode(ctx, t, codec, largestRow, rows)
	if s.err != nil {
		err = s.err
	}
	return written{n, s.bytes, hex.EncodeToString(s.hash.Sum(nil))}, err
}

// encode writes one row group for each record batch, and counts the rows.
func (s *sink) encode(ctx context.Context, t *schemas.Table, codec compress.Compression, largestRow int, rows load.Rows) (n int64, err error) {
	defer recovered("pqarrow", &err)
	out, err := pqarrow.NewFileWriter(t.Arrow(), s.buffer, properties(t, codec, largestRow), pqarrow.DefaultWriterProps())
	if err != nil {
		return 0, err
	}
	for rec, err := range rows {
		if err == nil {
			n += rec.NumRows()
			err = s.batch(ctx, out, rec)
		}
		if err != nil {
			return n, errors.Join(err, out.Close())
		}
	}
	return n, errors.Join(out.Close(), s.buffer.Flush())
}

// batch writes a batch and releases it, also if pqarrow panics.
func (s *sink) batch(ctx context.Context, out *pqarrow.FileWriter, rec arrow.Record) error {
	defer rec.Release()
	if err := context.Cause(ctx); err != nil || rec.NumRows() == 0 {
		return err
	}
	return errors.Join(out.Write(rec), s.err)
}

// recovered turns a panic of a library into an error.
func recovered(library string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s failed: %v", library, p)
	}
}
