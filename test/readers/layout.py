"""What a published file must look like, whoever reads it."""

import struct

import pyarrow as pa
import pyarrow.parquet as pq

import contract
import thrift
from snapshot import File, Snapshot

DATA_PAGE, DICTIONARY_PAGE = 0, 2
REQUIRED = 0
RANGED = {"int", "money", "time", "date", "bool"}  # kinds whose least and greatest value always fit statistics


def layout(snap: Snapshot):
    """Everything that is wrong with the files of a snapshot."""
    for table in contract.TABLES:
        files = snap.files(table.name)
        if not files:
            yield f"{table.name}: no file, so readers would find no columns"
        for f in files:
            for problem in file_problems(snap, table, f):
                yield f"{f.path}: {problem}"


def file_problems(snap: Snapshot, table: contract.Table, f: File):
    file = snap.open(f)
    yield from schema_problems(table, file)
    yield from group_problems(table, file)
    yield from page_problems(snap.bytes_of(f), file.metadata.num_rows)
    data = file.read()
    yield from order_problems(table, data)
    yield from place_problems(table, f, data)


def schema_problems(table, file: pq.ParquetFile):
    schema = file.schema_arrow
    names = [c.name for c in table.columns]
    if schema.names != names:
        yield f"columns {schema.names}, by the contract {names}"
        return
    for c in table.columns:
        field = schema.field(c.name)
        if field.type != contract.ARROW[c.kind]:
            yield f"{c.name} is {field.type}, by the contract {contract.ARROW[c.kind]}"
        if field.nullable != c.nullable:
            yield f"{c.name} is {'nullable, by the contract required' if field.nullable else 'required, by the contract nullable'}"
    if b"ARROW:schema" in (file.metadata.metadata or {}):
        yield "it stores an Arrow schema"


def group_problems(table, file: pq.ParquetFile):
    for g in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(g)
        if group.num_rows > contract.ROW_GROUP:
            yield f"row group {g} has {group.num_rows} rows, more than {contract.ROW_GROUP}"
        chunks = [group.column(i) for i in range(group.num_columns)]
        for c in table.columns:
            for chunk in chunks:
                if chunk.path_in_schema == c.name:
                    yield from (f"row group {g}, {c.name}: {p}" for p in chunk_problems(c, chunk))


def chunk_problems(column, chunk):
    if chunk.num_values == 0:
        return
    stats = chunk.statistics
    if stats is None or not stats.has_null_count:
        yield "no statistics"
        return
    if stats.null_count == chunk.num_values:
        return
    if column.kind in RANGED and not stats.has_min_max:
        yield "no least and greatest value"
    if column.kind == "enum" and not chunk.has_dictionary_page:
        yield "no dictionary page"


def page_problems(data: bytes, rows: int):
    """Pages must be of version 1 and the root required; pyarrow shows neither."""
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = thrift.Reader(data, len(data) - 8 - size).struct()
    if footer[2][0].get(3, REQUIRED) != REQUIRED:
        yield "the root of the schema is not required"
    if footer[3] != rows:
        yield f"the footer counts {footer[3]} rows, pyarrow {rows}"
    for group in footer[4]:
        for chunk in group[1]:
            yield from chunk_pages(data, chunk[3])


def chunk_pages(data: bytes, meta: dict):
    """Walks the pages of a column chunk by their headers."""
    name = b".".join(meta[3]).decode()
    left, pos = meta[5], meta.get(11, meta[9])
    while left > 0:
        reader = thrift.Reader(data, pos)
        head = reader.struct()
        if head[1] not in (DATA_PAGE, DICTIONARY_PAGE):
            yield f"{name} has a page of type {head[1]}; only version 1 is read everywhere"
            return
        if head[1] == DATA_PAGE:
            left -= head[5][1]
        pos = reader.pos + head[3]


def order_problems(table, data: pa.Table):
    """Rows must stand in the table's order, nulls first."""
    keys = [sortable(data.column(n)) for n in table.order if n in data.column_names]
    last = None
    for i, key in enumerate(zip(*keys)):
        if last is not None and key < last:
            yield f"row {i} stands before its place in the order of {', '.join(table.order)}"
            return
        last = key


def sortable(column) -> list:
    """A column's values so that null sorts first and text by its bytes."""
    out = []
    for v in column.to_pylist():
        v = v.encode() if isinstance(v, str) else v
        out.append((v is not None, v) if v is not None else (False,))
    return out


def place_problems(table, f: File, data: pa.Table):
    """The rows of a month's folder must be of that month, by UTC."""
    if not table.is_events:
        if f.month is not None:
            yield "it lies in a month's folder"
        return
    if f.month is None:
        yield "it lies in no month's folder"
    elif f.month == "none":
        if data.num_rows:
            yield f"month=none holds {data.num_rows} rows"
    else:
        found = {v.strftime("%Y-%m") for v in data.column("occurred_at").to_pylist()}
        if found != {f.month}:
            yield f"its rows are of {', '.join(sorted(found)) or 'no month'}"
