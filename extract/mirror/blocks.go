package mirror

import "database/sql"

// A block of rows ends at so many of them, or at so many bytes.
const (
	rejectBlock      = 1024
	rejectBlockBytes = 1 << 20
)

// inBlocks gives rows to yield in blocks, which belong to the receiver, and closes
// them. scan reads one row and tells how many bytes it holds.
func inBlocks[T any](rows *sql.Rows, yield func([]T, error) bool, scan func(*T) (int, error)) error {
	defer rows.Close() //nolint:errcheck // Err says what went wrong
	var block []T
	size := 0
	for rows.Next() {
		var one T
		n, err := scan(&one)
		if err != nil {
			return err
		}
		block, size = append(block, one), size+n
		if len(block) < rejectBlock && size < rejectBlockBytes {
			continue
		}
		if !yield(block, nil) {
			return nil
		}
		block, size = nil, 0
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(block) > 0 {
		yield(block, nil)
	}
	return nil
}
