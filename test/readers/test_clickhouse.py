"""Both engines answer alike: one run, in ClickHouse and in Parquet.

The same run is published in a folder and in a real ClickHouse; every row of the
tables and of the three views is fetched from both and compared.
"""

import subprocess
from decimal import Decimal

import duckdb
import pytest

import contract
from realserver import ROOT, ClickHouse, wait_for
from snapshot import Snapshot
from values import canonical, rows


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A world with every quirk, published in both places."""
    place = tmp_path_factory.mktemp("both")
    sim = subprocess.Popen([
        ROOT / "bin/roistat-sim", "serve", "--addr", "127.0.0.1:0", "--addr-file", place / "sim", "--key", "k",
        "--clients", "300", "--months", "6", "--seed", "5",
    ], stderr=subprocess.DEVNULL)
    try:
        api = wait_for(place / "sim", sim)[0]
        with ClickHouse(place, "roistat_readers") as server:
            run_both(place, api, server)
            con = duckdb.connect()
            con.execute((place / "tables/current/views.sql").read_text())
            yield con, server, Snapshot(place / "tables")
    finally:
        sim.terminate()
        sim.wait(timeout=30)


def run_both(place, api, server):
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
      - {server.load()}
""")
    for command in (["run", "--progress", "none"], ["verify"]):
        done = subprocess.run([ROOT / "bin/roistat-etl", *command, "-c", config], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("table", contract.TABLES, ids=lambda t: t.name)
def test_every_value_of_a_table(published, table):
    _, server, snapshot = published
    ours = rows(table, snapshot.arrow(table.name))
    assert sorted(map(canonical, ours)) == sorted(map(canonical, server.rows(table)))


def amounts(rows, places):
    return sorted((tuple(Decimal(v) if i in places and v is not None else v for i, v in enumerate(row)) for row in rows), key=repr)


def test_client_journey(published):
    con, server, _ = published
    columns = "project, client_id, {}, event_id, event_type, ref_id, title, status, amount"
    ours = con.execute("SELECT " + columns.format("epoch_ms(occurred_at)") + " FROM client_journey").fetchall()
    theirs = server.ask("SELECT " + columns.format("toUnixTimestamp64Milli(occurred_at)") + " FROM client_journey")
    assert len(ours) > 3000
    assert amounts(ours, {8}) == amounts(theirs, {8})


def test_daily_funnel(published):
    con, server, _ = published
    columns = ("project, {}, visits, visitors, site_events, leads, calls, answered_calls, orders, buyers, paid_orders, canceled_orders, "
               "revenue, paid_revenue")
    ours = con.execute("SELECT " + columns.format("CAST(day AS VARCHAR)") + " FROM daily_funnel").fetchall()
    theirs = server.ask("SELECT " + columns.format("toString(day)") + " FROM daily_funnel")
    assert len(ours) > 100
    assert amounts(ours, {12, 13}) == amounts(theirs, {12, 13})


def test_orders_attributed(published):
    con, server, _ = published
    columns = ("project, client_id, event_id, order_id, {0}(occurred_at), {0}(updated_at), name, status, status_type, status_title, revenue, cost, "
               "visits_before, first_visit_id, {0}(first_visit_at), first_source_id, first_source_title, "
               "last_visit_id, {0}(last_visit_at), last_source_id, last_source_title, {1}")
    ours = con.execute("SELECT " + columns.format("epoch_ms", "map_keys(fields), map_values(fields)") + " FROM orders_attributed").fetchall()
    theirs = server.ask("SELECT " + columns.format("toUnixTimestamp64Milli", "mapKeys(fields), mapValues(fields)") + " FROM orders_attributed")
    assert len(ours) > 500
    assert amounts(ours, {10, 11}) == amounts(theirs, {10, 11})
