"""Parquet files as pyarrow and DuckDB write them, imported into a stand-in: what
is sent is what the file says, or the row or the file is refused in words."""

import base64
import datetime
import json
import math
import random
import subprocess
import uuid
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from standin import StandIn, program

ROWS = 2000


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    with StandIn(tmp_path_factory.mktemp("import"), "--clients", "1") as s:
        yield s


def send(s: StandIn, path, want: int) -> dict:
    """Imports a file and returns its report."""
    cmd = [program("roistat-etl"), "import", str(path), "readers", "-c", str(s.config), "--batch", "500", "--json"]
    done = subprocess.run(cmd, capture_output=True, text=True)
    assert done.returncode == want, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def sent(s: StandIn, path, want: int = 0) -> dict:
    """Imports a file and returns what the API got of it, by id, and the report as key ''."""
    before = len(bodies(s))
    report = send(s, path, want)
    rows = {row["id"]: row for body in bodies(s)[before:] for row in body}
    assert len(rows) == report["rows"]["sent"]
    return rows | {"": report}


def bodies(s: StandIn) -> list:
    return [json.loads(base64.b64decode(b)) if isinstance(b, str) else b for b in s.call("/_sim/imported")["bodies"] or []]


def opt(value, share: float = 0.3):
    return None if random.random() < share else value


def table() -> pa.Table:
    random.seed(7)
    n = range(ROWS)
    big = lambda bits: random.randint(-(2**bits), 2**bits - 1)
    column = lambda make, typ=None: pa.array([opt(make(i)) for i in n], typ)
    return pa.table(
        {
            "id": pa.array([str(i) for i in n]),
            "name": pa.array([f"имя {i}" for i in n]),
            "phone": column(lambda i: float(79160000000 + i)),
            "i8": column(lambda i: big(7), pa.int8()),
            "u32": column(lambda i: random.randint(0, 2**32 - 1), pa.uint32()),
            "i32": column(lambda i: big(31), pa.int32()),
            "i64": column(lambda i: big(63), pa.int64()),
            "f32": column(lambda i: random.randint(0, 10**6) / 4, pa.float32()),
            "f16": column(lambda i: random.randint(0, 2000) / 2, pa.float16()),
            "s": column(lambda i: random.choice(["a", "длинный текст " * random.randint(1, 9), "x" * random.randint(1, 300)])),
            "word": column(lambda i: random.choice(["ab", "cd", "я"])),
            "flba": column(lambda i: b"%012d" % i, pa.binary(12)),
            "b": column(lambda i: random.random() < 0.5),
            "dec9": column(lambda i: Decimal(random.randint(-(10**8), 10**8)).scaleb(-2), pa.decimal128(9, 2)),
            "dec20": column(lambda i: Decimal(random.randint(-(10**17), 10**17)).scaleb(-2), pa.decimal128(20, 2)),
            "dec38": column(lambda i: Decimal(random.randint(-(10**37), 10**37)).scaleb(-2), pa.decimal128(38, 2)),
            "dec50": column(lambda i: Decimal(random.choice([-1, 1]) * random.randint(10**48, 10**49)), pa.decimal256(50, 0)),
            "d": column(lambda i: datetime.date(1950, 1, 1) + datetime.timedelta(days=random.randint(0, 20000))),
            "t": column(lambda i: datetime.time(random.randint(0, 23), 5, 7), pa.time64("us")),
            "null": pa.nulls(ROWS),
            "l": column(lambda i: [opt(random.randint(0, 9)) for _ in range(random.randint(0, 4))], pa.list_(pa.int64())),
            "fields": column(lambda i: {"in": i, "empty": None}, pa.struct([("in", pa.int64()), ("empty", pa.null())])),
        }
    )


def whole(x: float) -> str:
    return str(int(x)) if x == int(x) else repr(x)


def expected(row: dict) -> dict:
    """What is to be sent of a row."""
    out = {"id": row["id"], "name": row["name"], "phone": None if row["phone"] is None else whole(row["phone"])}
    fields = dict(row["fields"] or {})
    fields |= {k: v for k, v in row.items() if k not in ("id", "name", "phone", "fields")}
    fields = {k: text(v) for k, v in fields.items() if v is not None}
    return out | ({"fields": fields} if fields else {})


def text(v) -> str:
    match v:
        case bool():
            return json.dumps(v)
        case float():
            return whole(v)
        case bytes():
            return v.decode()
        case list():
            return json.dumps(v, separators=(",", ":"))
        case Decimal():
            return f"{v:f}"
        case datetime.time():
            return v.strftime("%H:%M:%S")
    return str(v)


PLAIN = {"use_dictionary": False}
INTS = {"i32": "DELTA_BINARY_PACKED", "d": "DELTA_BINARY_PACKED", "u32": "DELTA_BINARY_PACKED", "i8": "DELTA_BINARY_PACKED", "b": "RLE"}
READ = {
    "plain": PLAIN,
    "dict": {},
    "v2": {"data_page_version": "2.0"},
    "v2 plain": PLAIN | {"data_page_version": "2.0"},
    "delta": PLAIN | {"column_encoding": INTS | {"id": "DELTA_BYTE_ARRAY", "name": "DELTA_LENGTH_BYTE_ARRAY", "s": "DELTA_BYTE_ARRAY"}},
    "delta v2": PLAIN | {"data_page_version": "2.0", "column_encoding": INTS | {"id": "DELTA_LENGTH_BYTE_ARRAY", "name": "DELTA_BYTE_ARRAY", "s": "DELTA_LENGTH_BYTE_ARRAY"}},
    "no stored schema": {"store_schema": False},
    "checksums": {"write_page_checksum": True, "write_page_index": True},
    "decimals as integers": {"store_decimal_as_integer": True},
} | {c: {"compression": c} for c in ("none", "gzip", "brotli", "zstd")}


@pytest.mark.parametrize("variant", READ)
def test_what_is_sent_is_what_the_file_says(standin, tmp_path, variant):
    rows = table()
    path = tmp_path / "a.parquet"
    pq.write_table(rows, path, **({"row_group_size": 700, "data_page_size": 2000, "write_batch_size": 64} | READ[variant]))
    got = sent(standin, path)
    wrong = [(expected(r), got.get(r["id"])) for r in rows.to_pylist() if got.get(r["id"]) != expected(r)]
    assert not wrong, wrong[:2]
    assert len(got) == ROWS + 1


REFUSED = {
    "lz4": ({"compression": "lz4"}, "is compressed by LZ4_RAW, which this program doesn't read"),
    "stream split": (PLAIN | {"column_encoding": {"phone": "BYTE_STREAM_SPLIT"}}, '"phone" is encoded as BYTE_STREAM_SPLIT'),
    "stream split of integers": (PLAIN | {"column_encoding": {"i64": "BYTE_STREAM_SPLIT"}}, '"i64" is encoded as BYTE_STREAM_SPLIT'),
    "stream split of bytes": (PLAIN | {"column_encoding": {"flba": "BYTE_STREAM_SPLIT"}}, '"flba" is encoded as BYTE_STREAM_SPLIT'),
    "delta of long integers": (PLAIN | {"column_encoding": {"i64": "DELTA_BINARY_PACKED"}, "data_page_size": 2000}, 'column "i64": it is damaged, or written in a way that this program doesn\'t know'),
    "delta of fixed bytes": (PLAIN | {"column_encoding": {"flba": "DELTA_BYTE_ARRAY"}}, '"flba" is encoded as DELTA_BYTE_ARRAY'),
}


@pytest.mark.parametrize("variant", REFUSED)
def test_what_is_not_read_is_refused_in_words(standin, tmp_path, variant):
    options, words = REFUSED[variant]
    pq.write_table(table(), tmp_path / "a.parquet", **options)
    report = send(standin, tmp_path / "a.parquet", 2)
    assert words in report["error"] and report["rows"]["sent"] == 0


def test_duckdb(standin, tmp_path):
    """DuckDB's files: an all-null column, UUIDs, decimals, and its second version."""
    n = 300
    ids = [str(uuid.UUID(int=random.getrandbits(128))) for _ in range(n)]
    con = duckdb.connect()
    con.execute("CREATE TABLE t (id UUID, name VARCHAR, email INTEGER, m DECIMAL(9,2), h DECIMAL(38,3), big BIGINT, dur VARCHAR)")
    con.executemany("INSERT INTO t VALUES (?, 'имя', NULL, -12.34, -0.001, 7, NULL)", [[i] for i in ids])
    for version in ("v1", "v2"):
        path = tmp_path / f"{version}.parquet"
        con.execute(f"COPY t TO '{path}' (FORMAT parquet, PARQUET_VERSION {version})")
        got = sent(standin, path)
        assert set(got) == set(ids) | {""}
        assert got[ids[0]] == {"id": ids[0], "name": "имя", "email": None, "fields": {"m": "-12.34", "h": "-0.001", "big": "7"}}
    con.execute(f"COPY (SELECT id::VARCHAR AS id, name, random() AS x FROM t) TO '{tmp_path}/d.parquet' (FORMAT parquet, PARQUET_VERSION v2)")
    assert "BYTE_STREAM_SPLIT" in send(standin, tmp_path / "d.parquet", 2)["error"]


def faults(report: dict) -> list:
    return [(f["row"], f["field"], f["reason"]) for f in report["first_faults"]]


@pytest.mark.parametrize("column", ["id", "name", "phone"])
def test_a_null_column_is_null(standin, tmp_path, column):
    rows = {"id": pa.array([f"{column}1", f"{column}2"]), "name": pa.array(["a", "b"]), "phone": pa.array(["7", "8"])}
    pq.write_table(pa.table(rows | {column: pa.nulls(2)}), tmp_path / "a.parquet")
    got = sent(standin, tmp_path / "a.parquet", 0 if column == "phone" else 3)
    if column == "phone":
        assert [row["phone"] for key, row in got.items() if key] == [None, None]
    else:
        assert got[""]["rows"]["sent"] == 0 and got[""]["rows"]["rejected"] == 2


def test_what_has_no_text_is_left_out(standin, tmp_path):
    nan, inf = float("nan"), math.inf
    rows = {
        "phone": (pa.float64(), nan), "f32": (pa.float32(), inf), "f16": (pa.float16(), -inf), "list": (pa.list_(pa.float64()), [1.0, nan]),
        "struct": (pa.struct([("a", pa.float64())]), {"a": inf}), "map": (pa.map_(pa.string(), pa.float64()), [("a", nan)]),
        "fields": (pa.struct([("deep", pa.float64())]), {"deep": nan}), "bytes": (pa.binary(), b"\xff\xfe"), "key": (pa.binary(16), bytes(16)),
        "time": (pa.duration("us"), datetime.timedelta(days=1)),
    }
    for name, (typ, value) in rows.items():
        columns = {"id": pa.array([f"{name}1", f"{name}2"]), "name": pa.array(["a", "b"]), name: pa.array([value, None], typ)}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        got = sent(standin, tmp_path / f"{name}.parquet", 3)
        field = {"phone": "phone", "fields": "fields.deep"}.get(name, "fields." + name)
        assert faults(got[""]) == [(0, field, "bad_value")], name
        assert set(got) == {"", f"{name}2"}, name


def test_int96(standin, tmp_path):
    """Timestamps of old Spark and Impala; the library would turn early and late years into others."""
    times = [datetime.datetime(2026, 1, 2, 3, 4, 5), datetime.datetime(1700, 1, 1)]
    rows = pa.table({"id": ["1", "2"], "name": ["a", "b"], "at": pa.array(times, pa.timestamp("ns"))})
    pq.write_table(rows, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    got = sent(standin, tmp_path / "a.parquet")
    assert [got[i]["fields"]["at"] for i in "12"] == ["2026-01-02T03:04:05Z", "1700-01-01"]
