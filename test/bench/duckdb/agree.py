#!/usr/bin/env python3
"""Tells whether two projections agree: agree.py SNAPSHOT DUCKDB_OUT.

SNAPSHOT is what roistat-etl published (the folder that `current` points to),
DUCKDB_OUT what project.py wrote. Compares a table's rows by their number and
by the sum of their hashes, over all columns but those that only one side can
know, and the order of rows in every file. Prints a line a difference and, last,
a JSON line with rows, files and bytes of both. Exits 1 if anything differs.
"""

import json
import os
import sys
from pathlib import Path

import duckdb

from project import EVENTS

# When the mirror first saw a client and read its feed is its own knowledge.
OWN = {"clients": ["first_seen_at", "feed_fetched_at"]}


def files(root: Path, table: str) -> list[str]:
    """The table's files on either side: a folder with months, or one file."""
    single = root / f"{table}.parquet"
    if single.exists():
        return [str(single)]
    return sorted(str(p) for p in (root / table).rglob("*.parquet"))


def columns(con, paths: list[str]) -> list[str]:
    """The columns of the files, in their order."""
    sql = "SELECT column_name FROM (DESCRIBE SELECT * FROM read_parquet($1, hive_partitioning = false))"
    return [r[0] for r in con.execute(sql, [paths[0]]).fetchall()]


def spelt(con, paths: list[str], names: list[str]) -> str:
    """The columns as both sides can spell them: times as instants, maps as sorted entries."""
    sql = "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet($1, hive_partitioning = false))"
    kinds = dict(con.execute(sql, [paths[0]]).fetchall())
    spell = {"TIMESTAMP": "epoch_ms({})", "MAP(": "list_sort(map_entries({}))"}
    out = []
    for name in names:
        form = next((f for k, f in spell.items() if kinds[name].startswith(k)), "{}")
        out.append(form.format(f'"{name}"'))
    return ", ".join(out)


def count(con, paths: list[str]) -> int:
    sql = "SELECT count(*) FROM read_parquet($1, hive_partitioning = false)"
    return con.execute(sql, [paths]).fetchone()[0] if paths else 0


def digest(con, paths: list[str], names: list[str]) -> int:
    """The sum of the rows' hashes, whatever their order."""
    sql = f"SELECT sum(CAST(hash({spelt(con, paths, names)}) AS HUGEINT)) FROM read_parquet($1, hive_partitioning = false)"
    return con.execute(sql, [paths]).fetchone()[0]


def unordered(con, paths: list[str], key: str) -> int:
    """The rows that stand before their predecessor in a file."""
    sql = f"""SELECT count(*) FROM (
      SELECT row({key}) < lag(row({key})) OVER (PARTITION BY filename ORDER BY file_row_number) AS wrong
      FROM read_parquet($1, hive_partitioning = false, filename = true, file_row_number = true)) WHERE wrong"""
    return con.execute(sql, [paths]).fetchone()[0]


def compare(con, table: str, ours: list[str], theirs: list[str]):
    """What differs between the two sides of a table."""
    a, b = count(con, ours), count(con, theirs)
    if a != b:
        yield f"{table}: {a} rows here, {b} rows from DuckDB"
        return
    if a == 0:
        return
    names, other = columns(con, ours), columns(con, theirs)
    if names != other:
        yield f"{table}: columns {names} here, {other} from DuckDB"
        return
    names = [n for n in names if n not in OWN.get(table, [])]
    if digest(con, ours, names) != digest(con, theirs, names):
        wrong = [n for n in names if digest(con, ours, [n]) != digest(con, theirs, [n])]
        yield f"{table}: the rows differ, by columns in {', '.join(wrong) or 'their combination only'}"
    key = "client_id, occurred_at, event_id" if table in EVENTS else "client_id"
    for side, paths in (("here", ours), ("from DuckDB", theirs)):
        if n := unordered(con, paths, key):
            yield f"{table}: {n} rows out of order {side}"


def sizes(paths: list[str]) -> dict:
    return {"files": len(paths), "bytes": sum(os.path.getsize(p) for p in paths)}


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    here, there = Path(os.path.realpath(sys.argv[1])), Path(sys.argv[2])
    con = duckdb.connect()
    con.execute("SET threads = 2; SET TimeZone = 'UTC'")
    problems, rows, a, b = [], {}, [], []
    for table in [*EVENTS, "clients"]:
        ours, theirs = files(here, table), files(there, table)
        rows[table] = count(con, ours)
        problems += compare(con, table, ours, theirs)
        a, b = a + ours, b + theirs
    for p in problems:
        print(p)
    print(json.dumps({"rows": rows, "here": sizes(a), "duckdb": sizes(b)}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
