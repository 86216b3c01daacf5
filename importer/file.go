package importer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"
)

// ErrChanged says that the file is no longer the one that was opened.
var ErrChanged = errors.New("the file has changed since the import began")

// BadFileError says why a file can't be used at all, and where.
type BadFileError struct {
	Line, Column int64 // from 1; 0: not known, or no matter of a line
	Text         string
}

// Error names line and column, if there are any.
func (e *BadFileError) Error() string {
	switch {
	case e.Line > 0 && e.Column > 0:
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
	case e.Line > 0:
		return fmt.Sprintf("line %d: %s", e.Line, e.Text)
	}
	return e.Text
}

func badFile(format string, args ...any) error {
	return &BadFileError{Text: fmt.Sprintf(format, args...)}
}

const (
	chunkSize  = 128 << 10
	chunksKept = 32
)

// File is a file of clients, pinned to what it was when it was opened.
type File struct {
	path   string
	format string
	file   *os.File
	info   fs.FileInfo
	sum    [sha256.Size]byte
	chunks []uint64 // digests

	mu   sync.Mutex
	kept [chunksKept]chunk
}

// chunk is a verified piece of the file.
type chunk struct {
	number int64
	bytes  []byte // nil: none
}

// Formats are the extensions by which a file's format is known.
func Formats() []string { return []string{".csv", ".ndjson", ".jsonl", ".parquet"} }

// formatOf tells a file's format by its extension.
func formatOf(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".csv", ".ndjson", ".parquet":
		return ext[1:], nil
	case ".jsonl":
		return "ndjson", nil
	default:
		return "", badFile("the format is known by the extension, and %q is none of %s", ext, strings.Join(Formats(), " "))
	}
}

// Open opens a file of clients and reads it once, for its SHA-256. The caller closes it.
func Open(ctx context.Context, path string) (_ *File, err error) {
	format, err := formatOf(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path) // first, for opening a pipe would wait
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, badFile("it is no regular file, and must be read more than once")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, format: format, file: file}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	if f.info, err = file.Stat(); err != nil {
		return nil, err
	}
	if err := f.digest(ctx); err != nil {
		return nil, err
	}
	return f, f.Unchanged()
}

// digest reads the whole file once.
func (f *File) digest(ctx context.Context) error {
	whole, buf := sha256.New(), make([]byte, chunkSize)
	for at := int64(0); at < f.Size(); at += chunkSize {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		piece := buf[:min(chunkSize, f.Size()-at)]
		if _, err := f.file.ReadAt(piece, at); errors.Is(err, io.EOF) {
			return ErrChanged
		} else if err != nil {
			return err
		}
		_, _ = whole.Write(piece) // a hash never fails
		f.chunks = append(f.chunks, xxh3.Hash(piece))
	}
	whole.Sum(f.sum[:0])
	return nil
}

// SHA256 is the digest of the file's bytes.
func (f *File) SHA256() []byte { return f.sum[:] }

// Size is how many bytes the file has.
func (f *File) Size() int64 { return f.info.Size() }

// Format is csv, ndjson or parquet.
func (f *File) Format() string { return f.format }

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Unchanged looks at size, time and place of the file, and says [ErrChanged]
// where one of them is another.
func (f *File) Unchanged() error {
	for _, stat := range []func() (fs.FileInfo, error){f.file.Stat, func() (fs.FileInfo, error) { return os.Stat(f.path) }} {
		now, err := stat()
		if errors.Is(err, fs.ErrNotExist) {
			return ErrChanged
		}
		if err != nil {
			return err
		}
		if now.Size() != f.info.Size() || !now.ModTime().Equal(f.info.ModTime()) || !os.SameFile(now, f.info) {
			return ErrChanged
		}
	}
	return nil
}

// ReadAt reads bytes that are those of the first reading; else it says [ErrChanged].
func (f *File) ReadAt(p []byte, at int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(p) {
		if at < 0 || at >= f.Size() {
			return n, io.EOF
		}
		piece, err := f.chunk(at / chunkSize)
		if err != nil {
			return n, err
		}
		got := copy(p[n:], piece[at%chunkSize:])
		n, at = n+got, at+int64(got)
	}
	return n, nil
}

// chunk reads and verifies a piece, unless it is kept.
func (f *File) chunk(number int64) ([]byte, error) {
	c := &f.kept[number%chunksKept]
	if c.bytes != nil && c.number == number {
		return c.bytes, nil
	}
	if cap(c.bytes) == 0 {
		c.bytes = make([]byte, chunkSize)
	}
	at := number * chunkSize
	piece := c.bytes[:min(chunkSize, f.Size()-at)]
	_, err := f.file.ReadAt(piece, at)
	if err == nil && xxh3.Hash(piece) != f.chunks[number] || errors.Is(err, io.EOF) {
		err = ErrChanged
	}
	if err != nil {
		c.bytes = nil
		return nil, err
	}
	c.number, c.bytes = number, piece
	return piece, nil
}
