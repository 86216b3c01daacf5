"""An agency's three hundred projects in one run of the real program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand import ETL, Sim, await_

MANY = 300
PARALLEL = 4
MIB = 1 << 20


class Agency:
    """Three hundred small pipelines on four projects, two of them broken."""

    def __init__(self, folder: Path, sim: Sim) -> None:
        self.folder, self.sim = folder, sim
        api = {"base_url": sim.base_url, "key": "sim-key", "per_second": 100_000, "per_hour": 10_000_000, "max_attempts": 1}
        pipelines: list[dict[str, Any]] = [
            {"name": f"p{i:03d}", "project": str(i % 4), "load": [{"parquet": {"path": f"tables/p{i:03d}"}}]} for i in range(MANY)
        ]
        pipelines[7]["api"] = {"base_url": "http://127.0.0.1:1/api/v1"}
        pipelines[11]["project"] = "404"
        self.names = [p["name"] for p in pipelines]
        document = {"version": 1, "defaults": {"api": api}, "pipelines": pipelines}
        (folder / "pipelines.yaml").write_text(json.dumps(document))  # JSON is YAML

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        line = [ETL, "run", "-c", self.folder / "pipelines.yaml", "--parallel", str(PARALLEL), "--progress", "none", *flags]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def finish(self, process: subprocess.Popen[bytes]) -> tuple[int, str, int]:
        """Exit code, output, and the most memory it had, in bytes."""
        assert process.stdout
        out = process.stdout.read().decode()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, out, usage.ru_maxrss * 1024


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    sim = Sim("--clients", "12", "--months", "1", "--whale=false", "--project", "0,1,2,3")
    yield Agency(tmp_path, sim)
    sim.stop()


def test_three_hundred_pipelines(agency: Agency) -> None:
    code, out, memory = agency.finish(agency.start("--json"))
    reports = [json.loads(line) for line in out.splitlines()]
    assert [r["pipeline"] for r in reports] == agency.names, "a line a pipeline, in the configured order"
    assert Counter(r["exit_code"] for r in reports) == {0: MANY - 2, 1: 1, 4: 1}
    assert (reports[7]["exit_code"], reports[11]["exit_code"], code) == (1, 4, 4), "of 4 and 1 the code is 4"
    assert all((agency.folder / f"tables/{r['pipeline']}/current/views.sql").exists() == (r["exit_code"] == 0) for r in reports)
    assert memory <= 300 * MIB, f"{memory / MIB:.0f} MiB"
    assert agency.sim.stats()["in_flight_max"] <= PARALLEL * 8, "concurrency is 8 a pipeline"


def test_a_signal_in_the_middle(agency: Agency) -> None:
    agency.sim.set_faults({"kind": "delay", "method": "feed", "n": 50})
    process = agency.start("--json")
    finished: list[tuple[int, str, int]] = []
    reader = threading.Thread(target=lambda: finished.append(agency.finish(process)))
    reader.start()
    await_("some pipelines", lambda: len(list(agency.folder.glob("tables/*/current"))) > 10)
    process.send_signal(signal.SIGTERM)
    reader.join(15)
    assert finished, "not done within 15 s of the signal"
    code, out, _ = finished[0]
    reports = [json.loads(line) for line in out.splitlines()]
    assert code == 130 and [r["pipeline"] for r in reports] == agency.names
    codes = Counter(r["exit_code"] for r in reports)
    assert codes[130] > MANY / 2 and codes[0] > 8, codes

    # The next run goes on: it asks for the list anew, and for no feed that was read.
    agency.sim.set_faults()
    code, out, _ = agency.finish(agency.start("--json"))
    assert code == 4 and Counter(json.loads(line)["exit_code"] for line in out.splitlines()) == {0: MANY - 2, 1: 1, 4: 1}
    asked = 12 * (MANY - 2)
    assert asked <= agency.sim.stats()["feeds"]["calls"] <= asked + PARALLEL * 8
