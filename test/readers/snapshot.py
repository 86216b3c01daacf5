"""A published snapshot: its manifest and files, and its rows through two readers.

The snapshot's folder is resolved once, so that a publish meanwhile changes
nothing that is read here.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

import contract


@dataclass(frozen=True)
class File:
    path: str  # below the snapshot, with slashes
    partition: str
    rows: int
    bytes: int
    sha256: str

    @property
    def month(self) -> str | None:
        """What the folder says: None for a table that is not split by months."""
        folder = self.path.split("/")[-2]
        return folder.removeprefix("month=") if folder.startswith("month=") else None


class Snapshot:
    def __init__(self, path):
        path = Path(path)
        if (path / "current").is_symlink():
            path = path / "current"
        self.dir = Path(os.path.realpath(path))

    @cached_property
    def manifest(self) -> dict:
        return json.loads((self.dir / "_manifest.json").read_text(encoding="utf-8"))

    def files(self, table: str) -> list[File]:
        entry = self.manifest["tables"][table]
        return [File(f["path"], f["partition"], f["rows"], f["bytes"], f["sha256"]) for f in entry["files"]]

    def open(self, file: File) -> pq.ParquetFile:
        return pq.ParquetFile(self.dir / file.path)

    def arrow(self, table: str) -> pa.Table:
        """The table through pyarrow, in the order of the manifest."""
        return pa.concat_tables(self.open(f).read() for f in self.files(table))

    def dataset(self, table: str) -> ds.Dataset:
        """The table as analysts open it: a folder with hive partitions."""
        return ds.dataset(self.dir / table, format="parquet", partitioning="hive")

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """A database with the snapshot's own views."""
        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        con.execute((self.dir / "views.sql").read_text(encoding="utf-8"))
        return con

    def bytes_of(self, file: File) -> bytes:
        return (self.dir / file.path).read_bytes()


def sums(snap: Snapshot):
    """What the manifest says and the folder does not hold, or the other way round."""
    missing = [t.name for t in contract.TABLES if t.name not in snap.manifest["tables"]]
    if missing:
        yield f"manifest: no table {', '.join(missing)}"
        return
    listed = set()
    for table in contract.TABLES:
        entry = snap.manifest["tables"][table.name]
        files = snap.files(table.name)
        listed |= {f.path for f in files}
        if sum(f.rows for f in files) != entry["rows"]:
            yield f"manifest: {table.name} has {entry['rows']} rows, its files {sum(f.rows for f in files)}"
        for f in files:
            yield from file_sums(snap, f)
    there = {p.relative_to(snap.dir).as_posix() for p in snap.dir.rglob("*.parquet")}
    for path in sorted(there - listed):
        yield f"{path}: not in the manifest"


def file_sums(snap: Snapshot, f: File):
    path = snap.dir / f.path
    if os.path.isabs(f.path) or not path.is_file():
        yield f"{f.path}: in the manifest, but no file below the snapshot"
        return
    data = snap.bytes_of(f)
    if len(data) != f.bytes:
        yield f"{f.path}: {len(data)} bytes, by the manifest {f.bytes}"
    if hashlib.sha256(data).hexdigest() != f.sha256:
        yield f"{f.path}: sha256 differs from the manifest"
    rows = snap.open(f).metadata.num_rows
    if rows != f.rows:
        yield f"{f.path}: {rows} rows, by the manifest {f.rows}"
