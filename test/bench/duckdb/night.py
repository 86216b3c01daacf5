#!/usr/bin/env python3
"""Tells what a night's publishing encoded anew: night.py OLD NEW.

OLD and NEW are the folders of two snapshots that followed each other. Works
from the rows, not from what the product says of itself: a partition "differs"
if its rows do; it is "touched" if a client whose feed was read in between has
rows in it, before or after; it was "encoded" if its file is no hard link to
that of OLD. Prints a JSON line, and exits 1 if a partition was encoded without
being touched, or if encoded and differing partitions are not the same.
"""

import json
import os
import sys
from pathlib import Path

import duckdb

WHOLE = ("clients", "campaign_contacts", "rejects")


class Snapshot:
    def __init__(self, path: str):
        self.dir = Path(os.path.realpath(path))
        self.manifest = json.loads((self.dir / "_manifest.json").read_text(encoding="utf-8"))

    def files(self) -> dict[tuple[str, str], Path]:
        """The file of each (table, partition)."""
        return {
            (table, f["partition"]): self.dir / f["path"]
            for table, entry in self.manifest["tables"].items()
            for f in entry["files"]
        }


def encoded(old: Snapshot, new: Snapshot) -> set[tuple[str, str]]:
    """The partitions whose file is not the same inode in both."""
    before = {key: os.stat(path).st_ino for key, path in old.files().items()}
    return {key for key, path in new.files().items() if os.stat(path).st_ino != before.get(key)}


def digest(con, path: Path | None) -> tuple:
    """The number of rows of a file and the sum of their hashes; without file, none."""
    if path is None:
        return (0, None)
    sql = "SELECT count(*), sum(CAST(hash(t) AS HUGEINT)) FROM read_parquet($1, hive_partitioning = false) t"
    return con.execute(sql, [str(path)]).fetchone()


def differing(con, old: Snapshot, new: Snapshot) -> set[tuple[str, str]]:
    """The partitions of new whose rows are not those of old. One that came into being differs."""
    before = old.files()
    return {
        key
        for key, path in new.files().items()
        if key not in before or digest(con, path) != digest(con, before[key])
    }


def read_between(con, old: Snapshot, new: Snapshot) -> int:
    """Puts the clients whose feed was read between the two into table `again`, and counts them."""
    a, b = (str(s.files()["clients", ""]) for s in (old, new))
    con.execute(
        """CREATE TABLE again AS
        SELECT coalesce(a.client_id, b.client_id) AS client_id
        FROM read_parquet($1) a FULL JOIN read_parquet($2) b USING (client_id)
        WHERE a.feed_fetched_at IS DISTINCT FROM b.feed_fetched_at OR a.gone_at IS DISTINCT FROM b.gone_at""",
        [a, b],
    )
    return con.execute("SELECT count(*) FROM again").fetchone()[0]


def touched(con, old: Snapshot, new: Snapshot) -> set[tuple[str, str]]:
    """The partitions in which those clients have rows. A whole table stands for all clients."""
    out = set()
    sql = "SELECT EXISTS (FROM read_parquet($1, hive_partitioning = false) SEMI JOIN again USING (client_id))"
    for snapshot in (old, new):
        for key, path in snapshot.files().items():
            if key[0] in WHOLE or con.execute(sql, [str(path)]).fetchone()[0]:
                out.add(key)
    return out


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    old, new = Snapshot(sys.argv[1]), Snapshot(sys.argv[2])
    con = duckdb.connect()
    again = read_between(con, old, new)
    done, need, reach = encoded(old, new), differing(con, old, new), touched(con, old, new)
    came = {key for key in new.files() if key not in old.files()}
    for key in sorted(done - reach - came):
        print(f"{key}: encoded, though no client that was read again has rows in it")
    for key in sorted(done ^ need):
        print(f"{key}: " + ("encoded, though its rows are the same" if key in done else "linked, though its rows differ"))
    print(
        json.dumps(
            {
                "clients": again,
                "partitions": len(new.files()),
                "touched": len(reach & new.files().keys()),
                "differing": len(need),
                "encoded": len(done),
                "bytes": sum(os.path.getsize(p) for p in new.files().values()),
                "encoded_bytes": sum(os.path.getsize(new.files()[k]) for k in done),
            }
        )
    )
    return 1 if done - reach - came or done != need else 0


if __name__ == "__main__":
    sys.exit(main())
