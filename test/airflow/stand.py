"""What the tests of deploy/ share: stand-in APIs, and a real Airflow with its own home."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
ETL, SIM = ROOT / "bin/roistat-etl", ROOT / "bin/roistat-sim"
SCRIPTS = Path(sys.executable).parent

T = TypeVar("T")


def await_(what: str, look: Callable[[], T | None], within: float = 120) -> T:
    """Looks until it finds something that is true."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {within:g} s")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def processes() -> dict[int, list[str]]:
    """Command lines of all processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            except OSError:
                pass  # it ended meanwhile
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


class Sim:
    """A stand-in API on a port of its own."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen([SIM, "serve", "--addr", "127.0.0.1:0", *flags], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.root = self.process.stdout.readline().split()[3].rstrip(",").removesuffix("/api/v1")

    @property
    def base_url(self) -> str:
        return self.root + "/api/v1"

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.root + "/_sim/stats") as answer:
            return json.load(answer)

    def set_faults(self, *faults: dict[str, Any]) -> None:
        urllib.request.urlopen(urllib.request.Request(self.root + "/_sim/faults", json.dumps(faults).encode(), method="POST")).close()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


class Airflow:
    """Scheduler, DAG processor and API server over SQLite, in a folder of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789abcdef" * 4,
            **settings,
        }
        self._running: list[subprocess.Popen[bytes]] = []
        self._token = ""

    def run(self, *arguments: str) -> None:
        """One command line of airflow."""
        done = subprocess.run([SCRIPTS / "airflow", *arguments], env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Starts what an Airflow needs for running tasks."""
        for component in (["api-server", "--workers", "1"], ["dag-processor"], ["scheduler"]):
            log = (self.home / f"{component[0]}.log").open("wb")
            self._running.append(
                subprocess.Popen([SCRIPTS / "airflow", *component], env=self.env, stdout=log, stderr=log, start_new_session=True)
            )
            log.close()

    def log_in(self) -> None:
        """Waits until the API answers."""
        await_("the API server", self._ask_token)

    def stop(self) -> None:
        """Ends it with everything that it started."""
        for process in self._running:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _ask_token(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/auth/token", timeout=5) as answer:
                self._token = json.load(answer)["access_token"]
        except OSError:
            return False
        return True

    def call(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Asks Airflow's API; None where there is no such thing yet."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            if e.code == 404:
                return None
            raise AssertionError(f"{method} {path}: {e.code}: {e.read().decode()}") from e

    def trigger(self, dag: str) -> DagRun:
        """Starts a run of a DAG once it is known."""
        await_(f"DAG {dag}", lambda: self.call(f"dags/{dag}"))
        self.call(f"dags/{dag}", "PATCH", {"is_paused": False})
        return DagRun(self, dag, self.call(f"dags/{dag}/dagRuns", "POST", {"logical_date": None})["dag_run_id"])


class DagRun:
    """A run of a DAG, seen through the API. A task instance is found by its pipeline, its label."""

    def __init__(self, airflow: Airflow, dag: str, run: str) -> None:
        self.airflow, self.path = airflow, f"dags/{dag}/dagRuns/{run}"

    def ended(self) -> str | None:
        state = self.airflow.call(self.path)["state"]
        return state if state in ("success", "failed") else None

    def tasks(self) -> dict[str, dict[str, Any]]:
        found = self.airflow.call(self.path + "/taskInstances?limit=1000")["task_instances"]
        return {task["rendered_map_index"] or f"{task['task_id']}[{task['map_index']}]": task for task in found}

    def report(self, task: dict[str, Any]) -> dict[str, Any] | None:
        where = f"{self.path}/taskInstances/{task['task_id']}/xcomEntries/return_value?map_index={task['map_index']}&deserialize=true"
        entry = self.airflow.call(where)
        return entry and entry["value"]

    def log(self, task: dict[str, Any], attempt: int) -> str:
        path = f"{self.path}/taskInstances/{task['task_id']}/logs/{attempt}?map_index={task['map_index']}&full_content=true"
        return json.dumps(self.airflow.call(path), ensure_ascii=False)
