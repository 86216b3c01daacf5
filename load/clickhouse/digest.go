package clickhouse

import (
	"context"
	"encoding/binary"
	"strings"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// sums are the rows of partitions as the server has them, by its id.
type sums map[string]sum

type sum struct {
	rows   int64
	digest load.Digest
}

// count counts the rows of all partitions of a table.
func (d *Destination) count(ctx context.Context, name string) (sums, error) {
	out := sums{}
	err := d.query(ctx, "SELECT _partition_id, toInt64(count()) FROM "+schemas.Ident(name)+" GROUP BY _partition_id", func(scan func(...any) error) error {
		var id string
		var s sum
		if err := scan(&id, &s.rows); err != nil {
			return err
		}
		out[id] = s
		return nil
	})
	return out, err
}

// digest lets the server count and digest partitions of a table, given by its ids.
func (d *Destination) digest(ctx context.Context, t *schemas.Table, name string, ids []string) (sums, error) {
	if len(ids) == 0 {
		return sums{}, nil
	}
	return d.digestWhere(ctx, t, name, " WHERE _partition_id IN ("+quoted(ids)+")")
}

// digestAll does that with all partitions of a table that readers see.
func (d *Destination) digestAll(ctx context.Context, t *schemas.Table) (sums, error) {
	return d.digestWhere(ctx, t, t.Name, "")
}

func (d *Destination) digestWhere(ctx context.Context, t *schemas.Table, name, where string) (sums, error) {
	out := sums{}
	q := "SELECT id, toInt64(count()), sum(xxHash64(r)), sum(xxh3(r)) FROM (SELECT _partition_id AS id, " + rowBytes(t) + " AS r FROM " + schemas.Ident(name) +
		where + ") GROUP BY id"
	err := d.query(ctx, q, func(scan func(...any) error) error {
		var id string
		var s sum
		var a, b uint64
		if err := scan(&id, &s.rows, &a, &b); err != nil {
			return err
		}
		binary.BigEndian.PutUint64(s.digest[:8], a)
		binary.BigEndian.PutUint64(s.digest[8:], b)
		out[id] = s
		return nil
	})
	return out, err
}

// rowBytes is the row encoding of package load, as an expression of ClickHouse.
func rowBytes(t *schemas.Table) string {
	parts := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		name := schemas.Ident(c.Name)
		if !c.Nullable {
			parts[i] = valueBytes(c.Kind, name)
			continue
		}
		parts[i] = "if(isNull(" + name + "), '\\0', concat('\\x01', " + valueBytes(c.Kind, "assumeNotNull("+name+")") + "))"
	}
	return "concat(" + strings.Join(parts, ", ") + ")"
}

func valueBytes(k schemas.Kind, v string) string {
	switch k {
	case schemas.Int:
		return fixed(v)
	case schemas.Money:
		return fixed("reinterpretAsInt64(" + v + ")")
	case schemas.Time:
		return fixed("toUnixTimestamp64Milli(" + v + ")")
	case schemas.Date:
		return fixed("toInt64(toInt32(" + v + "))")
	case schemas.Bool:
		return "char(toUInt8(" + v + "))"
	case schemas.Map:
		return fixed("toUInt32(length("+v+"))") + ", arrayStringConcat(arrayMap((k, v) -> concat(" +
			textBytes("toString(k)") + ", " + textBytes("v") + "), mapKeys(" + v + "), mapValues(" + v + ")))"
	default:
		return textBytes("toString(" + v + ")")
	}
}

// fixed gives the bytes of a number. Only inside concat are trailing zeros kept.
func fixed(v string) string { return "reinterpretAsFixedString(" + v + ")" }

func textBytes(v string) string { return fixed("toUInt32(length("+v+"))") + ", " + v }
