"""The comparers must see what they are there for: a wrong row, a wrong order, a
partition encoded for nothing. Run by `pytest test/bench`."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

HERE = Path(__file__).parent

FEEDS = [
    {
        "client_id": 123,
        "feed": [
            {"type": "order", "id": "o1", "name": "n", "revenue": 12.5, "cost": 0, "fields": {"б": 1, "a": "x"},
             "creationDate": "2021-11-10T14:28:59+0000", "updateDate": None},
            {"type": "visit", "visitId": "41028", "creationDate": "2021-11-10T14:05:12+0000", "sourceId": "seo",
             "device": {"os": "Mac", "is_mobile": False}, "sourceTitle": "SEO"},
            {"type": "visit", "visitId": "41029", "creationDate": "2021-12-01T00:00:00+0000", "sourceId": "vk"},
            {"type": "event", "metaId": "5", "creationDate": "2021-11-10T14:08:08+0000", "name": "b"},
            {"type": "event", "metaId": "5", "creationDate": "2021-11-10T14:08:08+0000", "name": "a"},
            {"type": "call", "date": "2021-11-10T14:08:08+0000", "duration": "61", "status": "ANSWER"},
        ],
    },
    {"client_id": 7, "feed": []},
]
CLIENTS = [{"id": 123, "name": "A", "revenue": 12.5, "order_count": 1}, {"id": 7, "name": "B", "birth_date": "1980-01-02"}]


def tool(name, *args):
    return subprocess.run([sys.executable, str(HERE / name), *map(str, args)], capture_output=True, text=True)


def lines(path, rows):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path):
    return projected(tmp_path, "out", FEEDS)


def projected(tmp_path, name, feeds):
    folder = tmp_path / name
    folder.mkdir()
    done = tool("project.py", lines(tmp_path / "feeds.ndjson", feeds), lines(tmp_path / "clients.ndjson", CLIENTS), folder)
    assert done.returncode == 0, done.stderr
    return folder


def read(folder, table, columns="*"):
    sql = f"SELECT {columns} FROM read_parquet('{folder}/{table}/**/*.parquet', hive_partitioning = false) ORDER BY client_id, occurred_at, event_id"
    return duckdb.sql(sql).fetchall()


def test_ids_and_attribution(out):
    assert read(out, "visits", "event_id")[0] == ("b8daa24e634a8145c8279b91",)
    [order] = read(out, "orders", "revenue::VARCHAR, fields::VARCHAR, visits_before, first_visit_id, last_source_id, updated_at")
    assert order == ("12.50", "{a=x, б=1}", 1, "41028", "seo", None)
    ids = {n: hashlib.sha256(f"event\x1f123\x1f2021-11-10T14:08:08.000Z\x1f5\x1f{n}".encode()).hexdigest()[:24] for n in (0, 1)}
    assert sorted(read(out, "site_events", "name, event_id")) == [("a", ids[0]), ("b", ids[1])]
    assert sorted(p.name for p in (out / "visits").iterdir()) == ["month=2021-11", "month=2021-12"]


def test_agrees_with_itself(out):
    done = tool("agree.py", out, out)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["rows"]["visits"] == 2


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda f: f[0]["feed"].pop(), "calls: 0 rows here, 1 rows from DuckDB"),
        (lambda f: f[0]["feed"][0].update(revenue=12.51), "orders: the rows differ, by columns in revenue"),
        (lambda f: f[0]["feed"][0]["fields"].update(a="y"), "orders: the rows differ, by columns in fields"),
        (lambda f: f[0]["feed"][1]["device"].update(is_mobile=True), "visits: the rows differ, by columns in is_mobile"),
        (lambda f: f[0]["feed"][5].update(date="2021-11-10T14:08:08.001+0000"), "calls: the rows differ, by columns in event_id, occurred_at"),
    ],
)
def test_sees_a_wrong_row(out, tmp_path, change, told):
    feeds = json.loads(json.dumps(FEEDS))
    change(feeds)
    done = tool("agree.py", projected(tmp_path, "other", feeds), out)
    assert done.returncode == 1
    assert told in done.stdout.splitlines()


def test_sees_a_wrong_order(out, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(out, other)
    [path] = (other / "site_events").rglob("*.parquet")
    duckdb.sql(f"COPY (FROM read_parquet('{path}', hive_partitioning = false) ORDER BY event_id DESC) TO '{tmp_path}/turned.parquet'")
    shutil.copy(tmp_path / "turned.parquet", path)
    done = tool("agree.py", other, out)
    assert done.returncode == 1 and "site_events: 1 rows out of order here" in done.stdout


class Night:
    """Two snapshots: clients, and visits of two months."""

    def __init__(self, root):
        self.root = root
        for name in ("old", "new"):
            (root / name).mkdir()
            files = [self.entry("clients", ""), self.entry("visits", "2021-11"), self.entry("visits", "2021-12")]
            tables = {"clients": {"files": files[:1]}, "visits": {"files": files[1:]}}
            (root / name / "_manifest.json").write_text(json.dumps({"tables": tables}), encoding="utf-8")
        self.write("old", "clients", "", "(1, 10, NULL), (2, 10, NULL)", "client_id, feed_fetched_at, gone_at")
        self.write("old", "visits", "2021-11", "(1, 'a'), (2, 'b')")
        self.write("old", "visits", "2021-12", "(2, 'c')")

    @staticmethod
    def entry(table, partition):
        return {"path": f"{table}{partition}.parquet", "partition": partition}

    def write(self, snapshot, table, partition, rows, columns="client_id, v"):
        path = self.root / snapshot / f"{table}{partition}.parquet"
        duckdb.sql(f"COPY (FROM (VALUES {rows}) t({columns})) TO '{path}'")

    def link(self, table, partition):
        name = f"{table}{partition}.parquet"
        os.link(self.root / "old" / name, self.root / "new" / name)

    def inspect(self):
        self.write("new", "clients", "", "(1, 20, NULL), (2, 10, NULL)", "client_id, feed_fetched_at, gone_at")
        return tool("night.py", self.root / "old", self.root / "new")


def test_night(tmp_path):
    n = Night(tmp_path)
    n.write("new", "visits", "2021-11", "(1, 'A'), (2, 'b')")
    n.link("visits", "2021-12")
    done = n.inspect()
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert [found[k] for k in ("clients", "partitions", "touched", "differing", "encoded")] == [1, 3, 2, 2, 2]


@pytest.mark.parametrize(
    "november, december, told",
    [
        ("(1, 'A'), (2, 'b')", "(2, 'c')", "encoded, though no client that was read again has rows in it"),
        ("(1, 'a'), (2, 'b')", None, "encoded, though its rows are the same"),
    ],
)
def test_sees_what_was_encoded_for_nothing(tmp_path, november, december, told):
    n = Night(tmp_path)
    n.write("new", "visits", "2021-11", november)
    if december:
        n.write("new", "visits", "2021-12", december)
    else:
        n.link("visits", "2021-12")
    done = n.inspect()
    assert done.returncode == 1 and told in done.stdout
