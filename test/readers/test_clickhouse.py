"""Both engines answer alike: the views of one run, in ClickHouse and in DuckDB.

The same run is published in a folder and in a real ClickHouse; every row of the
three views is fetched from both and compared, and the questions of
docs/analysts.md are asked of ClickHouse.
"""

import base64
import json
import re
import subprocess
import time
import urllib.request
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / ".clickhouse" / "server"
DATABASE = "roistat_readers"
PASSWORD = "secret"  # of the test server's users


def wait_for(path, process):
    for _ in range(3000):
        if path.exists():
            return path.read_text().split()
        assert process.poll() is None, f"{process.args[0]} ended with {process.returncode}"
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")


def stop(process):
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A world with every quirk, published in both places."""
    place = tmp_path_factory.mktemp("both")
    sim = subprocess.Popen([
        ROOT / "bin/roistat-sim", "serve", "--addr", "127.0.0.1:0", "--addr-file", place / "sim", "--key", "k",
        "--clients", "300", "--months", "6", "--seed", "5",
    ], stderr=subprocess.DEVNULL)
    server = subprocess.Popen([SERVER, "--dir", place / "clickhouse", "--addr-file", place / "addr"])
    try:
        api = wait_for(place / "sim", sim)[0]
        native, web = wait_for(place / "addr", server)
        config = place / "pipelines.yaml"
        config.write_text(f"""
version: 1
pipelines:
  - name: both
    project: "12345"
    api: {{base_url: "http://{api}/api/v1", key: k, per_second: 2000, per_hour: 1000000, concurrency: 16}}
    extract: {{campaigns: [{{id: 2}}]}}
    transform: {{report_timezone: Europe/Moscow}}
    load:
      - parquet: {{path: tables}}
      - clickhouse: {{url: "clickhouse://etl@{native}/{DATABASE}", password: {PASSWORD}}}
""")
        run = subprocess.run([ROOT / "bin/roistat-etl", "run", "-c", config, "--progress", "none"], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        verify = subprocess.run([ROOT / "bin/roistat-etl", "verify", "-c", config], capture_output=True, text=True)
        assert verify.returncode == 0, verify.stdout + verify.stderr
        con = duckdb.connect()
        con.execute((place / "tables/current/views.sql").read_text())
        yield con, web
    finally:
        stop(sim)
        stop(server)


def clickhouse(web, query):
    """The rows of a question: numbers beyond 2^53 and decimals as they are written."""
    settings = "output_format_json_quote_64bit_integers=0&output_format_json_quote_decimals=1"
    request = urllib.request.Request(f"http://{web}/?database={DATABASE}&{settings}", data=(query + " FORMAT JSONCompactEachRow").encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(f"bi:{PASSWORD}".encode()).decode())
    with urllib.request.urlopen(request) as answer:
        return [tuple(json.loads(line)) for line in answer.read().decode().splitlines()]


def amounts(rows, places):
    return sorted((tuple(Decimal(v) if i in places and v is not None else v for i, v in enumerate(row)) for row in rows), key=repr)


def test_client_journey(published):
    con, web = published
    columns = "project, client_id, {}, event_id, event_type, ref_id, title, status, amount"
    ours = con.execute("SELECT " + columns.format("epoch_ms(occurred_at)") + " FROM client_journey").fetchall()
    theirs = clickhouse(web, "SELECT " + columns.format("toUnixTimestamp64Milli(occurred_at)") + " FROM client_journey")
    assert len(ours) > 3000
    assert amounts(ours, {8}) == amounts(theirs, {8})


def test_daily_funnel(published):
    con, web = published
    columns = ("project, {}, visits, visitors, site_events, leads, calls, answered_calls, orders, buyers, paid_orders, canceled_orders, "
               "revenue, paid_revenue")
    ours = con.execute("SELECT " + columns.format("CAST(day AS VARCHAR)") + " FROM daily_funnel").fetchall()
    theirs = clickhouse(web, "SELECT " + columns.format("toString(day)") + " FROM daily_funnel")
    assert len(ours) > 100
    assert amounts(ours, {12, 13}) == amounts(theirs, {12, 13})


def test_orders_attributed(published):
    con, web = published
    columns = ("project, client_id, event_id, order_id, {0}(occurred_at), {0}(updated_at), name, status, status_type, status_title, revenue, cost, "
               "visits_before, first_visit_id, {0}(first_visit_at), first_source_id, first_source_title, "
               "last_visit_id, {0}(last_visit_at), last_source_id, last_source_title, {1}")
    ours = con.execute("SELECT " + columns.format("epoch_ms", "map_keys(fields), map_values(fields)") + " FROM orders_attributed").fetchall()
    theirs = clickhouse(web, "SELECT " + columns.format("toUnixTimestamp64Milli", "mapKeys(fields), mapValues(fields)") + " FROM orders_attributed")
    assert len(ours) > 500
    assert amounts(ours, {10, 11}) == amounts(theirs, {10, 11})


def questions():
    text = (ROOT / "docs/analysts.md").read_text()
    return re.findall(r"^### (.*?)\n.*?```sql\n(.*?)```", text, re.S | re.M)


@pytest.mark.parametrize("question, query", questions(), ids=[q for q, _ in questions()])
def test_question(published, question, query):
    _, web = published
    assert clickhouse(web, query), question


def test_all_questions_are_asked():
    assert len(questions()) >= 11
