package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/shopspring/decimal"

	"roistat-etl/load"
	"roistat-etl/schemas"
)

// columns inserts the way clickhouse-go's documentation shows it: slices for
// columns, an INSERT a record batch, over a connection a core, into tables that
// are made as ours are. The database must be there.
func (b *batches) columns(ctx context.Context, addr, database string) (did inserted, err error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{addr}, Auth: clickhouse.Auth{Database: database, Username: "etl", Password: serverPassword},
		MaxOpenConns: runtime.NumCPU(), MaxIdleConns: runtime.NumCPU(), Settings: clickhouse.Settings{"async_insert": 0},
	})
	if err != nil {
		return did, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, t := range schemas.Tables() {
		if err := conn.Exec(ctx, t.DDL(t.Name, "[bench]")); err != nil {
			return did, err
		}
	}
	var convert atomic.Int64
	did, err = b.timed(ctx, func(ctx context.Context, p load.Partition) error {
		for _, rec := range b.of[p] {
			took, err := insertColumns(ctx, conn, schemas.Ident(p.Table.String()), schemas.Get(p.Table), rec)
			convert.Add(int64(took))
			if err != nil {
				return fmt.Errorf("%s: %w", p, err)
			}
		}
		return nil
	})
	did.Convert = time.Duration(convert.Load()).Seconds()
	return did, err
}

// insertColumns inserts a record batch, and tells how long it took to make slices of it.
func insertColumns(ctx context.Context, conn driver.Conn, into string, t *schemas.Table, rec arrow.Record) (time.Duration, error) {
	start := time.Now()
	slices := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		var err error
		if slices[i], err = slice(rec.Column(i), c); err != nil {
			return 0, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	took := time.Since(start)
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+into)
	if err != nil {
		return took, err
	}
	for i, c := range t.Columns {
		if err := batch.Column(i).Append(slices[i]); err != nil {
			return took, errors.Join(fmt.Errorf("%s: %w", c.Name, err), batch.Abort())
		}
	}
	return took, batch.Send()
}

// slice makes what clickhouse-go takes for a column.
func slice(a arrow.Array, c schemas.Column) (any, error) {
	switch a := a.(type) {
	case *array.String:
		return values(a, c.Nullable, a.Value), nil
	case *array.Int64:
		if !c.Nullable {
			return a.Int64Values(), nil
		}
		return values(a, true, a.Value), nil
	case *array.Timestamp:
		return values(a, c.Nullable, func(i int) time.Time { return time.UnixMilli(int64(a.Value(i))).UTC() }), nil
	case *array.Boolean:
		return values(a, c.Nullable, a.Value), nil
	case *array.Decimal128:
		return values(a, c.Nullable, func(i int) decimal.Decimal { return decimal.NewFromBigInt(a.Value(i).BigInt(), -2) }), nil
	case *array.Date32:
		return values(a, c.Nullable, func(i int) time.Time { return a.Value(i).ToTime() }), nil
	case *array.Map:
		return mapsOf(a), nil
	}
	return nil, fmt.Errorf("no slice of %s", a.DataType())
}

// values gives the values of a column, or pointers to them where null is possible.
func values[T any](a arrow.Array, nullable bool, value func(int) T) any {
	all := make([]T, a.Len())
	for i := range all {
		if !a.IsNull(i) {
			all[i] = value(i)
		}
	}
	if !nullable {
		return all
	}
	pointers := make([]*T, len(all))
	for i := range pointers {
		if !a.IsNull(i) {
			pointers[i] = &all[i]
		}
	}
	return pointers
}

func mapsOf(a *array.Map) []map[string]string {
	keys, items := a.Keys().(*array.String), a.Items().(*array.String)
	out := make([]map[string]string, a.Len())
	for i := range out {
		from, to := a.ValueOffsets(i)
		out[i] = make(map[string]string, to-from)
		for j := int(from); j < int(to); j++ {
			out[i][keys.Value(j)] = items.Value(j)
		}
	}
	return out
}
