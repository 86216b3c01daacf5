"""A bucket read as analysts read it: DuckDB, pyarrow, polars and ClickHouse.

The same run is published into a folder and into a bucket. Every reader asks for
current.json once, and must find under its prefix what the folder has.
"""

import base64
import json
import os
import subprocess
import urllib.request
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import polars as pl
import pyarrow.dataset as ds
import pyarrow.fs as fs
import pytest

import contract
from realserver import PASSWORD, ClickHouse, wait_for
from server import ACCESS, BUCKET, ROOT, SECRET, Server

TABLES = [t.name for t in contract.TABLES]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def s3(place):
    with Server(place) as server:
        yield server


@pytest.fixture(scope="module")
def etl(place, s3):
    """Runs the program, with a world to read and both places to publish to."""
    sim = subprocess.Popen([
        ROOT / "bin/roistat-sim", "serve", "--addr", "127.0.0.1:0", "--addr-file", place / "sim", "--key", "k",
        "--clients", "200", "--months", "6", "--seed", "5",
    ], stderr=subprocess.DEVNULL)
    api = wait_for(place / "sim", sim)[0]
    (place / "pipelines.yaml").write_text(f"""
version: 1
pipelines:
  - name: both
    project: "12345"
    api: {{base_url: "http://{api}/api/v1", key: k, per_second: 2000, per_hour: 1000000}}
    extract: {{campaigns: [{{id: 2}}]}}
    load: [{{parquet: {{path: tables}}}}, {{parquet: {{path: "s3://{BUCKET}/bi/tables"}}}}]
""")

    def run(*args):
        command = [ROOT / "bin/roistat-etl", *args, "-c", place / "pipelines.yaml"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | s3.environ())
        assert done.returncode == 0, done.stdout + done.stderr

    run("run", "--progress", "none")
    run("verify")
    run.night = lambda: urllib.request.urlopen(f"http://{api}/_sim/night?n=1&share=30%25", data=b"").close()
    yield run
    sim.terminate()
    sim.wait(timeout=30)


@pytest.fixture(scope="module")
def files(s3):
    return fs.S3FileSystem(endpoint_override=s3.addr, scheme="http", access_key=ACCESS, secret_key=SECRET, region="us-east-1")


def prefix(files) -> str:
    with files.open_input_stream(f"{BUCKET}/bi/tables/current.json") as f:
        return json.loads(f.read())["prefix"]


@pytest.fixture(scope="module")
def shown(etl, files) -> str:
    return prefix(files)


@pytest.fixture(scope="module")
def folder(etl, place) -> Path:
    return (place / "tables/current").resolve()


def glob(table) -> str:
    whole = {t.name for t in contract.TABLES if not t.is_events}
    return f"{table}/*.parquet" if table in whole else f"{table}/*/*.parquet"


@pytest.mark.parametrize("table", TABLES)
def test_pyarrow(files, shown, folder, table):
    there = ds.dataset(f"{BUCKET}/{shown}/{table}", filesystem=files, format="parquet", partitioning="hive").to_table()
    here = ds.dataset(folder / table, format="parquet", partitioning="hive").to_table()
    assert there.equals(here)


def test_polars(s3, shown, folder):
    options = {
        "aws_endpoint_url": f"http://{s3.addr}", "aws_access_key_id": ACCESS, "aws_secret_access_key": SECRET,
        "aws_region": "us-east-1", "aws_allow_http": "true",
    }
    for table in ("visits", "orders", "clients"):
        there = pl.scan_parquet(f"s3://{BUCKET}/{shown}/{glob(table)}", storage_options=options, hive_partitioning=table != "clients").collect()
        here = pl.scan_parquet(f"{folder}/{glob(table)}", hive_partitioning=table != "clients").collect()
        assert there.height > 100 and there.equals(here), table


@pytest.fixture(scope="module")
def duck(s3, files, shown):
    con = duckdb.connect()
    site = Path(duckdb_extension_httpfs.__file__).parent
    extension = next(site.rglob("httpfs.duckdb_extension"))
    con.execute(f"LOAD '{extension}'")
    con.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{ACCESS}', SECRET '{SECRET}', REGION 'us-east-1',
                    ENDPOINT '{s3.addr}', URL_STYLE 'path', USE_SSL false)""")
    with files.open_input_stream(f"{BUCKET}/{shown}/views.sql") as f:
        con.execute(f.read().decode())
    return con


@pytest.fixture(scope="module")
def local(folder):
    con = duckdb.connect()
    con.execute((folder / "views.sql").read_text())
    return con


@pytest.mark.parametrize("table", [*TABLES, "client_journey", "daily_funnel", "orders_attributed"])
def test_duckdb_by_the_views(duck, local, table):
    ask = f"SELECT count(*), bit_xor(hash(t::VARCHAR)) FROM {table} t"
    assert duck.execute(ask).fetchall() == local.execute(ask).fetchall()


def test_clickhouse(place, s3, shown, local):
    with ClickHouse(place, "roistat_s3") as server:
        for table in ("visits", "orders", "clients"):
            query = f"SELECT count(), sum(client_id), uniqExact({'client_id' if table == 'clients' else 'event_id'}) FROM " + \
                f"s3('http://{s3.addr}/{BUCKET}/{shown}/{glob(table)}', '{ACCESS}', '{SECRET}', 'Parquet')"
            there = ask_as_admin(server, query)
            here = local.execute(f"SELECT count(*), sum(client_id), count(DISTINCT {'client_id' if table == 'clients' else 'event_id'}) FROM {table}")
            assert there == [str(v) for v in here.fetchone()], table


def ask_as_admin(server, query) -> list[str]:
    request = urllib.request.Request(f"http://{server.web}/", data=query.encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode())
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode().split()


def test_a_reader_keeps_what_it_began_with(etl, files, duck, local, shown):
    """Last: it publishes another night."""
    before = duck.execute("SELECT count(*) FROM visits").fetchone()
    etl.night()
    etl("run", "--full", "--progress", "none")
    assert prefix(files) != shown
    assert duck.execute("SELECT count(*) FROM visits").fetchone() == before == local.execute("SELECT count(*) FROM visits").fetchone()
    etl("verify")
