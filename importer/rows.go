package importer

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// rows reads the rows of a file one after the other.
type rows interface {
	// Next reads the next row into r, whose texts live until it is called again.
	// io.EOF says that there are no more. Other errors are final: a *BadFileError
	// or ErrChanged among them.
	Next(r *row) error
	Close() error
}

// rows begins to read the file's rows.
func (f *File) rows(ctx context.Context, mem memory.Allocator) (rows, error) {
	switch f.format {
	case "csv":
		return openCSV(f)
	case "ndjson":
		return openNDJSON(f), nil
	case "parquet":
		return openParquet(ctx, f, mem)
	}
	return nil, fmt.Errorf("there is no reader for %s", f.format)
}
