package clickhouse

import (
	"fmt"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/apache/arrow/go/v17/arrow"

	"roistat-etl/schemas"
)

const (
	maxBlockBytes = 16 << 20
	maxBlockRows  = 1 << 20 // beyond it the server would cut a block, and its token with it
)

// block is rows on their way to the server: one INSERT, one token. It is not
// safe for concurrent use.
type block struct {
	names   []string
	columns []*column
	rows    int64
}

func newBlock(t *schemas.Table) *block {
	b := &block{}
	for _, c := range t.Columns {
		b.names, b.columns = append(b.names, c.Name), append(b.columns, newColumn(c))
	}
	return b
}

// add appends the rows of a record batch, which stays the caller's.
func (b *block) add(rec arrow.Record) error {
	if int(rec.NumCols()) != len(b.columns) {
		return fmt.Errorf("a batch of %d columns, there should be %d", rec.NumCols(), len(b.columns))
	}
	for i, c := range b.columns {
		if err := c.add(rec.Column(i)); err != nil {
			return fmt.Errorf("column %s: %w", b.names[i], err)
		}
	}
	b.rows += rec.NumRows()
	return nil
}

// join appends the rows of another block of the table, which stays the caller's.
func (b *block) join(other *block) {
	for i, c := range b.columns {
		c.join(other.columns[i])
	}
	b.rows += other.rows
}

// size is how many bytes the rows have so far.
func (b *block) size() (n int) {
	for _, c := range b.columns {
		n += c.size()
	}
	return n
}

// full tells whether another record batch should begin a new block.
func (b *block) full(next arrow.Record) bool {
	if b.rows == 0 {
		return false
	}
	return b.size() >= maxBlockBytes || b.rows+next.NumRows() > maxBlockRows
}

func (b *block) reset() {
	b.rows = 0
	for _, c := range b.columns {
		c.reset()
	}
}

// input gives the block to be sent.
func (b *block) input() proto.Input {
	in := make(proto.Input, len(b.columns))
	for i, c := range b.columns {
		in[i] = proto.InputColumn{Name: b.names[i], Data: c}
	}
	return in
}
