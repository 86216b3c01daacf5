#!/usr/bin/env python3
"""Compares a published snapshot with the truth: check.py SNAPSHOT TRUTH_DIR [--items N] [--later].

SNAPSHOT is a snapshot's folder, or the folder that holds `current`. TRUTH_DIR
holds one NDJSON file a table, as `roistat-sim truth --out` writes it. Exits 1
and prints what differs; --items checks the law of conservation too, against
the number of items in the feeds. --later is for a mirror that has seen more than
one list of clients: a row that has not changed since keeps the place it had in
the list that brought it, so the ordinals of its rejects are left out.
"""

import argparse
import sys
from pathlib import Path

import contract
import laws
import layout
import snapshot
import values
from compare import compare


def check(path, truth_dir, items: int | None = None, later: bool = False) -> list[str]:
    """All that is wrong with the snapshot; nothing: []."""
    snap = snapshot.Snapshot(path)
    problems = list(snapshot.sums(snap))
    if problems:
        return problems  # the files are not those that were published
    problems += layout.layout(snap)
    if problems:
        return problems  # readers may not agree on such files
    tables = laws.read(snap)
    problems += laws.ids(tables)
    if items is not None:
        problems += laws.conservation(tables, items)
    problems += laws.reader_problems(snap, tables)
    problems += laws.view_problems(snap, tables)
    truth = {t.name: values.truth(Path(truth_dir) / f"{t.name}.ndjson") for t in contract.TABLES}
    cut = without_places if later else dict
    for reader, found in ("pyarrow", tables), ("DuckDB", laws.read_duckdb(snap)):
        problems += against(cut(truth), cut(without_gone(found)), reader)
    return problems


def against(truth, tables, reader: str) -> list[str]:
    """The differences between the truth and what a reader found."""
    return [
        f"{reader}: {d}" for t in contract.TABLES for d in compare(t, truth[t.name], tables[t.name])
    ]


def without_gone(tables: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """The tables without the rows of clients that have left the list: they stay
    in clients, with gone_at, and the truth has only those who are there."""
    gone = {r["client_id"] for r in tables["clients"] if r["gone_at"] is not None}
    return tables | {
        "clients": [r for r in tables["clients"] if r["client_id"] not in gone],
        "rejects": [r for r in tables["rejects"] if r["source"] != "clients" or r["client_id"] not in gone],
    }


def without_places(tables: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """The tables without the places that known clients had in a list."""
    listed = {"ordinal": None}
    rejects = [r | listed if r["source"] == "clients" and r["client_id"] is not None else r for r in tables["rejects"]]
    return tables | {"rejects": rejects}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("snapshot")
    parser.add_argument("truth")
    parser.add_argument("--items", type=int, help="items in the feeds that were read")
    parser.add_argument("--later", action="store_true", help="not the mirror's first list of clients")
    args = parser.parse_args()
    problems = check(args.snapshot, args.truth, args.items, args.later)
    for p in problems:
        print(p)
    rows = sum(t["rows"] for t in snapshot.Snapshot(args.snapshot).manifest["tables"].values())
    print(f"{rows} rows in {len(contract.TABLES)} tables: " + (f"{len(problems)} differences" if problems else "as the truth has them"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
