"""What the program publishes, read by DuckDB and pyarrow and compared with the truth."""

import subprocess
import sys

import pytest

from check import check
from snapshot import Snapshot
from standin import ROOT, StandIn

WORLDS = {
    "every quirk": ("--clients", "400", "--months", "14", "--seed", "7"),
    "no quirk": ("--clients", "300", "--months", "3", "--seed", "2", "--plain"),
    "no client": ("--clients", "0", "--months", "1", "--seed", "1"),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_published_tables_hold_the_truth(tmp_path, world):
    with StandIn(tmp_path, *world) as standin:
        standin.run()
        assert check(standin.tables, standin.truth(), standin.items()) == []


def test_after_nights_the_tables_hold_the_new_truth(tmp_path):
    with StandIn(tmp_path, *WORLDS["every quirk"], "--share", "40%") as standin:
        standin.run()
        for _ in range(2):
            standin.night()
            standin.run("--full")
        standin.run("--full")  # who is absent from two lists in a row is gone
        assert check(standin.tables, standin.truth(), standin.items(), later=True) == []
        assert len(gone(standin)) > 2


def gone(standin) -> set[int]:
    """The clients that the tables know and the list no longer has."""
    clients = Snapshot(standin.tables).arrow("clients").to_pylist()
    return {r["client_id"] for r in clients if r["gone_at"] is not None} - standin.clients()


def test_the_demo_s_way_of_asking(tmp_path):
    with StandIn(tmp_path, *WORLDS["no quirk"]) as standin:
        standin.run()
        query = [sys.executable, ROOT / "test/readers/query.py", standin.tables, "SELECT count(*) AS n FROM visits"]
        asked = subprocess.run(query, capture_output=True, text=True)
        assert asked.returncode == 0, asked.stderr
        visits = len(standin.truth().joinpath("visits.ndjson").read_text().splitlines())
        assert str(visits) in asked.stdout
